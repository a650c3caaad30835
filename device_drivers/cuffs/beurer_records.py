"""Stored measurements of Beurer's cuffs with a USB plug: eight bytes over HID (BM55, BM58, BM65), nine over a serial line (older BM58, BM65).

Sources, HID: roose242/bmdump, beep-projects/bpconnect (tested on a BM58), muling-tt/beurer_bm58. Serial: atbrask.dk (BM65), curzon01/bm58. Pressures are sent
less 25; there is no checksum. The programs differ in the year's bits (five or seven), which matters from 2032 on.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from device_drivers.bounds import within
from device_drivers.clocks import Placed
from device_drivers.cuffs.pressures import cuff_reading, pressure_values
from device_drivers.date_time import DateTime
from device_drivers.errors import Malformed, Truncated
from device_drivers.format import Parts, in_words
from vitals.identifiers import DeviceKey
from vitals.readings import Reading, Reason

HID_LENGTH: Final = 8
SERIAL_LENGTH: Final = 9
PADDING: Final = 0xF4
"""Fills up every report to eight bytes."""
NO_SUCH_RECORD: Final = 0xA9
PRESENT: Final = 0xAC
"""The first byte of every record on a serial line that anybody has seen; where a number has no record the device sends 0xA9 alone."""
_NONE: Final = bytes((NO_SUCH_RECORD,)) + bytes((PADDING,)) * 7
_EMPTY: Final = bytes((PADDING,)) * 8
_OFFSET: Final = 25
_EPOCH: Final = 2000


def _pressure(name: str, number: int) -> int:
    """As sent. Raises ValueError, which names it."""
    return within(f"{name} less {_OFFSET}", number - _OFFSET, 0xFF)


def _to_the_minute(time: DateTime) -> DateTime:
    """A time that can be said. Raises ValueError for one with seconds."""
    if time.second:
        raise ValueError(f"timestamp: {time} has seconds")
    return time


@dataclass(frozen=True, slots=True, kw_only=True)
class HidRecord:
    """A report of eight bytes, in the cuff's words: mmHg and beats a minute; `user` is 1 or 2. Only a BM55 says `movement`, a BM65 no `arrhythmia`."""

    systolic: int
    diastolic: int
    pulse_rate: int
    timestamp: DateTime
    user: int = 1
    arrhythmia: bool = False
    movement: bool = False

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode eight bytes; what follows is ignored. Raises Truncated, and Malformed where there is no such record."""
        if len(data) < HID_LENGTH:
            raise Truncated(HID_LENGTH, len(data))
        if data[:HID_LENGTH] in (_NONE, _EMPTY):
            raise Malformed("no_such_record")
        systolic, diastolic, pulse, month, day, hour, minute, year = data[:HID_LENGTH]
        return cls(
            systolic=systolic + _OFFSET,
            diastolic=diastolic + _OFFSET,
            pulse_rate=pulse,
            timestamp=DateTime(
                year=_EPOCH + (year & 0x7F), month=month & 0x0F, day=day & 0x1F, hour=hour, minute=minute, second=0
            ),
            user=1 + (day >> 7),
            arrhythmia=bool(year & 0x80),
            movement=bool(month & 0x80),
        )

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for a number that its bits don't hold."""
        time = _to_the_minute(self.timestamp)
        return bytes(
            (
                _pressure("systolic", self.systolic),
                _pressure("diastolic", self.diastolic),
                within("pulse_rate", self.pulse_rate, 0xFF),
                within("month", time.month, 0x0F) | self.movement << 7,
                within("day", time.day, 0x1F) | within("user less 1", self.user - 1, 1) << 7,
                within("hour", time.hour, 0xFF),
                within("minute", time.minute, 0xFF),
                within("year less 2000", time.year - _EPOCH, 0x7F) | self.arrhythmia << 7,
            )
        )

    def reading(
        self, device: DeviceKey, *, raw: bytes, at: datetime, placed: Placed, movement: bool = False
    ) -> Reading:
        """The reading of a record that came `at`; `movement`: the cuff is one that says when the arm moved."""
        said = ((Reason.IRREGULAR_PULSE, self.arrhythmia), (Reason.MOTION, movement and self.movement))
        reasons = [reason for reason, holds in said if holds]
        values = pressure_values(self.systolic, self.diastolic, self.pulse_rate, *reasons)
        return cuff_reading(
            device, values, raw=raw[:HID_LENGTH], at=at, placed=placed, timestamp=self.timestamp, user=self.user
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialRecord:
    """Nine bytes, in the cuff's words: mmHg and beats a minute. Whose it is they don't say: all records of the first user come before the second's."""

    systolic: int
    diastolic: int
    pulse_rate: int
    timestamp: DateTime
    header: int = PRESENT

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode nine bytes; what follows is ignored. Raises Truncated, and Malformed where there is no such record."""
        if data == bytes((NO_SUCH_RECORD,)):
            raise Malformed("no_such_record")
        if len(data) < SERIAL_LENGTH:
            raise Truncated(SERIAL_LENGTH, len(data))
        header, systolic, diastolic, pulse, month, day, hour, minute, year = data[:SERIAL_LENGTH]
        return cls(
            systolic=systolic + _OFFSET,
            diastolic=diastolic + _OFFSET,
            pulse_rate=pulse,
            timestamp=DateTime(year=_EPOCH + year, month=month, day=day, hour=hour, minute=minute, second=0),
            header=header,
        )

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for a number that its byte doesn't hold."""
        time = _to_the_minute(self.timestamp)
        return bytes(
            (
                within("header", self.header, 0xFF),
                _pressure("systolic", self.systolic),
                _pressure("diastolic", self.diastolic),
                within("pulse_rate", self.pulse_rate, 0xFF),
                *(within("month", time.month, 0xFF), within("day", time.day, 0xFF)),
                *(within("hour", time.hour, 0xFF), within("minute", time.minute, 0xFF)),
                within("year less 2000", time.year - _EPOCH, 0xFF),
            )
        )

    def reading(self, device: DeviceKey, *, raw: bytes, at: datetime, placed: Placed) -> Reading:
        """The reading of a record that came `at`."""
        values = pressure_values(self.systolic, self.diastolic, self.pulse_rate)
        return cuff_reading(device, values, raw=raw[:SERIAL_LENGTH], at=at, placed=placed, timestamp=self.timestamp)


def describe_hid(data: bytes) -> Parts:
    """Every byte of a report."""
    record, parts = HidRecord.from_bytes(data), Parts(data)
    _describe_numbers(record, parts)
    time, said = record.timestamp, (("moved (BM55 alone)", record.movement),)
    parts.add(1, "month", f"{time.month}; {in_words(said)}", "timestamp", "movement")
    parts.add(1, "day", f"{time.day}; user {record.user}", "timestamp", "user")
    _describe_hour(record, parts)
    rhythm = "irregular pulse" if record.arrhythmia else "regular pulse"
    parts.add(1, "year", f"{time.year}; {rhythm}", "timestamp", "arrhythmia")
    parts.rest()
    return parts


def describe_serial(data: bytes) -> Parts:
    """Every byte of a record on a serial line."""
    record, parts = SerialRecord.from_bytes(data), Parts(data)
    parts.add(1, "header", f"{record.header:02X}: {'a record' if record.header == PRESENT else 'not known'}")
    _describe_numbers(record, parts)
    parts.add(1, "month", record.timestamp.month, "timestamp")
    parts.add(1, "day", record.timestamp.day, "timestamp")
    _describe_hour(record, parts)
    parts.add(1, "year", record.timestamp.year, "timestamp")
    parts.rest()
    return parts


def _describe_numbers(record: HidRecord | SerialRecord, parts: Parts) -> None:
    parts.add(1, "systolic", f"{record.systolic} mmHg, sent less {_OFFSET}")
    parts.add(1, "diastolic", f"{record.diastolic} mmHg, sent less {_OFFSET}")
    parts.add(1, "pulse_rate", f"{record.pulse_rate} /min")


def _describe_hour(record: HidRecord | SerialRecord, parts: Parts) -> None:
    parts.add(1, "hour", record.timestamp.hour, "timestamp")
    parts.add(1, "minute", record.timestamp.minute, "timestamp")
