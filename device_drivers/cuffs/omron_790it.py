"""Omron's cuffs on USB: HEM-790IT, and by one report BP791IT, 7300IT, HEM-670IT and 1500PRO.

HID reports of eight bytes, of which the first counts those that matter. Commands: three letters, arguments, the exclusive or of the arguments. Replies:
`OK` alone, or `OK`, data and the exclusive or of the data; or `NO`, whereupon the command is said again. Source: openyou/libomron,
doc/omron_protocol_notes.asciidoc; its issue 25 for the systolic pressure of two bytes and the flags. The command that ends a session turns the cuff off:
it is not used.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from device_drivers.bounds import within
from device_drivers.checksums import xor8
from device_drivers.clocks import place
from device_drivers.cuffs.pressures import cuff_reading, pressure_values
from device_drivers.date_time import DateTime
from device_drivers.driver import UNVERIFIED, Driver, Transport, UsbId, Verified
from device_drivers.errors import Malformed, Truncated, Undecodable
from device_drivers.fields import Json, fields_of, message_from
from device_drivers.format import AnyFormat, Format, Parts, in_words
from device_drivers.sessions import (
    BytesReceived,
    CloseLink,
    Command,
    Deliver,
    Event,
    LinkEstablished,
    ReportRefused,
    SendBytes,
    SessionContext,
    TimePassed,
)
from vitals.identifiers import DeviceType
from vitals.parameters import Parameter
from vitals.readings import Reading, Reason, Value, missing_value

REPORT_LENGTH: Final = 8
WORD_LENGTH: Final = 3
SHORTEST_COMMAND: Final = 5
RECORD_LENGTH: Final = 17
COUNT_LENGTH: Final = 8
BANKS: Final = (0, 1)
"""Memories; there is a third, which may be both of these together."""
ANSWER_SECONDS: Final = 2.0
ATTEMPTS: Final = 5
BANK_IS_USER: Final = "the first bank of the memory is user 1's, the second user 2's"
MMHG: Final = 0
"""The one unit of pressure that anybody has seen in a record."""
_OK: Final = b"OK"
_NO: Final = b"NO"
_EPOCH: Final = 2000
_CLEARING: Final = bytes(12)
"""Until it is answered with OK, the cuff is not listening."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """What the host says: `command` is three capital letters."""

    command: str
    arguments: bytes
    checksum: int

    @classmethod
    def of(cls, command: str, *arguments: int) -> Self:
        """With the checksum that belongs to it."""
        return cls(command=command, arguments=bytes(arguments), checksum=xor8(bytes(arguments)))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode five bytes or more, all of them the command's. Raises Truncated, Malformed."""
        if len(data) < SHORTEST_COMMAND:
            raise Truncated(SHORTEST_COMMAND, len(data))
        word = data[:WORD_LENGTH]
        if not (word.isalpha() and word.isupper()):
            raise Malformed("not_a_command")
        return cls(command=word.decode("ascii"), arguments=data[WORD_LENGTH:-1], checksum=data[-1])

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError."""
        word = self.command.encode()
        if len(word) != WORD_LENGTH or not (word.isalpha() and word.isupper()) or not self.arguments:
            raise ValueError("command: three capital letters and an argument")
        return word + self.arguments + bytes((self.checksum,))

    @property
    def checksum_ok(self) -> bool:
        """Whether the checksum belongs to the arguments."""
        return self.checksum == xor8(self.arguments)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMeasurement:
    """The reply to GME, one measurement in beats a minute and, where `unit` is 0, mmHg. `series`: 0 alone, 1 to 3 of three that the cuff averages."""

    systolic: int
    diastolic: int
    pulse_rate: int
    timestamp: DateTime
    unit: int = 0
    irregular: bool = False
    movement: bool = False
    series: int = 0

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode 17 bytes, `OK` first; what follows is ignored. Raises Truncated, Malformed."""
        if data[:2] == _NO:
            raise Malformed("no_record")
        body = _body(data, RECORD_LENGTH)
        year, month, day, hour, minute, second, unit = body[1:8]
        timestamp = DateTime(year=_EPOCH + year, month=month, day=day, hour=hour, minute=minute, second=second)
        flags = int.from_bytes(body[12:14], "big")
        return cls(
            systolic=int.from_bytes(body[8:10], "big"),
            diastolic=body[10],
            pulse_rate=body[11],
            timestamp=timestamp,
            unit=unit,
            irregular=bool(flags & 1),
            movement=bool(flags & 2),
            series=flags >> 4 & 3,
        )

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for what the reply can't say."""
        time, series = self.timestamp, within("series", self.series, 3)
        flags = self.irregular | self.movement << 1 | series << 4
        clock = bytes((time.year - _EPOCH, time.month, time.day, time.hour, time.minute, time.second, self.unit))
        numbers = (
            within("systolic", self.systolic, 0xFFFF).to_bytes(2, "big")
            + bytes((self.diastolic, self.pulse_rate))
            + flags.to_bytes(2, "big")
        )
        body = b"\0" + clock + numbers
        return _OK + body + bytes((xor8(body),))

    @property
    def values(self) -> tuple[Value, ...]:
        """In mmHg and beats a minute; without pressures where their unit is another, which nobody has seen."""
        said = ((Reason.IRREGULAR_PULSE, self.irregular), (Reason.MOTION, self.movement))
        reasons = [reason for reason, holds in said if holds]
        values = pressure_values(self.systolic, self.diastolic, self.pulse_rate, *reasons)
        if self.unit == MMHG:
            return values
        missing = (
            missing_value(parameter, Reason.UNVERIFIED) for parameter in (Parameter.SYSTOLIC, Parameter.DIASTOLIC)
        )
        return (*missing, values[-1])


def _body(data: bytes, length: int) -> bytes:
    """What stands between `OK` and the checksum of a reply of `length` bytes."""
    if len(data) < length:
        raise Truncated(length, len(data))
    if data[:2] != _OK:
        raise Malformed("not_a_reply")
    if xor8(data[2:length]):
        raise Malformed("checksum")
    return data[2 : length - 1]


def in_reports(command: bytes) -> list[bytes]:
    """The reports that carry a command."""
    room = REPORT_LENGTH - 1
    cut = [command[at : at + room] for at in range(0, len(command), room)]
    return [bytes((len(piece),)) + piece.ljust(room, b"\0") for piece in cut]


class Session:
    """One connection: until the cuff says OK it is cleared; then each bank's number of records is asked for, and each record, newest first."""

    def __init__(self, context: SessionContext) -> None:
        self._context = context
        self._said = b""
        self._heard = b""
        self._wanted = 0
        self._bank = 0
        self._records: list[int] = []
        self._asked: datetime | None = None
        self._attempts = 0

    def handle(self, event: Event) -> list[Command]:
        match event:
            case LinkEstablished():
                return list(self._say(event.at, _CLEARING, len(_OK)))
            case BytesReceived() if self._wanted and event.data:
                return list(self._report(event.at, event.data))
            case TimePassed():
                return list(self._waited(event.at))
            case _:
                return []

    def _say(self, at: datetime, command: bytes, wanted: int) -> list[Command]:
        self._said, self._wanted, self._asked, self._attempts = command, wanted, at, 1
        return self._words()

    def _words(self) -> list[Command]:
        self._heard = b""
        return [SendBytes(data=report) for report in in_reports(self._said)]

    def _report(self, at: datetime, report: bytes) -> Iterable[Command]:
        self._heard += report[1 : 1 + min(report[0], REPORT_LENGTH - 1)]
        if self._heard[:2] == _NO:
            return self._again(at)
        if self._heard[:2] != _OK[: len(self._heard)]:
            self._heard = b""
            return [ReportRefused(at=at, reason="not_a_reply", discarded=len(report))]
        return self._replied(at) if len(self._heard) >= self._wanted else ()

    def _replied(self, at: datetime) -> Iterable[Command]:
        try:
            return list(self._understood(at, self._heard))
        except Undecodable as refusal:
            refused = ReportRefused(at=at, reason=refusal.reason, discarded=len(self._heard))
            return [refused, *self._again(at)]

    def _understood(self, at: datetime, reply: bytes) -> Iterator[Command]:
        if self._wanted == COUNT_LENGTH:
            self._records = list(range(_body(reply, COUNT_LENGTH)[4]))
        elif self._wanted == RECORD_LENGTH:
            yield Deliver(readings=(self._reading(at, reply[:RECORD_LENGTH]),))
        else:
            yield from self._say(at, bytes(Instruction.of("GDC", 0, self._bank, 0, 0)), COUNT_LENGTH)
            return
        yield from self._next(at)

    def _next(self, at: datetime) -> list[Command]:
        if self._records:
            return self._say(at, bytes(Instruction.of("GME", 0, self._bank, 0, self._records.pop(0))), RECORD_LENGTH)
        if self._bank + 1 < len(BANKS):
            self._bank += 1
            return self._say(at, bytes(Instruction.of("GDC", 0, self._bank, 0, 0)), COUNT_LENGTH)
        self._wanted = 0
        return [CloseLink()]

    def _reading(self, at: datetime, reply: bytes) -> Reading:
        stored = StoredMeasurement.from_bytes(reply)
        users = bool(self._context.options.get(UNVERIFIED.name, UNVERIFIED.default))
        return cuff_reading(
            self._context.device,
            stored.values,
            raw=reply,
            at=at,
            placed=place(stored.timestamp, at=at, zone=self._context.zone, offset=None),
            timestamp=stored.timestamp,
            user=self._bank + 1 if users else None,
        )

    def _waited(self, at: datetime) -> list[Command]:
        if not self._wanted or self._asked is None or (at - self._asked).total_seconds() < ANSWER_SECONDS:
            return []
        return self._again(at)

    def _again(self, at: datetime) -> list[Command]:
        """Say it once more; what is never answered is passed over, and a cuff that never listens left."""
        if self._attempts < ATTEMPTS:
            self._asked, self._attempts = at, self._attempts + 1
            return self._words()
        refused = ReportRefused(at=at, reason="no_answer", discarded=len(self._heard))
        if self._wanted == len(_OK):
            self._wanted = 0
            return [refused, CloseLink()]
        return [refused, *self._next(at)]


def _fields(instruction: Instruction) -> dict[str, Json]:
    return {**fields_of(instruction), "checksum_ok": instruction.checksum_ok}


def _from_fields(fields: Mapping[str, Json]) -> Instruction:
    """`checksum_ok` follows from the rest."""
    return message_from(Instruction, {name: value for name, value in fields.items() if name != "checksum_ok"})


def _describe_instruction(data: bytes) -> Parts:
    instruction, parts = Instruction.from_bytes(data), Parts(data)
    parts.add(WORD_LENGTH, "command", instruction.command)
    parts.add(len(instruction.arguments), "arguments", instruction.arguments.hex(" "))
    fits = "is" if instruction.checksum_ok else "is not"
    parts.add(1, "checksum", f"{fits} the exclusive or of the arguments", "checksum", "checksum_ok")
    return parts


def _describe_record(data: bytes) -> Parts:
    stored, parts = StoredMeasurement.from_bytes(data), Parts(data)
    parts.add(3, "OK", "the cuff has understood")
    parts.add(6, "timestamp", f"{stored.timestamp}, without a zone")
    unit = "mmHg" if stored.unit == MMHG else "of an unknown unit"
    parts.add(1, "unit", f"unit number {stored.unit}")
    parts.add(2, "systolic", f"{stored.systolic} {unit}")
    parts.add(1, "diastolic", f"{stored.diastolic} {unit}")
    parts.add(1, "pulse_rate", f"{stored.pulse_rate} /min")
    said = in_words((("irregular heartbeat", stored.irregular), ("movement", stored.movement)))
    averaged = f"number {stored.series} of three" if stored.series else "measured alone"
    parts.add(2, "flags", f"{said}; {averaged}", "irregular", "movement", "series")
    parts.add(1, "checksum", "the exclusive or of all after OK")
    parts.rest()
    return parts


_SOURCE: Final = "openyou/libomron, doc/omron_protocol_notes.asciidoc"
FORMATS: Final[tuple[AnyFormat, ...]] = (
    Format(
        key="omron-790it-cmd",
        title="Omron HEM-790IT command",
        source=f"{_SOURCE}, Command Format",
        message=Instruction,
        decode=Instruction.from_bytes,
        encode=bytes,
        describe=_describe_instruction,
        fields=_fields,
        from_fields=_from_fields,
    ),
    Format(
        key="omron-790it-record",
        title="Omron HEM-790IT stored measurement",
        source=f"{_SOURCE}, Get Individual Reading; issue 25",
        message=StoredMeasurement,
        decode=StoredMeasurement.from_bytes,
        encode=bytes,
        describe=_describe_record,
        unverified=(BANK_IS_USER,),
    ),
)
DRIVERS: Final[tuple[Driver, ...]] = (
    Driver(
        key="omron-hem790it",
        title="Omron HEM-790IT blood pressure cuff",
        device_type=DeviceType.BLOOD_PRESSURE_MONITOR,
        transport=Transport.USB_HID,
        usb=frozenset({UsbId(vendor=0x0590, product=0x0028)}),
        formats=("omron-790it-record", "omron-790it-cmd"),
        measures=(Parameter.SYSTOLIC, Parameter.DIASTOLIC, Parameter.CUFF_PULSE_RATE),
        session=Session,
        verified=(Verified.SECOND_SOURCE,),
        unverified=(BANK_IS_USER,),
        missing=(
            "the feature report 74 BC, which makes the cuff speak of single measurements, must be set by the transport; the cuff's clock can't be "
            "read, so stored measurements have an uncertain time; weekly averages; the HEM-637, whose records have no flags"
        ),
    ),
)
