"""The list of measurements that Viatom's BP2W and LP-BP2W keep, the file `bp2nibp.list`: ten bytes, then records of 37.

Sources: Viatom's LepuBle, LeBp2wBpList.kt (the vendor's own code); chalimov/viatom_bp2_ha, LP-BP2W_PROTOCOL.md, 6.2, with a device's file. They disagree. By
chalimov the pulse has two bytes, and byte 8 says that it is irregular; by the vendor the second of those is the result (bit 0 irregular, bit 1 motion), and
byte 8 is 1 where the mean of three measurements was taken. The vendor is believed; chalimov's byte 8 is unverified. The time is in seconds since 1970 on a
clock without a zone. Order is no matter: the file is a ring.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self

from device_drivers.clocks import place
from device_drivers.cuffs.lepu_bp2 import all_values
from device_drivers.cuffs.pressures import cuff_reading
from device_drivers.date_time import DateTime
from device_drivers.driver import Driver
from device_drivers.errors import Truncated
from device_drivers.fields import named
from device_drivers.format import AnyFormat, Format, Parts, in_words
from device_drivers.oximeters.viatom_frames import little
from device_drivers.sessions import SessionContext
from vitals.readings import Reading, Reason

HEADER_LENGTH: Final = 10
RECORD_LENGTH: Final = 37
_EPOCH: Final = datetime(1970, 1, 1)
_IRREGULAR: Final = 1 << 0
_MOTION: Final = 1 << 1
_MEAN_OF_THREE: Final = 1
_HIGHEST_USER: Final = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One measurement; an empty slot has zeros, which are None. `user` is an account's number, `interval_seconds` lies between the measurements of three."""

    timestamp: datetime
    user: int = 0
    mode: int = 0
    interval_seconds: int = 0
    status: int = 0
    systolic: int | None
    diastolic: int | None
    mean: int | None = named("map")
    pulse_rate: int | None
    result: int = 0
    level: int = 0

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode exactly 37 bytes."""
        return cls(
            timestamp=_EPOCH + timedelta(seconds=int.from_bytes(data[:4], "little")),
            user=int.from_bytes(data[4:8], "little"),
            mode=data[8],
            interval_seconds=int.from_bytes(data[10:12], "little"),
            status=data[12],
            systolic=int.from_bytes(data[13:15], "little") or None,
            diastolic=int.from_bytes(data[15:17], "little") or None,
            mean=int.from_bytes(data[17:19], "little") or None,
            pulse_rate=data[19] or None,
            result=data[20],
            level=data[21],
        )

    def __bytes__(self) -> bytes:
        seconds = round((self.timestamp - _EPOCH).total_seconds())
        head = little(seconds, 4) + little(self.user, 4) + bytes((self.mode, 0)) + little(self.interval_seconds, 2)
        pressures = b"".join(little(number or 0, 2) for number in (self.systolic, self.diastolic, self.mean))
        end = bytes((self.pulse_rate or 0, self.result, self.level))
        return (head + bytes((self.status,)) + pressures + end).ljust(RECORD_LENGTH, b"\0")

    @property
    def is_empty(self) -> bool:
        """A slot of the ring in which nothing was stored."""
        return not self.systolic and not self.diastolic

    def reading(self, context: SessionContext, *, at: datetime, offset: timedelta | None) -> Reading:
        """Ours, received `at`; `offset` places the cuff's clock, as `clocks.offset_of` gives it."""
        timestamp = DateTime.of(self.timestamp)
        unverified = bool(context.options.get("unverified", False))
        said = (
            (Reason.IRREGULAR_PULSE, self.result & _IRREGULAR or (unverified and self.mode == _MEAN_OF_THREE)),
            (Reason.MOTION, self.result & _MOTION),
        )
        reasons = [reason for reason, holds in said if holds]
        return cuff_reading(
            context.device,
            all_values(self.systolic, self.diastolic, self.mean, self.pulse_rate, *reasons),
            raw=bytes(self),
            at=at,
            placed=place(timestamp, at=at, zone=context.zone, offset=offset),
            timestamp=timestamp,
            user=self.user if 0 < self.user <= _HIGHEST_USER else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BloodPressureList:
    """The file. `type` is 1 for blood pressures."""

    version: int = 0
    type: int = 1
    records: tuple[Record, ...] = ()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode a whole file. Raises Truncated."""
        if len(data) < HEADER_LENGTH:
            raise Truncated(HEADER_LENGTH, len(data))
        if rest := (len(data) - HEADER_LENGTH) % RECORD_LENGTH:
            raise Truncated(len(data) - rest + RECORD_LENGTH, len(data))
        starts = range(HEADER_LENGTH, len(data), RECORD_LENGTH)
        records = tuple(Record.from_bytes(data[at : at + RECORD_LENGTH]) for at in starts)
        return cls(version=data[0], type=data[1], records=records)

    def __bytes__(self) -> bytes:
        head = bytes((self.version, self.type)).ljust(HEADER_LENGTH, b"\0")
        return head + b"".join(bytes(record) for record in self.records)

    @property
    def measured(self) -> Iterator[Record]:
        """Records with a measurement, the oldest first."""
        return iter(sorted((record for record in self.records if not record.is_empty), key=lambda one: one.timestamp))


def _describe(data: bytes) -> Parts:
    file, parts = BloodPressureList.from_bytes(data), Parts(data)
    parts.add(1, "version", file.version)
    parts.add(1, "type", {1: "blood pressures", 2: "electrocardiograms"}.get(file.type, f"unknown: {file.type}"))
    parts.add(8, "reserved", "reserved", "reserved", "records")
    for record in file.records:
        parts.add(RECORD_LENGTH, "record", _in_words(record), "records")
    return parts


def _in_words(record: Record) -> str:
    if record.is_empty:
        return "empty slot"
    marks = in_words((("irregular pulse", bool(record.result & _IRREGULAR)), ("motion", bool(record.result & _MOTION))))
    pressures = f"{record.systolic}/{record.diastolic}, mean {record.mean} mmHg, pulse {record.pulse_rate} /min"
    return f"{record.timestamp.isoformat()}, user {record.user}: {pressures}; {marks}"


FORMATS: Final[tuple[AnyFormat, ...]] = (
    Format(
        key="lepu-bp2-list",
        title="Viatom BP2W, LP-BP2W, stored measurements (bp2nibp.list)",
        source="Viatom LepuBle, LeBp2wBpList.kt; chalimov/viatom_bp2_ha, LP-BP2W_PROTOCOL.md, 6.2",
        message=BloodPressureList,
        decode=BloodPressureList.from_bytes,
        encode=bytes,
        describe=_describe,
        unverified=("byte 8 of a record as a sign of an irregular pulse",),
    ),
)
DRIVERS: Final[tuple[Driver, ...]] = ()
