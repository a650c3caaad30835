"""Thermometers that speak a protocol of their maker."""
