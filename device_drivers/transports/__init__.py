"""Bluetooth LE through bleak and serial lines through pyserial, both translated into this package's own errors."""
