"""Devices as their makers' protocols describe them, without I/O: bytes from the host in, bytes to the host out."""
