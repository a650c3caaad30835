"""What can go wrong with a device.

DriverError
├── Undecodable            bytes that make no measurement; `reason` is stable and counted
│   ├── Truncated          the flags promise more bytes than there are
│   └── Malformed          the bytes contradict the format
├── UnknownDriver          no driver has that key
├── UnknownFormat          no format has that key
└── TransportError         the way to the device; `reason` says what a person can do
    ├── LinkLost           the connection is gone
    ├── CommandFailed      the device or the stack refused one command; the link stands
    ├── ConnectFailed      no connection came about
    ├── BluetoothUnavailable   there is no adapter, no BlueZ, or it has died
    └── PortUnavailable    the serial port is not there or can't be opened
"""

import difflib
from typing import Final

NEAR: Final = 4
"""Keys at most that are named beside one that there isn't."""


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
    """Names the driver, and those that are written alike."""

    def __init__(self, key: str, known: list[str]) -> None:
        super().__init__(f"there is no driver {key!r}; {_near(key, known, 'docs/device-support.md lists them')}")
        self.key = key


class UnknownFormat(DriverError):
    """Names the format, and those that are written alike."""

    def __init__(self, key: str, known: list[str]) -> None:
        super().__init__(f"there is no format {key!r}; {_near(key, known, '`bedside decode --list` shows them')}")
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


def _near(key: str, known: list[str], otherwise: str) -> str:
    """Keys that a person may have meant; of many keys the whole list helps nobody."""
    said = "".join(letter for letter in key.casefold() if letter.isalnum())
    holding = [name for name in known if said and said in name.casefold().replace("-", "")]
    near = (holding or difflib.get_close_matches(key.casefold(), known, NEAR, 0.6))[:NEAR]
    return f"did you mean {' or '.join(near)}?" if near else otherwise
