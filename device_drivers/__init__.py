"""Bytes become measurements and measurements become bytes, without I/O; a registry from advertisement or port to driver.

`transports/` is the only place that imports bleak or pyserial.
"""
