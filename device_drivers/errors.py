"""What can go wrong with a device.

DriverError
├── Undecodable            bytes that make no measurement; `reason` is stable and counted
│   ├── Truncated          the flags promise more bytes than there are
│   └── Malformed          the bytes contradict the format
├── UnknownDriver          no driver has that key
└── TransportError         the way to the device; `reason` says what a person can do
    ├── LinkLost           the connection is gone
    ├── CommandFailed      the device or the stack refused one command; the link stands
    ├── ConnectFailed      no connection came about
    ├── BluetoothUnavailable   there is no adapter, no BlueZ, or it has died
    └── PortUnavailable    the serial port is not there or can't be opened
"""


class DriverError(Exception):
    """Root of the package's errors."""


class Undecodable(DriverError):
    """`reason` is short, stable, and holds nothing of the bytes."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Truncated(Undecodable):
    """`needed` bytes were promised, `present` are there."""

    def __init__(self, needed: int, present: int) -> None:
        super().__init__("truncated")
        self.needed = needed
        self.present = present


class Malformed(Undecodable):
    pass


class UnknownDriver(DriverError):
    """Names the driver and those there are."""

    def __init__(self, key: str, known: list[str]) -> None:
        super().__init__(f"there is no driver {key!r}; there are {', '.join(known)}")
        self.key = key


class TransportError(DriverError):
    """`reason` is for people."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class LinkLost(TransportError):
    pass


class CommandFailed(TransportError):
    pass


class ConnectFailed(TransportError):
    pass


class BluetoothUnavailable(TransportError):
    pass


class PortUnavailable(TransportError):
    pass
