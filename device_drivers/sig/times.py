"""The formats Date Time (0x2A08), Current Time (0x2A2B) and Local Time Information (0x2A0F) by themselves.

What the first two are is in `device_drivers.date_time`; the third says which zone a clock's time is of.
"""

import struct
from dataclasses import dataclass
from typing import Final, Self

from device_drivers.binary import ByteReader
from device_drivers.date_time import CurrentTime, DateTime
from device_drivers.driver import Driver
from device_drivers.fields import named
from device_drivers.format import AnyFormat, Format, Parts
from device_drivers.packing import pack

_DAYS: Final = ("unknown", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_ADJUSTED: Final = ("manually", "by an external reference", "for another time zone", "for summer time")


@dataclass(frozen=True, slots=True, kw_only=True)
class DateTimeValue:
    """The characteristic Date Time, 7 bytes."""

    timestamp: DateTime

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Raises Truncated."""
        return cls(timestamp=ByteReader(data).date_time())

    def __bytes__(self) -> bytes:
        return bytes(self.timestamp)


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentTimeValue:
    """The characteristic Current Time, 10 bytes."""

    timestamp: DateTime
    day_of_week: int
    fractions: int = named("fractions256")
    adjust_reason: int

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Raises Truncated."""
        time = ByteReader(data).current_time()
        return cls(
            timestamp=time.date_time,
            day_of_week=time.day_of_week,
            fractions=time.fractions,
            adjust_reason=time.adjust_reason,
        )

    def __bytes__(self) -> bytes:
        return bytes(
            CurrentTime(
                date_time=self.timestamp,
                day_of_week=self.day_of_week,
                fractions=self.fractions,
                adjust_reason=self.adjust_reason,
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalTimeInformation:
    """The characteristic Local Time Information, 2 bytes. `time_zone` in quarters of an hour east of UTC, without summer time; `dst_offset` in quarters of an
    hour by which summer time is ahead, 0 in winter. None where it is not known."""

    time_zone: int | None
    dst_offset: int | None

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Raises Truncated."""
        zone, dst = _LOCAL.unpack(ByteReader(data).take(_LOCAL.size))
        return cls(
            time_zone=None if zone == _UNKNOWN_ZONE else zone, dst_offset=None if dst == _UNKNOWN_OFFSET else dst
        )

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for what its bytes can't hold."""
        zone = _UNKNOWN_ZONE if self.time_zone is None else self.time_zone
        return pack(_LOCAL, zone, _UNKNOWN_OFFSET if self.dst_offset is None else self.dst_offset)


_LOCAL: Final = struct.Struct("bB")
_UNKNOWN_ZONE: Final = -128
_UNKNOWN_OFFSET: Final = 255
_SUMMER: Final = {0: "standard time", 2: "summer time, + 0.5 h", 4: "summer time, + 1 h", 8: "summer time, + 2 h"}
_ZONES: Final = range(-48, 57)


def _describe_date_time(data: bytes) -> Parts:
    parts = Parts(data)
    parts.add(DateTime.SIZE, "timestamp", f"{DateTimeValue.from_bytes(data).timestamp}, without a zone")
    parts.rest()
    return parts


def _describe_current_time(data: bytes) -> Parts:
    value, parts = CurrentTimeValue.from_bytes(data), Parts(data)
    parts.add(DateTime.SIZE, "timestamp", f"{value.timestamp}, without a zone")
    parts.add(1, "day_of_week", _DAYS[value.day_of_week] if value.day_of_week < len(_DAYS) else "reserved")
    parts.add(1, "fractions256", f"{value.fractions}/256 s")
    reasons = [text for bit, text in enumerate(_ADJUSTED) if value.adjust_reason >> bit & 1]
    parts.add(1, "adjust_reason", "adjusted " + " and ".join(reasons) if reasons else "not adjusted")
    parts.rest()
    return parts


def _describe_local_time(data: bytes) -> Parts:
    value, parts = LocalTimeInformation.from_bytes(data), Parts(data)
    parts.add(1, "time_zone", _zone_in_words(value.time_zone))
    known = _SUMMER.get(value.dst_offset, "reserved") if value.dst_offset is not None else "unknown"
    parts.add(1, "dst_offset", known)
    parts.rest()
    return parts


def _zone_in_words(quarters: int | None) -> str:
    if quarters is None:
        return "unknown"
    hours, minutes = divmod(abs(quarters) * 15, 60)
    known = f"UTC{'-' if quarters < 0 else '+'}{hours:02}:{minutes:02}"
    return known if quarters in _ZONES else f"{known}, reserved"


FORMATS: Final[tuple[AnyFormat, ...]] = (
    Format(
        key="2A08",
        title="Date Time",
        source="Bluetooth GATT Specification Supplement, Date Time",
        message=DateTimeValue,
        decode=DateTimeValue.from_bytes,
        encode=bytes,
        describe=_describe_date_time,
    ),
    Format(
        key="2A2B",
        title="Current Time",
        source="Bluetooth GATT Specification Supplement, Current Time; Current Time Service 1.1, 3.1",
        message=CurrentTimeValue,
        decode=CurrentTimeValue.from_bytes,
        encode=bytes,
        describe=_describe_current_time,
    ),
    Format(
        key="2A0F",
        title="Local Time Information",
        source="Bluetooth GATT Specification Supplement, Local Time Information; Current Time Service 1.1, 3.2",
        message=LocalTimeInformation,
        decode=LocalTimeInformation.from_bytes,
        encode=bytes,
        describe=_describe_local_time,
    ),
)
DRIVERS: Final[tuple[Driver, ...]] = ()
