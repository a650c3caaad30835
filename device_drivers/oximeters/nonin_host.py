"""What a host says to a Nonin 9560, and the answers: choose the data format, read the clock, set it.

Source: 9560 OEM Specification, "Selecting the Data Format" and "Setting / Retrieving Time in the 9560", which prints the request for the time
(`02 72 00 03`) too. A command is `02 OPCODE SIZE data 03`, without a checksum. The choice is answered by ACK or NAK in the first five seconds
after connecting, and kept when the power goes. Older oximeters (OEM III, Xpod) listen to nothing; the 3150 has a longer command for the same.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum, unique
from typing import Final, Self

from device_drivers.bounds import within
from device_drivers.date_time import DateTime
from device_drivers.driver import Driver, Option
from device_drivers.errors import Malformed, Truncated
from device_drivers.format import AnyFormat, Format, Parts
from device_drivers.framing import Measure
from device_drivers.oximeters.nonin import SPECIFICATION
from device_drivers.sessions import Command, LinkEstablished, ReportStatus, SendBytes, SessionContext
from device_drivers.stream_session import StreamSession
from device_drivers.waveform import Chunks

STX: Final = 0x02
ETX: Final = 0x03
ACK: Final = 0x06
NAK: Final = 0x15
ANSWER_WINDOW: Final = timedelta(seconds=5)
DATA_FORMATS: Final = (2, 7, 8, 13)
CENTURY: Final = 2000
FORMAT_REFUSED: Final = "format_refused"
SELECT_FORMAT: Final = Option(
    name="select_format",
    default=False,
    text="choose this data format on the oximeter after connecting (Nonin 9560); it keeps the choice when switched off",
)
_SELECT: Final = 0x70
_TIME: Final = 0x72
_TIME_REPLY: Final = 0xF2
_DATE_BYTES: Final = 6
SELECT_LENGTH: Final = 6
TIME_LENGTH: Final = 10
REQUEST_LENGTH: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectFormat:
    """`02 70 02 02 ZZ 03`: send this data format from now on."""

    data_format: int

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode six bytes. Raises Truncated, Malformed."""
        _check(data, SELECT_LENGTH, bytes((STX, _SELECT, 2, 2)))
        if data[4] not in DATA_FORMATS:
            raise Malformed("unknown_data_format")
        return cls(data_format=data[4])

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for a format that there isn't."""
        if self.data_format not in DATA_FORMATS:
            raise ValueError(f"data_format: {self.data_format} is none of {', '.join(map(str, DATA_FORMATS))}")
        return bytes((STX, _SELECT, 2, 2, self.data_format, ETX))


@unique
class TimeWord(StrEnum):
    """What is said of the time."""

    REQUEST = "request"
    SET = "set"
    REPLY = "reply"


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeMessage:
    """`02 72 00 03` asks for the time, `02 F2 06 YY MM DD hh mm ss 03` answers, `02 72 06 … 03` sets it. The year is one of this century."""

    word: TimeWord
    timestamp: DateTime | None = None

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode four or ten bytes. Raises Truncated, Malformed."""
        if len(data) < REQUEST_LENGTH:
            raise Truncated(REQUEST_LENGTH, len(data))
        if data[1:3] == bytes((_TIME, 0)):
            _check(data, REQUEST_LENGTH, bytes((STX, _TIME, 0)))
            return cls(word=TimeWord.REQUEST)
        word = TimeWord.REPLY if data[1] == _TIME_REPLY else TimeWord.SET
        _check(data, TIME_LENGTH, bytes((STX, _TIME_REPLY if word is TimeWord.REPLY else _TIME, _DATE_BYTES)))
        year, month, day, hour, minute, second = data[3:9]
        if year > 99:
            raise Malformed("unknown_year")
        parts = {"month": month, "day": day, "hour": hour, "minute": minute, "second": second}
        return cls(word=word, timestamp=DateTime(year=CENTURY + year, **parts))

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for a time that the bytes can't say, or one too many."""
        if (self.timestamp is None) is not (self.word is TimeWord.REQUEST):
            raise ValueError("timestamp: a request has none; a reply, and a command to set it, have one")
        if self.timestamp is None:
            return bytes((STX, _TIME, 0, ETX))
        opcode = _TIME if self.word is TimeWord.SET else _TIME_REPLY
        year, *parts = date_parts(self.timestamp)
        parts = [within("timestamp", part, 0xFF) for part in parts]
        return bytes((STX, opcode, _DATE_BYTES, within("timestamp", year, 99), *parts, ETX))


def date_parts(time: DateTime) -> tuple[int, ...]:
    """The year of this century, month, day, hour, minute, second."""
    return (time.year - CENTURY, time.month, time.day, time.hour, time.minute, time.second)


def _check(data: bytes, length: int, start: bytes) -> None:
    if not data.startswith(start[: len(data)]):
        raise Malformed("not_a_command")
    if len(data) < length:
        raise Truncated(length, len(data))
    if data[length - 1] != ETX:
        raise Malformed("no_end")


def measure_select(buffer: bytearray, at: int) -> int | None:
    """Finds commands that choose a format."""
    return _measured(buffer, at, SELECT_LENGTH, bytes((STX, _SELECT, 2, 2)))


def measure_time(buffer: bytearray, at: int) -> int | None:
    """Finds requests for the time, replies, and commands to set it."""
    forms = (
        (REQUEST_LENGTH, (_TIME, 0)),
        (TIME_LENGTH, (_TIME, _DATE_BYTES)),
        (TIME_LENGTH, (_TIME_REPLY, _DATE_BYTES)),
    )
    found = [_measured(buffer, at, length, bytes((STX, *start))) for length, start in forms]
    return either(found)


def either(found: Sequence[int | None]) -> int | None:
    """What several measures make together: the first length, None where one of them needs more bytes, else 0."""
    return next((length for length in found if length), None if None in found else 0)


def _measured(buffer: bytearray, at: int, length: int, start: bytes) -> int | None:
    frame = buffer[at : at + length]
    if not frame.startswith(start[: len(frame)]):
        return 0
    if len(frame) < length:
        return None
    return length if frame[-1] == ETX else 0


class HostSession(StreamSession):
    """Chooses the data format where the option asks for it, and says the oximeter's faults. A subclass has `message` in place of `frame`.

    A NAK counts only if no message of the format follows within the time for an answer: among another format's bytes there may be any.
    """

    def __init__(
        self,
        context: SessionContext,
        measure: Measure,
        *,
        data_format: int,
        frame_length: int | None = None,
        reason: str = "not_a_frame",
        chunks: Chunks | None = None,
    ) -> None:
        self._choice = SelectFormat(data_format=data_format)
        self._chooses = bool(context.options.get(SELECT_FORMAT.name, SELECT_FORMAT.default))
        self._asked: datetime | None = None
        self._answered = self._refused = False
        self._faults: tuple[str, ...] | None = None
        finds = self._answer_or(measure) if self._chooses else measure
        super().__init__(context, finds, frame_length=frame_length, reason=reason, chunks=chunks)

    def begin(self, event: LinkEstablished) -> Iterable[Command]:
        if self._chooses:
            self._asked = event.at
            yield SendBytes(data=bytes(self._choice))

    def message(self, at: datetime, data: bytes) -> Iterable[Command]:
        """What a frame of the format brings. Raises Undecodable."""
        raise NotImplementedError

    def frame(self, at: datetime, data: bytes) -> Iterable[Command]:
        if len(data) == 1:
            self._refused = self._refused if self._answered else data[0] == NAK
            self._answered = True
            return ()
        self._refused = False
        return self.message(at, data)

    def tick(self, at: datetime) -> Iterable[Command]:
        if self._asked is not None and at - self._asked >= ANSWER_WINDOW:
            self._asked, self._answered = None, True
            if self._refused:
                yield from self.report(at, FORMAT_REFUSED)

    def report(self, at: datetime, *faults: str) -> Iterator[Command]:
        """The oximeter's faults, where they are not those of before."""
        if faults != self._faults:
            self._faults = faults
            yield ReportStatus(at=at, faults=faults)

    def _answer_or(self, measure: Measure) -> Measure:
        def measured(buffer: bytearray, at: int) -> int | None:
            if not self._answered and buffer[at] in (ACK, NAK):
                return 1
            return measure(buffer, at)

        return measured


def _describe_select(data: bytes) -> Parts:
    command, parts = SelectFormat.from_bytes(data), Parts(data)
    parts.add(1, "start", "STX")
    parts.add(1, "command", "choose the data format")
    parts.add(1, "size", "two bytes of data")
    parts.add(1, "type", "a data format")
    parts.add(1, "data_format", f"data format {command.data_format}")
    parts.add(1, "end", "ETX")
    parts.rest()
    return parts


def _describe_time(data: bytes) -> Parts:
    message, parts = TimeMessage.from_bytes(data), Parts(data)
    meanings = {
        TimeWord.REQUEST: "what time is it?",
        TimeWord.SET: "set the clock",
        TimeWord.REPLY: "the oximeter's clock",
    }
    parts.add(1, "start", "STX")
    parts.add(1, "word", meanings[message.word])
    parts.add(1, "size", f"{data[2]} bytes of data", "word")
    if message.timestamp is not None:
        parts.add(_DATE_BYTES, "timestamp", message.timestamp)
    parts.add(1, "end", "ETX")
    parts.rest()
    return parts


FORMATS: Final[tuple[AnyFormat, ...]] = (
    Format(
        key="nonin-format-cmd",
        title="Nonin 9560: choose the data format",
        source=f'{SPECIFICATION}, "Selecting the Data Format"',
        message=SelectFormat,
        decode=SelectFormat.from_bytes,
        encode=bytes,
        describe=_describe_select,
        measure=measure_select,
    ),
    Format(
        key="nonin-time-cmd",
        title="Nonin 9560: read or set the clock",
        source=f'{SPECIFICATION}, "Setting / Retrieving Time in the 9560"',
        message=TimeMessage,
        decode=TimeMessage.from_bytes,
        encode=bytes,
        describe=_describe_time,
        measure=measure_time,
    ),
)
DRIVERS: Final[tuple[Driver, ...]] = ()
