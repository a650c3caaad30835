"""The formats SFLOAT and FLOAT by themselves; what they are is in `device_drivers.ieee11073`."""

from dataclasses import dataclass
from typing import Final, Self

from device_drivers.binary import ByteReader
from device_drivers.driver import Driver
from device_drivers.format import AnyFormat, Format, Parts
from device_drivers.ieee11073 import FLOAT, SFLOAT, Number, Special

_SOURCE: Final = "IEEE 11073-20601, annex F; Bluetooth GATT Specification Supplement, 2.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sfloat:
    """One 16-bit number."""

    value: Number

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode 2 bytes. Raises Truncated."""
        return cls(value=ByteReader(data).sfloat())

    def __bytes__(self) -> bytes:
        return SFLOAT.encode(self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Float:
    """One 32-bit number."""

    value: Number

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode 4 bytes. Raises Truncated."""
        return cls(value=ByteReader(data).float32_11073())

    def __bytes__(self) -> bytes:
        return FLOAT.encode(self.value)


def number_in_words(number: Number, *, unit: str = "") -> str:
    """A number and its unit, or what a special word says."""
    if isinstance(number, Special):
        return f"{number} (no number)"
    return f"{number:f} {unit}".rstrip()


def _describe_sfloat(data: bytes) -> Parts:
    parts = Parts(data)
    parts.add(2, "value", number_in_words(ByteReader(data).sfloat()))
    parts.rest()
    return parts


def _describe_float(data: bytes) -> Parts:
    parts = Parts(data)
    parts.add(4, "value", number_in_words(ByteReader(data).float32_11073()))
    parts.rest()
    return parts


FORMATS: Final[tuple[AnyFormat, ...]] = (
    Format(
        key="SFLOAT",
        title="IEEE 11073 SFLOAT, 16 bits",
        source=_SOURCE,
        message=Sfloat,
        decode=Sfloat.from_bytes,
        encode=bytes,
        describe=_describe_sfloat,
    ),
    Format(
        key="FLOAT",
        title="IEEE 11073 FLOAT, 32 bits",
        source=_SOURCE,
        message=Float,
        decode=Float.from_bytes,
        encode=bytes,
        describe=_describe_float,
    ),
)
DRIVERS: Final[tuple[Driver, ...]] = ()
