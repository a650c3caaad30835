"""Simulated Bluetooth LE devices, with the encoders of `device_drivers`."""
