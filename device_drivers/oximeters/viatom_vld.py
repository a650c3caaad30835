"""Stored recordings of Viatom's older rings: `.vld` files of version 3.

Source: Viatom's LepuBle, OxyDataFile.kt, and LepuDemo, OxyActivity.kt (the vendor's own code); nglessner/o2ring-s-protocol, "Format B". A header of 40 bytes,
then records of five, evenly spread over the duration. Without a finger a saturation is 255 and a pulse 65535. The time is the ring's own, without a zone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, Self

from device_drivers.binary import ByteReader
from device_drivers.date_time import DateTime
from device_drivers.driver import Driver
from device_drivers.errors import Malformed, Truncated
from device_drivers.format import AnyFormat, Format, Parts
from device_drivers.oximeters.viatom_frames import little
from vitals.identifiers import DeviceKey
from vitals.parameters import Parameter, Vital
from vitals.readings import Reading, Reason, Value, measured_value, missing_value

VERSION: Final = 3
HEADER_LENGTH: Final = 40
RECORD_LENGTH: Final = 5
INTERVALS: Final = frozenset({1, 2, 4})
"""Seconds between records that the rings use; anything else means that duration and records don't belong together."""
_NO_SPO2: Final = 0xFF
_NO_PULSE: Final = 0xFFFF
_NO_SCORE: Final = 0xFF
_RESERVED: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One moment; `acceleration` is the largest since the record before."""

    spo2: int | None
    pulse_rate: int | None
    acceleration: int = 0

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode exactly five bytes."""
        spo2, pulse = data[0], int.from_bytes(data[1:3], "little")
        return cls(
            spo2=None if spo2 in (0, _NO_SPO2) else spo2,
            pulse_rate=None if pulse in (0, _NO_PULSE) else pulse,
            acceleration=data[3],
        )

    def __bytes__(self) -> bytes:
        spo2 = _NO_SPO2 if self.spo2 is None else self.spo2
        pulse = _NO_PULSE if self.pulse_rate is None else self.pulse_rate
        return bytes((spo2,)) + little(pulse, 2) + bytes((self.acceleration, 0))

    @property
    def values(self) -> tuple[Value, ...]:
        """Ours."""
        numbers = ((Parameter.SPO2, self.spo2), (Parameter.OXIMETER_PULSE_RATE, self.pulse_rate))
        return tuple(
            missing_value(parameter, Reason.NO_FINGER, Reason.FROM_STORAGE)
            if number is None
            else measured_value(parameter, number, Reason.FROM_STORAGE)
            for parameter, number in numbers
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One file. `mode` is 0 for sleep and 1 for a monitor; `size` is what the ring says of the file's length; drops are counted from the baseline, and
    below 90 %; `score` is None where the ring gave none."""

    version: int = VERSION
    mode: int = 0
    timestamp: DateTime
    size: int
    duration_seconds: int
    asleep_seconds: int = 0
    spo2_average: int = 0
    spo2_minimum: int = 0
    drops_3: int = 0
    drops_4: int = 0
    seconds_below_90: int = 0
    drops_below_90: int = 0
    percent_below_90: int = 0
    score: Decimal | None
    steps: int = 0
    records: tuple[Record, ...] = ()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode a whole file. Raises Truncated, Malformed."""
        fields = ByteReader(data)
        version, mode = fields.u8(), fields.u8()
        if version != VERSION:
            raise Malformed("unknown_version")
        if len(data) < HEADER_LENGTH:
            raise Truncated(HEADER_LENGTH, len(data))
        if rest := (len(data) - HEADER_LENGTH) % RECORD_LENGTH:
            raise Truncated(len(data) - rest + RECORD_LENGTH, len(data))
        return cls(
            version=version,
            mode=mode,
            timestamp=fields.date_time(),
            size=fields.u16() | fields.u16() << 16,
            duration_seconds=fields.u16(),
            asleep_seconds=fields.u16(),
            spo2_average=fields.u8(),
            spo2_minimum=fields.u8(),
            drops_3=fields.u8(),
            drops_4=fields.u8(),
            seconds_below_90=fields.u16(),
            drops_below_90=fields.u8(),
            percent_below_90=fields.u8(),
            score=None if (score := fields.u8()) == _NO_SCORE else Decimal(score) / 10,
            steps=fields.u16() | fields.u16() << 16,
            records=tuple(
                Record.from_bytes(data[at : at + RECORD_LENGTH])
                for at in range(HEADER_LENGTH, len(data), RECORD_LENGTH)
            ),
        )

    def __bytes__(self) -> bytes:
        score = _NO_SCORE if self.score is None else int(self.score * 10)
        head = bytes((self.version, self.mode)) + bytes(self.timestamp) + little(self.size, 4)
        times = little(self.duration_seconds, 2) + little(self.asleep_seconds, 2)
        drops = bytes((self.spo2_average, self.spo2_minimum, self.drops_3, self.drops_4)) + little(
            self.seconds_below_90, 2
        )
        end = bytes((self.drops_below_90, self.percent_below_90, score)) + little(self.steps, 4) + bytes(_RESERVED)
        return head + times + drops + end + b"".join(bytes(record) for record in self.records)

    @property
    def interval(self) -> timedelta | None:
        """Between two records; None where duration and records don't belong together."""
        count = len(self.records)
        if not count or self.duration_seconds % count or self.duration_seconds // count not in INTERVALS:
            return None
        return timedelta(seconds=self.duration_seconds // count)

    def readings(self, device: DeviceKey, *, at: datetime, offset: timedelta | None) -> Iterator[Reading]:
        """A stored reading for each record that has a number, received `at`; `offset` places the ring's clock, as `clocks.offset_of` gives it."""
        for number, record in enumerate(self.records):
            if record.spo2 or record.pulse_rate:
                yield _reading(device, record, number, self._time_of(number), at=at, offset=offset)

    def _time_of(self, number: int) -> datetime | None:
        """When a record was made, on the ring's clock; None where that can't be told."""
        moment, interval = self.timestamp.moment, self.interval
        try:
            return None if moment is None or interval is None else moment + interval * number
        except OverflowError:
            return None


def _reading(
    device: DeviceKey, record: Record, number: int, time: datetime | None, *, at: datetime, offset: timedelta | None
) -> Reading:
    measured = _on_our_clock(time, offset)
    uncertain = measured is None or measured > at
    return Reading(
        data_type=Vital.SPO2,
        device=device,
        values=record.values,
        measured=at if uncertain or measured is None else measured,
        received=at,
        raw=bytes(record),
        device_time=time,
        time_uncertain=uncertain,
        stored=True,
        record=number,
    )


def _on_our_clock(time: datetime | None, offset: timedelta | None) -> datetime | None:
    try:
        return None if time is None or offset is None else (time + offset).replace(tzinfo=UTC)
    except OverflowError:
        return None


def _describe(data: bytes) -> Parts:
    file, parts = Recording.from_bytes(data), Parts(data)
    parts.add(1, "version", file.version)
    parts.add(1, "mode", {0: "sleep", 1: "monitor"}.get(file.mode, f"unknown: {file.mode}"))
    parts.add(DateTime.SIZE, "timestamp", f"{file.timestamp}, the ring's time")
    parts.add(4, "size", f"{file.size} bytes")
    parts.add(2, "duration_seconds", f"{file.duration_seconds} s")
    parts.add(2, "asleep_seconds", f"{file.asleep_seconds} s; reserved by the vendor")
    parts.add(1, "spo2_average", f"{file.spo2_average} %")
    parts.add(1, "spo2_minimum", f"{file.spo2_minimum} %")
    parts.add(1, "drops_3", f"{file.drops_3} drops by 3 %")
    parts.add(1, "drops_4", f"{file.drops_4} drops by 4 %")
    parts.add(2, "seconds_below_90", f"{file.seconds_below_90} s")
    parts.add(1, "drops_below_90", f"{file.drops_below_90} drops below 90 %")
    parts.add(1, "percent_below_90", f"{file.percent_below_90} % of the time")
    parts.add(1, "score", "none" if file.score is None else f"{file.score} of 10")
    parts.add(4, "steps", file.steps)
    parts.add(_RESERVED, "reserved", "reserved", "reserved", "records")
    for record in file.records:
        numbers = (
            f"SpO2 {record.spo2 or 'none'}, pulse {record.pulse_rate or 'none'}, acceleration {record.acceleration}"
        )
        parts.add(RECORD_LENGTH, "record", numbers, "records")
    return parts


FORMATS: Final[tuple[AnyFormat, ...]] = (
    Format(
        key="viatom-vld",
        title="Viatom O2Ring (older), stored recording (.vld, version 3)",
        source="Viatom LepuBle, OxyDataFile.kt; Viatom LepuDemo, OxyActivity.kt",
        message=Recording,
        decode=Recording.from_bytes,
        encode=bytes,
        describe=_describe,
    ),
)
DRIVERS: Final[tuple[Driver, ...]] = ()
