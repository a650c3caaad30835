"""How Beurer's cuffs with a USB plug are asked for what they have stored; the records are in `beurer_records`.

The host says AA and hears 55, asks how many records there are (A2), and fetches each by its number (A3 n, from 1). Over HID every report is filled up with F4, and F7 ends the
conversation; a cuff on a serial line stays plugged in, and is asked again after a while. A cuff that is switched off, or not in its memory mode, does not
answer.

The numbers are no names: 1 is always the newest record of the first user, so each measurement moves the others on. A record is known by its time and
bytes, and readings have no record number. The cuff's clock can't be read, so that nobody knows how far it is off: but for a measurement of this minute the time
of each is uncertain. One of a clock that was never set has no time to be known by: the memory of the context holds those that were delivered. There is
no checksum: a record with a date that no clock shows is refused.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, auto, unique
from typing import Final

from device_drivers.clocks import Placed, place
from device_drivers.cuffs.beurer_records import (
    HID_LENGTH,
    NO_SUCH_RECORD,
    PADDING,
    PRESENT,
    SERIAL_LENGTH,
    HidRecord,
    SerialRecord,
    describe_hid,
    describe_serial,
)
from device_drivers.cuffs.pressures import with_seconds, without_seconds
from device_drivers.date_time import DateTime
from device_drivers.driver import Driver, Option, SerialSettings, Transport, UsbId, Verified
from device_drivers.errors import Malformed, Undecodable
from device_drivers.fields import fields_of, message_from
from device_drivers.format import AnyFormat, Format
from device_drivers.sessions import (
    BytesReceived,
    CloseLink,
    Command,
    Deliver,
    Event,
    LinkEstablished,
    ReportRefused,
    ReportStatus,
    SendBytes,
    SessionContext,
    TimePassed,
)
from vitals.identifiers import DeviceType
from vitals.parameters import Parameter
from vitals.readings import Reading

HERE: Final = 0x55
ANSWERS_WITHIN: Final = timedelta(seconds=2)
TRIES: Final = 3
ASK_AGAIN_AFTER: Final = timedelta(seconds=30)
"""So long a cuff is left alone that was read, or didn't answer."""
REMEMBERED: Final = 120
"""Records without a date that are remembered: as many as a cuff holds, 60 of each user."""
NOT_ANSWERING: Final = "not_answering"
BM55: Final = Option(name="bm55", default=False, text="the cuff is a BM55, which also says when the arm moved")


@unique
class Question(Enum):
    """What the cuff was asked last. RESTING: nothing, until it is time to begin anew."""

    ATTENTION = auto()
    COUNT = auto()
    RECORD = auto()
    RESTING = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """How a cuff is reached: over HID in reports of eight bytes, or over a serial line in single bytes. `closes`: the conversation ends when all is read."""

    record_length: int
    answer_length: int
    padded: bool
    closes: bool

    def request(self, *words: int) -> SendBytes:
        padding = (PADDING,) * (HID_LENGTH - len(words)) if self.padded else ()
        return SendBytes(data=bytes((*words, *padding)))


HID: Final = Line(record_length=HID_LENGTH, answer_length=HID_LENGTH, padded=True, closes=True)
SERIAL: Final = Line(record_length=SERIAL_LENGTH, answer_length=1, padded=False, closes=False)


class Download:
    """One connection: all records, and on a serial line from time to time what has been added. A subclass says what a record is."""

    line: Line

    def __init__(self, context: SessionContext) -> None:
        self.context = context
        self._question = Question.RESTING
        self._asked: datetime | None = None
        self._tries = 0
        self._count = 0
        self._number = 0
        self._answer = bytearray()
        self._seen: set[bytes] = set()
        self._seen_before: set[bytes] = set()
        self._faults: tuple[str, ...] = ()

    def handle(self, event: Event) -> list[Command]:
        match event:
            case LinkEstablished():
                return list(self._ask(event.at, Question.ATTENTION))
            case BytesReceived():
                return list(self._received(event.at, event.data))
            case TimePassed():
                return list(self._tick(event.at))
            case _:
                return []

    def reading(self, data: bytes, at: datetime) -> Reading:
        """The reading of a record. Raises Undecodable."""
        raise NotImplementedError

    def placed(self, timestamp: DateTime, at: datetime) -> Placed:
        """When a record was made, by a clock of which nobody knows how far it is off."""
        placed = place(timestamp, at=at, zone=self.context.zone, offset=None)
        return replace(placed, stored=True) if placed.uncertain else placed

    def _ask(self, at: datetime, question: Question) -> Iterator[Command]:
        if question is not self._question:
            self._tries = 0
        self._question, self._asked = question, at
        self._tries += 1
        self._answer.clear()
        match question:
            case Question.ATTENTION:
                yield self.line.request(0xAA)
            case Question.COUNT:
                yield self.line.request(0xA2)
            case Question.RECORD:
                yield self.line.request(0xA3, self._number)

    def _tick(self, at: datetime) -> Iterator[Command]:
        waited = at - self._asked if self._asked is not None else timedelta()
        if self._question is Question.RESTING:
            if waited >= ASK_AGAIN_AFTER:
                yield from self._ask(at, Question.ATTENTION)
        elif waited >= ANSWERS_WITHIN:
            yield from self._unanswered(at)

    def _unanswered(self, at: datetime) -> Iterator[Command]:
        if self._answer:
            yield ReportRefused(at=at, reason="truncated", discarded=len(self._answer))
        if self._tries < TRIES:
            yield from self._ask(at, self._question)
            return
        yield from self._report(at, NOT_ANSWERING)
        yield from self._ask(at, Question.RESTING)

    def _received(self, at: datetime, data: bytes) -> Iterator[Command]:
        """Exactly the answer that was waited for; what comes beside it is refused, for there is nothing else to tell noise by."""
        if self._question is Question.RESTING:
            yield ReportRefused(at=at, reason="unasked", discarded=len(data))
            return
        self._answer += data
        if len(self._answer) < self._wanted():
            return
        answer, over = bytes(self._answer[: self._wanted()]), len(self._answer) - self._wanted()
        if over:
            yield ReportRefused(at=at, reason="unasked", discarded=over)
        yield from self._answered(at, answer)

    def _wanted(self) -> int:
        if self._question is not Question.RECORD:
            return self.line.answer_length
        return 1 if not self.line.padded and self._answer[:1] == bytes((NO_SUCH_RECORD,)) else self.line.record_length

    def _answered(self, at: datetime, answer: bytes) -> Iterator[Command]:
        yield from self._report(at)
        if self._question is Question.RECORD:
            yield from self._deliver(at, answer)
            yield from self._next(at)
        elif self._question is Question.COUNT:
            self._count, self._number = answer[0], 0
            self._seen_before, self._seen = self._seen, set()
            yield from self._next(at)
        elif answer[0] == HERE:
            yield from self._ask(at, Question.COUNT)
        else:
            self._answer.clear()
            yield ReportRefused(at=at, reason="not_an_answer", discarded=len(answer))

    def _next(self, at: datetime) -> Iterator[Command]:
        if self._number < self._count:
            self._number += 1
            self._tries = 0
            yield from self._ask(at, Question.RECORD)
            return
        yield from self._ask(at, Question.RESTING)
        if self.line.closes:
            yield self.line.request(0xF7)
            yield CloseLink()

    def _deliver(self, at: datetime, data: bytes) -> Iterator[Command]:
        try:
            reading = self.reading(data, at)
        except Undecodable as refusal:
            yield ReportRefused(at=at, reason=refusal.reason, discarded=len(data))
            return
        known = data in self._seen or data in self._seen_before
        self._seen.add(data)
        if not known and (reading.device_time is not None or self._is_new(data)):
            yield Deliver(readings=(reading,))

    def _is_new(self, data: bytes) -> bool:
        """Whether a record by which no date goes was never delivered, also over an earlier connection; it is remembered."""
        known = self.context.memory.get("undated", "").split()
        if data.hex() in known:
            return False
        self.context.memory["undated"] = " ".join([*known, data.hex()][-REMEMBERED:])
        return True

    def _report(self, at: datetime, *faults: str) -> Iterator[Command]:
        if faults != self._faults:
            self._faults = faults
            yield ReportStatus(at=at, faults=faults)


class HidSession(Download):
    """A BM55, BM58 or BM65 on a USB cable."""

    line = HID

    def reading(self, data: bytes, at: datetime) -> Reading:
        if not any(data):
            raise Malformed("no_such_record")
        record = HidRecord.from_bytes(data)
        _check_date(record.timestamp)
        placed = self.placed(record.timestamp, at)
        movement = bool(self.context.options.get(BM55.name, BM55.default))
        return record.reading(self.context.device, raw=data, at=at, placed=placed, movement=movement)


class SerialSession(Download):
    """A BM58 or BM65 with a USB-to-serial bridge."""

    line = SERIAL

    def reading(self, data: bytes, at: datetime) -> Reading:
        record = SerialRecord.from_bytes(data)
        if record.header != PRESENT:
            raise Malformed("unknown_header")
        _check_date(record.timestamp)
        placed = self.placed(record.timestamp, at)
        return record.reading(self.context.device, raw=data, at=at, placed=placed)


def _check_date(said: DateTime) -> None:
    """Raises Malformed for what no clock shows: with no checksum, it is how shifted bytes and empty slots are known. A month or day of 0 is a clock that was
    never set."""
    if said.month > 12 or said.day > 31 or said.hour > 23 or said.minute > 59:
        raise Malformed("impossible_date")


FORMATS: Final[tuple[AnyFormat, ...]] = (
    Format(
        key="beurer-bm58",
        title="Beurer BM55, BM58 and BM65, a stored measurement over USB HID",
        source="roose242/bmdump; beep-projects/bpconnect; muling-tt/beurer_bm58",
        message=HidRecord,
        decode=HidRecord.from_bytes,
        encode=bytes,
        describe=describe_hid,
        fields=lambda record: without_seconds(fields_of(record)),
        from_fields=lambda fields: message_from(HidRecord, with_seconds(fields)),
    ),
    Format(
        key="beurer-bm65",
        title="Beurer BM58 and BM65, a stored measurement over a serial line",
        source="atbrask.dk, Creating a Python module for the Beurer BM 65; curzon01/bm58",
        message=SerialRecord,
        decode=SerialRecord.from_bytes,
        encode=bytes,
        describe=describe_serial,
        fields=lambda record: without_seconds(fields_of(record)),
        from_fields=lambda fields: message_from(SerialRecord, with_seconds(fields)),
    ),
)
_MEASURES: Final = (Parameter.SYSTOLIC, Parameter.DIASTOLIC, Parameter.CUFF_PULSE_RATE)
DRIVERS: Final[tuple[Driver, ...]] = (
    Driver(
        key="beurer-bm58",
        title="Beurer BM55, BM58 and BM65 cuffs with a USB plug (HID)",
        device_type=DeviceType.BLOOD_PRESSURE_MONITOR,
        transport=Transport.USB_HID,
        usb=frozenset({UsbId(vendor=0x0C45, product=0x7406)}),
        formats=("beurer-bm58",),
        measures=_MEASURES,
        session=HidSession,
        verified=(Verified.SECOND_SOURCE,),
        sleeps=True,
        options=(BM55,),
        missing="the cuff's clock can't be read: the time of what it stored is uncertain",
    ),
    Driver(
        key="beurer-bm65",
        title="Beurer BM58 and BM65 cuffs with a USB-to-serial bridge",
        device_type=DeviceType.BLOOD_PRESSURE_MONITOR,
        transport=Transport.SERIAL,
        serial=SerialSettings(baud=4800),
        formats=("beurer-bm65",),
        measures=_MEASURES,
        session=SerialSession,
        verified=(Verified.SECOND_SOURCE,),
        sleeps=True,
        missing="the cuff's clock can't be read: the time of what it stored is uncertain; whose measurement it is; irregular pulse",
    ),
)
