"""Clocks of Bluetooth devices: Date Time (0x2A08) and Current Time (0x2A2B); GATT Specification Supplement, sections of these names.

They have no zone. A year, month or day of 0 is unknown, and then there is no moment to be had; the fields are kept as they came.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from struct import Struct
from typing import Final, Self

import msgspec

from device_drivers.packing import pack

_LAYOUT: Final = Struct("<H5B")
_ISO: Final = re.compile(r"(\d{4,5})-(\d{2,3})-(\d{2,3})T(\d{2,3}):(\d{2,3}):(\d{2,3})")


class DateTime(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A Date Time as the device said it, 7 bytes. `moment` is None where a part is unknown or the date does not exist.

    A struct, for one is made with every measurement and a dataclass takes six times as long.
    """

    year: int
    month: int
    day: int
    hour: int
    minute: int
    second: int

    SIZE = 7

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode exactly 7 bytes."""
        return cls.at(data, 0)

    @classmethod
    def at(cls, data: bytes, offset: int) -> Self:
        """Decode the 7 bytes at `offset`, which are there."""
        year, month, day, hour, minute, second = _LAYOUT.unpack_from(data, offset)
        return cls(year=year, month=month, day=day, hour=hour, minute=minute, second=second)

    @classmethod
    def of(cls, moment: datetime) -> Self:
        """The parts of a moment, its zone and fractions left out."""
        return cls(
            year=moment.year,
            month=moment.month,
            day=moment.day,
            hour=moment.hour,
            minute=moment.minute,
            second=moment.second,
        )

    @classmethod
    def parse(cls, text: str) -> Self:
        """The parts that `str` wrote. Raises ValueError."""
        if not (found := _ISO.fullmatch(text)):
            raise ValueError(f"{text!r} is no time; write 2026-11-23T15:13:00")
        year, month, day, hour, minute, second = map(int, found.groups())
        return cls(year=year, month=month, day=day, hour=hour, minute=minute, second=second)

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for a part that its bytes can't hold."""
        return pack(_LAYOUT, self.year, self.month, self.day, self.hour, self.minute, self.second)

    def __str__(self) -> str:
        """ISO 8601's form, also where a part is 0."""
        return f"{self.year:04}-{self.month:02}-{self.day:02}T{self.hour:02}:{self.minute:02}:{self.second:02}"

    @property
    def moment(self) -> datetime | None:
        """A `datetime` without zone."""
        try:
            return datetime(self.year, self.month, self.day, self.hour, self.minute, self.second)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentTime:
    """Current Time, 10 bytes: `day_of_week` 1 (Monday) to 7, 0 unknown; `fractions` in 1/256 s; `adjust_reason` bits."""

    date_time: DateTime
    day_of_week: int
    fractions: int
    adjust_reason: int

    SIZE = 10

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode exactly 10 bytes."""
        return cls(
            date_time=DateTime.from_bytes(data[:7]), day_of_week=data[7], fractions=data[8], adjust_reason=data[9]
        )

    @classmethod
    def of(cls, moment: datetime) -> Self:
        """What a host writes: manual time update."""
        return cls(
            date_time=DateTime.of(moment),
            day_of_week=moment.isoweekday(),
            fractions=moment.microsecond * 256 // 1_000_000,
            adjust_reason=1,
        )

    def __bytes__(self) -> bytes:
        return bytes(self.date_time) + bytes((self.day_of_week, self.fractions, self.adjust_reason))
