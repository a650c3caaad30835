"""Masimo Rad-8, Rad-87, Radical-7 and their like, serial output "ASCII 1": 9600 baud, 8N1, a line a second.

Sources: a recording of a Rad-8 (yahnatan/pulseox, README); the pattern of mdpnp/mdpnp, masimo-radical-7.spec, which has PVI as well; Masimo's Rad-8 and
Rad-57 operator's manuals, "Trend data format" (the exceptions' bits; lines of a trend). `MM/DD/YY HH:MM:SS KEY=VALUE …`: keys are taken in any order, unknown
ones are passed over, missing ones are none. Dashes are no value, and so are zeros (a trend's). The numbers are of a fixed width, so that one that has lost a
digit on the way is refused. There is no checksum. A Rad-8 comes with ASCII 2, and has to be switched.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import IntFlag
from typing import Final, Self

from device_drivers.driver import Driver, SerialSettings, Transport, Verified
from device_drivers.errors import Malformed
from device_drivers.fields import named
from device_drivers.format import AnyFormat, Format, Parts, bits_in_words
from device_drivers.oximeters.text_lines import ENDS, line_of, line_raw, measure_lines, with_blanks
from device_drivers.sessions import Command, Deliver, ReportRefused, SessionContext
from device_drivers.stream_session import StreamSession
from vitals.identifiers import DeviceKey, DeviceType
from vitals.parameters import Parameter, Vital
from vitals.readings import RAW_LIMIT, Reading, Reason, Value, measured_value, missing_value

TIMESTAMP_LENGTH: Final = 17
_TIMESTAMP: Final = "dd/dd/dd dd:dd:dd"
LONGEST_WORD: Final = 16
LONGEST_NUMBER: Final = 32
"""Letters of a serial number, and of EXC with the names after it; longer ones would make the line too long to be one."""
_DASHES: Final = frozenset("-+.")
_DIGITS: Final = frozenset("0123456789")
_HEX_DIGITS: Final = frozenset("0123456789abcdefABCDEF")


class Exceptions(IntFlag):
    """The lower 12 bits of EXC; what those above mean is not known."""

    NO_SENSOR = 1 << 0
    DEFECTIVE_SENSOR = 1 << 1
    LOW_PERFUSION = 1 << 2
    PULSE_SEARCH = 1 << 3
    INTERFERENCE = 1 << 4
    SENSOR_OFF = 1 << 5
    AMBIENT_LIGHT = 1 << 6
    UNRECOGNIZED_SENSOR = 1 << 7
    LOW_SIGNAL_IQ = 1 << 10
    SET_RUNNING = 1 << 11


_NO_VALUES: Final = int(
    Exceptions.NO_SENSOR | Exceptions.DEFECTIVE_SENSOR | Exceptions.PULSE_SEARCH | Exceptions.SENSOR_OFF
)
"""While any of these holds, what is said of saturation, pulse and perfusion is of no moment."""
_REASONS: Final = (
    (Exceptions.NO_SENSOR, Reason.SENSOR_DISCONNECTED),
    (Exceptions.DEFECTIVE_SENSOR | Exceptions.UNRECOGNIZED_SENSOR, Reason.SENSOR_FAULT),
    (Exceptions.SENSOR_OFF, Reason.NO_FINGER),
    (Exceptions.PULSE_SEARCH, Reason.SEARCHING),
    (Exceptions.LOW_PERFUSION, Reason.LOW_PERFUSION),
    (Exceptions.INTERFERENCE | Exceptions.AMBIENT_LIGHT, Reason.ARTIFACT),
    (Exceptions.LOW_SIGNAL_IQ, Reason.WEAK_SIGNAL),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One second in the monitor's own words. `alarm` and `exc` stay as they are written; what a model never sends is left out."""

    timestamp_raw: str
    serial: str | None
    spo2: int | None
    pulse_rate: int | None
    perfusion_index: Decimal | None
    spco: Decimal | None
    spmet: Decimal | None
    desat: str | None = None
    perfusion_delta: str | None = named("pidelta", default=None)
    pvi: str | None = None
    alarm: str | None
    exc: str | None

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode a line with its end; what follows is ignored. Raises Truncated, Malformed."""
        line = line_of(data)
        if not _has_timestamp(line):
            raise Malformed("not_a_line")
        said = _said(line[TIMESTAMP_LENGTH:])
        if not said.keys() & {"SPO2", "BPM"}:
            raise Malformed("no_measurement")
        suppressed = bool(_exceptions(_text(said.get("EXC"), LONGEST_NUMBER)) & _NO_VALUES)
        return cls(
            timestamp_raw=line[:TIMESTAMP_LENGTH],
            serial=_text(said.get("SN"), LONGEST_NUMBER),
            spo2=None if suppressed else _integer(said.get("SPO2")),
            pulse_rate=None if suppressed else _integer(said.get("BPM")),
            perfusion_index=None if suppressed else _decimal(said.get("PI"), "dd.dd") or None,
            spco=_decimal(said.get("SPCO"), "dd.d"),
            spmet=_decimal(said.get("SPMET"), "dd.d"),
            desat=_text(said.get("DESAT")),
            perfusion_delta=_text(said.get("PIDELTA")),
            pvi=_text(said.get("PVI")),
            alarm=_text(said.get("ALARM")),
            exc=_text(said.get("EXC"), LONGEST_NUMBER),
        )

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for what no line says."""
        parts = [self.timestamp_raw]
        if self.serial is not None:
            parts.append(f"SN={self.serial}")
        numbers = (_three(self.spo2), _three(self.pulse_rate))
        parts += [f"SPO2={numbers[0]}%", f"BPM={numbers[1]}", f"PI={_fixed(self.perfusion_index, 5, 2)}%"]
        parts += [f"SPCO={_fixed(self.spco, 4, 1)}%", f"SPMET={_fixed(self.spmet, 4, 1)}%"]
        parts += [f"DESAT={self.desat or '--'}", f"PIDELTA={self.perfusion_delta or '+--'}"]
        parts += [
            f"{key}={value}" for key, value in (("PVI", self.pvi), ("ALARM", self.alarm), ("EXC", self.exc)) if value
        ]
        line = f"{' '.join(parts)}\r\n".encode("ascii")
        if not self._is_said_by(line):
            raise ValueError("a word holds a blank, or an exception and a number contradict each other")
        return line

    def _is_said_by(self, line: bytes) -> bool:
        try:
            return type(self).from_bytes(line) == self
        except Malformed:
            return False

    @property
    def exceptions(self) -> int:
        """The bits of `exc`, see `Exceptions`; 0 where it is missing."""
        return _exceptions(self.exc)

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """What the exceptions say, each once."""
        return tuple(reason for bits, reason in _REASONS if self.exceptions & bits)

    def reading(self, device: DeviceKey, *, raw: bytes, at: datetime) -> Reading:
        """The reading that is measured at `at`."""
        values = [self._value(Parameter.SPO2, self.spo2), self._value(Parameter.OXIMETER_PULSE_RATE, self.pulse_rate)]
        return Reading(
            data_type=Vital.SPO2,
            device=device,
            values=(*values, self._value(Parameter.PERFUSION_INDEX, self.perfusion_index)),
            measured=at,
            received=at,
            raw=raw[:RAW_LIMIT],
        )

    def _value(self, parameter: Parameter, number: int | Decimal | None) -> Value:
        if number is None:
            reason, *more = self.reasons or (Reason.NOT_MEASURED,)
            return missing_value(parameter, reason, *more)
        return measured_value(parameter, number, *self.reasons)


def _has_timestamp(line: str) -> bool:
    """Whether it begins as one does; the numbers may make no date."""
    return _is_like(_TIMESTAMP, line) and line[TIMESTAMP_LENGTH : TIMESTAMP_LENGTH + 1] in ("", " ", "\t")


def _is_like(shape: str, text: str) -> bool:
    """Whether `text` begins with digits where the shape has a d, and elsewhere with what the shape has."""
    if len(text) < len(shape):
        return False
    return all(letter in _DIGITS if sign == "d" else letter == sign for sign, letter in zip(shape, text, strict=False))


def _said(text: str) -> dict[str, str]:
    """The values by their keys in capitals; a trend calls the pulse PR. Raises Malformed for a key that is there twice: two lines in one."""
    pairs = [word.partition("=") for word in text.split()]
    names = [{"PR": "BPM"}.get(key.upper(), key.upper()) for key, _, _ in pairs]
    if len(set(names)) < len(names):
        raise Malformed("twice")
    return dict(zip(names, (value for _, _, value in pairs), strict=True))


def _is_dashes(text: str) -> bool:
    return "-" in text and _DASHES.issuperset(text)


def _integer(text: str | None) -> int | None:
    """Three digits; dashes and zeros are none."""
    if text is None or _is_dashes(digits := text.removesuffix("%")):
        return None
    if len(digits) != 3 or not _DIGITS.issuperset(digits):
        raise Malformed("no_number")
    return int(digits) or None


def _decimal(text: str | None, shape: str) -> Decimal | None:
    """Digits and a point as in `shape`; dashes are none. Raises Malformed."""
    if text is None or _is_dashes(number := text.removesuffix("%")):
        return None
    if not _is_like(shape, number) or len(number) != len(shape):
        raise Malformed("no_number")
    return Decimal(number)


def _text(text: str | None, longest: int = LONGEST_WORD) -> str | None:
    """A word; dashes and nothing are none. Raises Malformed for one that is too long to be one."""
    if not text or _is_dashes(text):
        return None
    if len(text) > longest:
        raise Malformed("too_long")
    return text


def _exceptions(text: str | None) -> int:
    """The bits; a trend writes their names after them. Raises Malformed."""
    digits = (text or "0").partition(":")[0]
    if not digits or not _HEX_DIGITS.issuperset(digits):
        raise Malformed("no_number")
    return int(digits, 16)


def _three(number: int | None) -> str:
    if number is None:
        return "---"
    if not 0 < number <= 999:
        raise ValueError(f"{number}: a number has three digits, and is not 0")
    return f"{number:03}"


def _fixed(number: Decimal | None, width: int, places: int) -> str:
    if number is None:
        return "-" * (width - places - 1) + "." + "-" * places
    return f"{number:0{width}.{places}f}"


def _accepts(line: bytes) -> bool:
    return _has_timestamp(line.decode("ascii", "replace")) and b"=" in line


_MEASURE: Final = measure_lines(_accepts)


class Session(StreamSession):
    """Every line of the moment is a reading; the monitor needs no words. A trend's lines, which have no serial number, are of the past and are passed over."""

    def __init__(self, context: SessionContext) -> None:
        super().__init__(context, _MEASURE, reason="not_a_line")

    def frame(self, at: datetime, data: bytes) -> Iterator[Command]:
        line = Line.from_bytes(data)
        if line.serial is None:
            yield ReportRefused(at=at, reason="trend", discarded=len(data))
            return
        yield Deliver(readings=(line.reading(self.context.device, raw=line_raw(data), at=at),))


_MEANINGS: Final[dict[str, tuple[str, Callable[[Line], object]]]] = {
    "SN": ("serial", lambda line: line.serial),
    "SPO2": ("spo2", lambda line: _in_words(line.spo2, "%")),
    "BPM": ("pulse_rate", lambda line: _in_words(line.pulse_rate, "/min")),
    "PR": ("pulse_rate", lambda line: _in_words(line.pulse_rate, "/min")),
    "PI": ("perfusion_index", lambda line: _in_words(line.perfusion_index, "%")),
    "SPCO": ("spco", lambda line: _in_words(line.spco, "%")),
    "SPMET": ("spmet", lambda line: _in_words(line.spmet, "%")),
    "DESAT": ("desat", lambda line: _in_words(line.desat, "")),
    "PIDELTA": ("pidelta", lambda line: _in_words(line.perfusion_delta, "")),
    "PVI": ("pvi", lambda line: _in_words(line.pvi, "")),
    "ALARM": ("alarm", lambda line: f"{line.alarm}, not known"),
    "EXC": ("exc", lambda line: bits_in_words(line.exceptions, Exceptions)),
}


def _describe(data: bytes) -> Parts:
    line, parts, text = Line.from_bytes(data), Parts(data), line_of(data)
    before = len(data) - len(data.lstrip(ENDS))
    parts.add(before, "empty lines", "before the line")
    parts.add(TIMESTAMP_LENGTH, "timestamp_raw", "month, day, year, time, on the monitor's clock", *_absent(line, text))
    for word in with_blanks(text[TIMESTAMP_LENGTH:]):
        name, meaning = _MEANINGS.get(word.strip().partition("=")[0].upper(), ("unknown", lambda _: "not known"))
        parts.add(len(word), name, meaning(line))
    end = data.index(b"\n", before) + 1
    parts.add(end - sum(len(part.data) for part in parts), "end", "end of the line")
    parts.rest()
    return parts


def _absent(line: Line, text: str) -> list[str]:
    """The fields that the line leaves unsaid, and those that are null for it."""
    keys = {word.partition("=")[0].upper() for word in text[TIMESTAMP_LENGTH:].split()}
    return ["timestamp_raw", *(name for key, (name, _) in _MEANINGS.items() if key not in keys)]


def _in_words(value: object, unit: str) -> str:
    return "none" if value is None else f"{value} {unit}".rstrip()


FORMATS: Final[tuple[AnyFormat, ...]] = (
    Format(
        key="masimo-ascii1",
        title="Masimo ASCII 1",
        source="Masimo Rad-8 operator's manual; yahnatan/pulseox, README (a recording); mdpnp/mdpnp, masimo-radical-7.spec",
        message=Line,
        decode=Line.from_bytes,
        encode=bytes,
        describe=_describe,
        measure=_MEASURE,
        unverified=("the bits of ALARM", "the digits of EXC above the lower three"),
    ),
)
DRIVERS: Final[tuple[Driver, ...]] = (
    Driver(
        key="masimo-ascii1",
        title="Masimo Rad-8, Radical-7 and others, serial output ASCII 1",
        device_type=DeviceType.PULSE_OXIMETER,
        transport=Transport.SERIAL,
        serial=SerialSettings(baud=9600),
        formats=("masimo-ascii1",),
        measures=(Parameter.SPO2, Parameter.OXIMETER_PULSE_RATE, Parameter.PERFUSION_INDEX),
        session=Session,
        verified=(Verified.CAPTURE, Verified.VENDOR_DOCUMENT, Verified.SECOND_SOURCE),
        stale_after_seconds=10,
        missing="what ALARM and the upper digits of EXC mean; carboxy- and methaemoglobin, pleth variability; output ASCII 2",
    ),
)
