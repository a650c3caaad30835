"""What a driver is: one kind of device, how it is known, how it is talked with, and how far that has been shown to be right."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final

from device_drivers.advertisement import Marks
from device_drivers.sessions import Session, SessionContext
from vitals.identifiers import DeviceType
from vitals.parameters import Parameter


@unique
class Transport(StrEnum):
    """How a device is reached. The agent has Bluetooth LE and serial lines; for the others there are decoders and conversations."""

    BLE = "ble"
    SERIAL = "serial"
    USB_HID = "usb-hid"
    ONE_WIRE = "one-wire"


@unique
class Verified(StrEnum):
    """By what a driver was shown to be right; best first."""

    STANDARD = "standard"
    VENDOR_DOCUMENT = "vendor document"
    CAPTURE = "capture"
    SECOND_SOURCE = "second source"
    ONE_SOURCE = "one source"


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialSettings:
    """How a line is set: bits a second, data bits, parity (N, E, O), stop bits."""

    baud: int
    data_bits: int = 8
    parity: str = "N"
    stop_bits: int = 1

    def __str__(self) -> str:
        return f"{self.baud} {self.data_bits}{self.parity}{self.stop_bits}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UsbId:
    """Vendor and product of a USB adapter or device."""

    vendor: int
    product: int

    def __str__(self) -> str:
        return f"{self.vendor:04x}:{self.product:04x}"


_KINDS: Final[Mapping[type, str]] = {bool: "true or false", int: "a whole number", str: "a text"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """What a device's configuration may say under `options`. A number lies between `low` and `high`, where they are given."""

    name: str
    default: bool | int | str
    text: str
    low: int | None = None
    high: int | None = None

    def problem(self, value: bool | int | str) -> str | None:  # noqa: FBT001 - an option's value may be one
        """What is wrong with a value, None where it can be used."""
        if type(value) is not type(self.default):
            return f"must be {_KINDS[type(self.default)]}"
        if isinstance(value, int) and not isinstance(value, bool):
            if self.low is not None and value < self.low:
                return f"must be {self.low} or more"
            if self.high is not None and value > self.high:
                return f"must be {self.high} or less"
        return None


UNVERIFIED: Final = Option(
    name="unverified", default=False, text="use also those parts of the format that nobody has verified on a device"
)
INFLATE: Final = "inflate_every_minutes"
"""The option by which a cuff is inflated; only with `allow_inflation` in the gateway's configuration. 0: never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """One kind of device.

    `formats` are the keys of what it reads (the first decides its readings). `sleeps`: it is idle between measurements, never lost. On a
    standing link `stale_after_seconds` of silence count as a loss. `missing`: what is known to be missing. `unverified`: facts that
    rest on nothing sure, used only with the option of that name.
    """

    key: str
    title: str
    device_type: DeviceType
    transport: Transport
    session: Callable[[SessionContext], Session]
    formats: tuple[str, ...]
    measures: tuple[Parameter, ...]
    verified: tuple[Verified, ...]
    marks: tuple[Marks, ...] = ()
    usb: frozenset[UsbId] = frozenset()
    serial: SerialSettings | None = None
    sleeps: bool = False
    stale_after_seconds: float | None = None
    options: tuple[Option, ...] = ()
    missing: str = ""
    unverified: tuple[str, ...] = ()

    @property
    def all_options(self) -> tuple[Option, ...]:
        """Its own, and `unverified` where there is something of the kind."""
        return (*self.options, *((UNVERIFIED,) if self.unverified else ()))
