"""Pulse oximeters that speak a protocol of their maker."""
