"""Microlife BP3GY1-2N over Bluetooth LE.

Frames `4D`, direction (`FF` to the cuff, `3A` from it), length of payload and checksum (two bytes, high first), payload, checksum (the sum of
all bytes before it). Source: joergmlpts/blood-pressure-monitor, bpm_bt.py, from Microlife's own app; derdilla/blood-pressure-monitor-fl is a
port of it. Other Microlife cuffs have the same service and other records (BP3GU1): they are not read.

The cuff's clock can't be read. After it has been set it is known, until somebody sets it by hand: so the shell's memory keeps when it was set, and
what the cuff measured by the new time is placed by it on the next connection. What is older has an uncertain time.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto, unique
from typing import Final, Self

from device_drivers import uuids
from device_drivers.advertisement import Marks
from device_drivers.checksums import sum8
from device_drivers.clocks import Placed, offset_of, place
from device_drivers.cuffs.pressures import cuff_reading, pressure_values, without_seconds
from device_drivers.date_time import DateTime
from device_drivers.driver import Driver, Transport, Verified
from device_drivers.errors import Malformed, Truncated, Undecodable
from device_drivers.fields import Json, fields_of, message_from
from device_drivers.format import AnyFormat, Format, Parts
from device_drivers.sessions import (
    CloseLink,
    Command,
    Deliver,
    LinkEstablished,
    SessionContext,
    WriteValue,
)
from device_drivers.sig.session import SET_TIME
from device_drivers.stream_session import StreamSession, in_chunks
from vitals.identifiers import DeviceType
from vitals.parameters import Parameter
from vitals.readings import Reading

SERVICE: Final = uuids.sig(0xFFF0)
NOTIFY: Final = uuids.sig(0xFFF1)
WRITE: Final = uuids.sig(0xFFF2)

START: Final = 0x4D
TO_CUFF: Final = 0xFF
FROM_CUFF: Final = 0x3A
LONGEST_PAYLOAD: Final = 2048
"""Bytes; some two hundred records."""
FIRST_RECORD: Final = 38
RECORD_LENGTH: Final = 10
_HEADER_LENGTH: Final = 4
_EPOCH: Final = 2000
ANSWER_SECONDS: Final = 5.0
ATTEMPTS: Final = 3

GET_ID: Final = b"\x05"
GET_RECORDS: Final = bytes(7) + b"\xfd"
SET_CLOCK: Final = b"\x0d"
DISCONNECT: Final = b"\x04"
ACKNOWLEDGED: Final = b"\x81"
_CLOCK_SET: Final = "microlife_clock_set"
_CLOCK_OFFSET: Final = "microlife_clock_offset_seconds"
"""In the shell's memory: the cuff's time when it was set, and what is added to have ours in UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One measurement in the cuff's own words."""

    systolic: int
    diastolic: int
    pulse_rate: int
    timestamp: DateTime

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode ten bytes. Raises Truncated; Malformed for an empty slot and for a date that does not exist."""
        if len(data) < RECORD_LENGTH:
            raise Truncated(RECORD_LENGTH, len(data))
        if not any(data[:3]):
            raise Malformed("empty slot")
        year, month, day, hour, minute = data[3:8]
        timestamp = DateTime(year=_EPOCH + year, month=month, day=day, hour=hour, minute=minute, second=0)
        if timestamp.moment is None:
            raise Malformed("impossible_date")
        return cls(systolic=data[0], diastolic=data[1], pulse_rate=data[2], timestamp=timestamp)

    def __bytes__(self) -> bytes:
        """Encode; the two bytes that nobody has explained are 0. Raises ValueError."""
        time = self.timestamp
        numbers = (self.systolic, self.diastolic, self.pulse_rate, time.year - _EPOCH)
        return bytes((*numbers, time.month, time.day, time.hour, time.minute, 0, 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame of either direction."""

    payload: bytes
    to_cuff: bool = False

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode; what follows the frame is ignored. Raises Truncated, Malformed."""
        if len(data) < _HEADER_LENGTH:
            raise Truncated(_HEADER_LENGTH, len(data))
        end = _HEADER_LENGTH + int.from_bytes(data[2:4], "big")
        if data[0] != START or data[1] not in (TO_CUFF, FROM_CUFF):
            raise Malformed("not_a_frame")
        if not _HEADER_LENGTH < end <= _HEADER_LENGTH + LONGEST_PAYLOAD + 1:
            raise Malformed("not_a_frame")
        if len(data) < end:
            raise Truncated(end, len(data))
        if sum8(data[: end - 1]) != data[end - 1]:
            raise Malformed("checksum")
        return cls(payload=data[_HEADER_LENGTH : end - 1], to_cuff=data[1] == TO_CUFF)

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for a payload that is too long."""
        if len(self.payload) > LONGEST_PAYLOAD:
            raise ValueError(f"payload: at most {LONGEST_PAYLOAD} bytes")
        direction = TO_CUFF if self.to_cuff else FROM_CUFF
        frame = bytes((START, direction)) + (len(self.payload) + 1).to_bytes(2, "big") + self.payload
        return frame + bytes((sum8(frame),))

    def slots(self) -> Iterator[bytes]:
        """The slots of records, where the frame is long enough to be the reply that has some."""
        if not self.to_cuff:
            for at in range(FIRST_RECORD, len(self.payload) - RECORD_LENGTH + 1, RECORD_LENGTH):
                yield self.payload[at : at + RECORD_LENGTH]

    def records(self) -> Iterator[tuple[bytes, Record]]:
        """Each record and its bytes; empty slots and those with an impossible date are left out."""
        for slot in self.slots():
            try:
                yield slot, Record.from_bytes(slot)
            except Undecodable:
                continue


def measure(buffer: bytearray, at: int) -> int | None:
    """The length of the frame from the cuff at `at`."""
    header = buffer[at : at + _HEADER_LENGTH]
    if header[0] != START or header[1:2] not in (b"", bytes((FROM_CUFF,))):
        return 0
    if len(header) < _HEADER_LENGTH:
        return None
    length = int.from_bytes(header[2:4], "big")
    if not 1 < length <= LONGEST_PAYLOAD + 1:
        return 0
    end = at + _HEADER_LENGTH + length
    if len(buffer) < end:
        return None
    return end - at if sum8(bytes(buffer[at : end - 1])) == buffer[end - 1] else 0


@unique
class Step(Enum):
    """What is waited for."""

    ID = auto()
    RECORDS = auto()
    CLOCK_SET = auto()
    OVER = auto()


class Session(StreamSession):
    """One connection: whose measurements they are, the measurements, then the clock, then goodbye."""

    def __init__(self, context: SessionContext) -> None:
        super().__init__(context, measure, notify=NOTIFY)
        self._step = Step.ID
        self._user: int | None = None
        self._waits_since: datetime | None = None
        self._attempts = 0
        self._setting: tuple[DateTime, timedelta | None] | None = None

    def begin(self, event: LinkEstablished) -> list[Command]:
        return self._ask(Step.ID, event.at)

    def frame(self, at: datetime, data: bytes) -> Iterator[Command]:
        frame = Frame.from_bytes(data)
        self._waits_since = at
        if self._step is Step.RECORDS or any(frame.slots()):
            yield from self._records(at, frame)
        elif self._step is Step.ID:
            self._user = frame.payload[1] if frame.payload[1:2] in (b"\x01", b"\x02") else None
            yield from self._ask(Step.RECORDS, at)
        elif self._step is Step.CLOCK_SET:
            if frame.payload == ACKNOWLEDGED:
                self._remember()
            yield from self._leave()

    def tick(self, at: datetime) -> list[Command]:
        if self._step is Step.OVER or self._waits_since is None:
            return []
        if (at - self._waits_since).total_seconds() < ANSWER_SECONDS:
            return []
        if self._attempts < ATTEMPTS:
            self._waits_since, self._attempts = at, self._attempts + 1
            return self._words(at)
        return self._after(at)

    def _ask(self, step: Step, at: datetime) -> list[Command]:
        self._step, self._waits_since, self._attempts = step, at, 1
        return self._words(at)

    def _words(self, at: datetime) -> list[Command]:
        if self._step is Step.CLOCK_SET:
            return _written(self._clock_now(at))
        return _written(GET_ID if self._step is Step.ID else GET_RECORDS)

    def _clock_now(self, at: datetime) -> bytes:
        time = DateTime.of(at.astimezone(self.context.zone))
        self._setting = (time, offset_of(time, at.replace(microsecond=0)))
        return SET_CLOCK + bytes((time.year - _EPOCH, time.month, time.day, time.hour, time.minute, time.second))

    def _after(self, at: datetime) -> list[Command]:
        """What follows the present step, answered or not."""
        if self._step is Step.ID:
            return self._ask(Step.RECORDS, at)
        if self._step is Step.RECORDS and self.context.options.get(SET_TIME.name, SET_TIME.default):
            return self._ask(Step.CLOCK_SET, at)
        return self._leave()

    def _leave(self) -> list[Command]:
        self._step = Step.OVER
        return [*_written(DISCONNECT), CloseLink()]

    def _records(self, at: datetime, frame: Frame) -> Iterator[Command]:
        readings = tuple(self._reading(at, slot, record) for slot, record in frame.records())
        if readings:
            yield Deliver(readings=readings)
        if self._step is Step.RECORDS:
            yield from self._after(at)

    def _reading(self, at: datetime, slot: bytes, record: Record) -> Reading:
        return cuff_reading(
            self.context.device,
            pressure_values(record.systolic, record.diastolic, record.pulse_rate),
            raw=slot,
            at=at,
            placed=self._placed(record.timestamp, at),
            timestamp=record.timestamp,
            user=self._user,
        )

    def _placed(self, timestamp: DateTime, at: datetime) -> Placed:
        since, offset = self._remembered()
        known = since is not None and timestamp.moment is not None and timestamp.moment >= since
        return place(timestamp, at=at, zone=self.context.zone, offset=offset if known else None)

    def _remember(self) -> None:
        """The cuff has taken the time that it was last given."""
        time, offset = self._setting or (None, None)
        if time is not None and offset is not None:
            self.context.memory[_CLOCK_SET] = str(time)
            self.context.memory[_CLOCK_OFFSET] = str(round(offset.total_seconds()))

    def _remembered(self) -> tuple[datetime | None, timedelta | None]:
        try:
            since = DateTime.parse(self.context.memory[_CLOCK_SET]).moment
            return since, timedelta(seconds=int(self.context.memory[_CLOCK_OFFSET]))
        except (KeyError, ValueError):
            return None, None


def _written(payload: bytes) -> list[Command]:
    frame = bytes(Frame(payload=payload, to_cuff=True))
    return [WriteValue(characteristic=WRITE, data=piece) for piece in in_chunks(frame)]


def _fields(frame: Frame) -> dict[str, Json]:
    said: dict[str, Json] = {"payload": frame.payload.hex(), "to_cuff": frame.to_cuff}
    if any(frame.slots()):
        said["records"] = [without_seconds(fields_of(record)) for _, record in frame.records()]
    return said


def _from_fields(fields: Mapping[str, Json]) -> Frame:
    """The records are those of the payload."""
    return message_from(Frame, {name: value for name, value in fields.items() if name != "records"})


def _describe(data: bytes) -> Parts:
    frame, parts = Frame.from_bytes(data), Parts(data)
    parts.add(1, "start", "M")
    parts.add(1, "to_cuff", "to the cuff" if frame.to_cuff else "from the cuff")
    parts.add(2, "length", f"{len(frame.payload)} bytes of payload, and the checksum")
    slots = list(frame.slots())
    head = FIRST_RECORD if slots else len(frame.payload)
    parts.add(head, "payload", _payload_in_words(frame), "payload")
    for number, slot in enumerate(slots, 1):
        parts.add(RECORD_LENGTH, f"record {number}", _slot_in_words(slot), "payload", "records")
    parts.add(len(frame.payload) - head - RECORD_LENGTH * len(slots), "rest of payload", "no whole record", "payload")
    parts.add(1, "checksum", "the sum of all bytes before")
    parts.rest()
    return parts


def _payload_in_words(frame: Frame) -> str:
    known = {
        GET_ID: "get id",
        GET_RECORDS: "get the records",
        DISCONNECT: "disconnect",
        ACKNOWLEDGED: "acknowledged",
    }
    if frame.to_cuff and frame.payload.startswith(SET_CLOCK):
        return "set the clock"
    return known.get(frame.payload, "before the records" if any(frame.slots()) else "no known meaning")


def _slot_in_words(slot: bytes) -> str:
    try:
        record = Record.from_bytes(slot)
    except Undecodable as refusal:
        return refusal.reason
    return f"{record.systolic}/{record.diastolic} mmHg, {record.pulse_rate} /min, {record.timestamp}"


FORMATS: Final[tuple[AnyFormat, ...]] = (
    Format(
        key="microlife",
        title="Microlife frame",
        source="joergmlpts/blood-pressure-monitor, bpm_bt.py; derdilla/blood-pressure-monitor-fl, microlife_protocol_test.dart",
        message=Frame,
        decode=Frame.from_bytes,
        encode=bytes,
        describe=_describe,
        measure=measure,
        fields=_fields,
        from_fields=_from_fields,
    ),
)
DRIVERS: Final[tuple[Driver, ...]] = (
    Driver(
        key="microlife-ble",
        title="Microlife BP3GY1-2N blood pressure cuff",
        device_type=DeviceType.BLOOD_PRESSURE_MONITOR,
        transport=Transport.BLE,
        formats=("microlife",),
        measures=(Parameter.SYSTOLIC, Parameter.DIASTOLIC, Parameter.CUFF_PULSE_RATE),
        marks=(Marks(names=("BP3GY", "Microlife")),),
        session=Session,
        verified=(Verified.ONE_SOURCE,),
        sleeps=True,
        stale_after_seconds=300,
        options=(SET_TIME,),
        missing=(
            "the clock can't be read, so what was measured before it was first set by us has an uncertain time; irregular pulse and "
            "averages, whose bits nobody has found; other Microlife cuffs of the same service"
        ),
    ),
)
