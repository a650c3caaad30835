"""Battery Service (BAS 1.0): level 0x2A19, one byte of per cent (GATT Specification Supplement, Battery Level)."""

from dataclasses import dataclass
from typing import Final, Self

from device_drivers.binary import ByteReader
from device_drivers.driver import Driver
from device_drivers.errors import Malformed
from device_drivers.format import AnyFormat, Format, Parts

_FULL: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class BatteryLevel:
    """How full it is, 0 to 100 %."""

    level: int

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode one byte. Raises Truncated; Malformed for more than 100 %."""
        level = ByteReader(data).u8()
        if level > _FULL:
            raise Malformed("battery_out_of_range")
        return cls(level=level)

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for what is no per cent."""
        if not 0 <= self.level <= _FULL:
            raise ValueError(f"{self.level} is not from 0 to 100")
        return self.level.to_bytes(1)


def _describe(data: bytes) -> Parts:
    parts = Parts(data)
    parts.add(1, "level", f"{BatteryLevel.from_bytes(data).level} %")
    parts.rest()
    return parts


FORMATS: Final[tuple[AnyFormat, ...]] = (
    Format(
        key="2A19",
        title="Battery Level",
        source="Bluetooth GATT Specification Supplement, Battery Level; Battery Service 1.0, 3.1",
        message=BatteryLevel,
        decode=BatteryLevel.from_bytes,
        encode=bytes,
        describe=_describe,
    ),
)
DRIVERS: Final[tuple[Driver, ...]] = ()
