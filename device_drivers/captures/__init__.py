"""Recordings of a conversation between a host and its devices, read back."""
