"""Simulated devices that speak real Bluetooth LE and serial bytes, and the recordings that they replay."""
