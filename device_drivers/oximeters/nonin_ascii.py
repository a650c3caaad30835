"""Nonin's monitors that print a line a second: 8500, 8600, 9600, 9847, Avant; 9600 baud.

Source: operators' manuals of 8500 ("Serial Output"), 9600 (5.3), 9847 and Avant 4000 ("Real-Time Patient Data Output"): `SPO2=XXX HR=YYY`, dashes where there is
nothing; before it the time of day on some; after it ` F` for the fast-responding numbers, `*` for a marked event, `B` (9847) for a breath. At
power-up there is a header of free form. The manuals give 8N1 (Avant), 8 and two stop bits (9600) or a ninth bit that is always set (8500, 9847):
all are read as 8N1. There is no checksum: a digit that was damaged into another digit goes unseen.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from device_drivers.bounds import within
from device_drivers.driver import Driver, Transport, Verified
from device_drivers.errors import Malformed, Truncated
from device_drivers.format import AnyFormat, Format, Parts, in_words
from device_drivers.oximeters import nonin
from device_drivers.sessions import Command, Deliver, SessionContext
from device_drivers.stream_session import StreamSession
from vitals.identifiers import DeviceKey, DeviceType
from vitals.parameters import Vital
from vitals.readings import RAW_LIMIT, Reading, Reason

_NONE: Final = "---"
_NUMBER: Final = rb"---|[0-9]{3}| [0-9]{2}|  [0-9]"
_LINE: Final = re.compile(
    rb"(?:([0-9]{2}:[0-9]{2}:[0-9]{2}) {1,4})?SPO2=("
    + _NUMBER
    + rb") {1,4}HR=("
    + _NUMBER
    + rb")([ F*B]{0,6})(?=\r?\n|\Z)"
)
"""Time, SpO2, pulse, marks."""
_LETTERS: Final = (
    *(rb"[0-9]", rb"[0-9]", rb":") * 2,
    rb"[0-9]",
    rb"[0-9]",
    rb" {1,4}",
    *(rb"S", rb"P", rb"O", rb"2", rb"="),
)
_REST: Final = (*(rb"[-0-9 ]",) * 3, rb" {1,4}", rb"H", rb"R", rb"=", *(rb"[-0-9 ]",) * 3, rb"[ F*B]{0,6}", rb"\r")
_CLOCK_LETTERS: Final = 9
_MARKS: Final = {"fast": "F", "event": "*", "breath": "B"}


def _beginnings(letters: tuple[bytes, ...]) -> bytes:
    """A pattern for everything with which a text of these letters may begin."""
    pattern = b""
    for letter in reversed(letters):
        pattern = b"(?:" + letter + pattern + b")?"
    return pattern


_BEGUN: Final = re.compile(_beginnings(_LETTERS + _REST) + b"|" + _beginnings(_LETTERS[_CLOCK_LETTERS:] + _REST))


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One second in the monitor's own words; dashes are None. `time` is the time of day, `HH:MM:SS`; `event`: somebody marked it."""

    spo2: int | None
    pulse_rate: int | None
    time: str | None = None
    fast: bool = False
    event: bool = False
    breath: bool = False

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode a line, with or without its end; what follows is ignored. Raises Truncated, Malformed."""
        time, saturation, rate, marks = _matched(data).groups()
        return cls(
            time=time.decode() if time else None,
            spo2=_number(saturation),
            pulse_rate=_number(rate),
            **{name: mark.encode() in marks for name, mark in _MARKS.items()},
        )

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for what no line says."""
        time = f"{self.time} " if self.time is not None else ""
        marks = f"{' F' * self.fast}{'*' * self.event}{'B' * self.breath}"
        saturation, rate = _digits("spo2", self.spo2), _digits("pulse_rate", self.pulse_rate)
        line = f"{time}SPO2={saturation} HR={rate}{marks}\r\n".encode()
        if not _LINE.match(line):
            raise ValueError("time: it is written HH:MM:SS")
        return line

    def reading(self, device: DeviceKey, *, raw: bytes, at: datetime) -> Reading:
        """The reading that is measured at `at`."""
        return Reading(
            data_type=Vital.SPO2,
            device=device,
            values=nonin.values(self.spo2, self.pulse_rate, missing=(Reason.NOT_MEASURED,)),
            measured=at,
            received=at,
            raw=raw[:RAW_LIMIT],
        )


def _matched(data: bytes) -> re.Match[bytes]:
    if matched := _LINE.match(data):
        return matched
    if _BEGUN.fullmatch(data):
        raise Truncated(len(data) + 1, len(data))
    raise Malformed("not_a_line")


def _number(digits: bytes) -> int | None:
    return None if digits == _NONE.encode() else int(digits)


def _digits(name: str, number: int | None) -> str:
    return _NONE if number is None else f"{within(name, number, 999):03}"


def _measure(buffer: bytearray, at: int) -> int | None:
    matched = _LINE.match(buffer, at)
    if matched and (end := buffer.find(b"\n", matched.end(), matched.end() + 2)) >= 0:
        return end + 1 - at
    return None if _BEGUN.fullmatch(buffer, at) else 0


class Session(StreamSession):
    """Every line is a reading; the monitor needs no words."""

    def __init__(self, context: SessionContext) -> None:
        super().__init__(context, _measure, reason="not_a_line")

    def frame(self, at: datetime, data: bytes) -> Iterator[Command]:
        yield Deliver(readings=(Line.from_bytes(data).reading(self.context.device, raw=data, at=at),))


def _describe(data: bytes) -> Parts:
    line, parts, matched = Line.from_bytes(data), Parts(data), _matched(data)
    marks = in_words(tuple((name, getattr(line, name)) for name in _MARKS), none="no mark")
    if line.time is not None:
        parts.add(matched.end(1), "time", f"{line.time} on the monitor's clock")
    parts.add(matched.end(2) - max(matched.end(1), 0), "spo2", _in_words(line.spo2, "%"))
    parts.add(
        matched.end(4) - matched.end(2),
        "pulse_rate",
        f"{_in_words(line.pulse_rate, '/min')}; {marks}",
        "pulse_rate",
        *_MARKS,
    )
    parts.add(data.find(b"\n", matched.end()) + 1 - matched.end(), "end", "end of the line")
    parts.rest()
    return parts


def _in_words(number: int | None, unit: str) -> str:
    return "none (dashes)" if number is None else f"{number} {unit}"


FORMATS: Final[tuple[AnyFormat, ...]] = (
    Format(
        key="nonin-ascii",
        title="Nonin's line a second: SPO2=XXX HR=YYY",
        source="Nonin 8500, 9600, 9847 and Avant 4000 operator's manuals, real-time data output",
        message=Line,
        decode=Line.from_bytes,
        encode=bytes,
        describe=_describe,
        measure=_measure,
    ),
)
DRIVERS: Final[tuple[Driver, ...]] = (
    Driver(
        key="nonin-ascii",
        title="Nonin 8500, 8600, 9600, 9847, Avant monitor, real-time line output",
        device_type=DeviceType.PULSE_OXIMETER,
        transport=Transport.SERIAL,
        serial=nonin.LINE,
        formats=("nonin-ascii",),
        measures=nonin.MEASURES,
        session=Session,
        verified=(Verified.VENDOR_DOCUMENT,),
        stale_after_seconds=10,
        missing="playback of the monitor's memory; the quality of a number, of which the line says nothing",
    ),
)
