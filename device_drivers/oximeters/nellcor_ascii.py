"""Nellcor N-595, N-395, NPB-290, NPB-295 and their like, real-time printout at the data port: 9600 baud, 8N1.

Sources: operator's manuals of N-395, NPB-290 and NPB-295, "Data port protocol" (the headings, the columns, trend printouts); mdpnp/mdpnp, nellcor-n595.spec
(the asterisk, the status words, the line of settings). Every 25th line are headings, and whenever what they say changes: monitor, version, checksum of the
software, alarm limits; settings; the columns. A line of data is `dd-MMM-yy HH:MM:SS %SpO2 BPM PA status words`; dashes are no value, an asterisk marks a
number that is outside its limits. A trend printout has TREND in its heading, and lines that look alike but are of the past. There is no checksum.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self, TypeAlias

from device_drivers.driver import Driver, SerialSettings, Transport, Verified
from device_drivers.errors import Malformed
from device_drivers.fields import Json, fields_of, message_from
from device_drivers.format import AnyFormat, Format, Parts, in_words
from device_drivers.oximeters.text_lines import ENDS, line_of, line_raw, measure_lines, with_blanks
from device_drivers.sessions import Command, Deliver, ReportRefused, ReportStatus, SessionContext
from device_drivers.stream_session import StreamSession
from vitals.identifiers import DeviceKey, DeviceType
from vitals.parameters import Parameter, Vital
from vitals.readings import RAW_LIMIT, Reading, Reason, Value, measured_value, missing_value

TIMESTAMP_LENGTH: Final = 18
_TIMESTAMP: Final = "dd-AAA-dd dd:dd:dd"
_SHAPES: Final = {"d": frozenset("0123456789"), "A": frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")}
_NONE: Final = "---"
MOST_WORDS: Final = 16
"""Status words of a line."""
LONGEST_WORD: Final = 16
STATUS_WORDS: Final[Mapping[str, str]] = {
    "AO": "alarm off",
    "AS": "alarm silenced",
    "LB": "low battery",
    "LM": "pulse lost, with interference",
    "LP": "pulse lost",
    "MO": "interference",
    "PH": "pulse above its limit",
    "PL": "pulse below its limit",
    "PS": "pulse search",
    "SD": "sensor disconnected",
    "SH": "saturation above its limit",
    "SL": "saturation below its limit",
    "SO": "sensor off the patient",
}
_REASONS: Final = (
    ("SD", Reason.SENSOR_DISCONNECTED),
    ("SO", Reason.NO_FINGER),
    ("PS", Reason.SEARCHING),
    ("LP", Reason.NO_PULSE_FOUND),
    ("LM", Reason.NO_PULSE_FOUND),
    ("LM", Reason.ARTIFACT),
    ("MO", Reason.ARTIFACT),
)
_NOBODY: Final = frozenset({"SD", "SO"})
"""Words beside which a number is nobody's."""
_LIMITS: Final = re.compile(
    r"([\w.-]{1,16})\s+VERSION\s+([\w.]{1,16})(?:\s+CRC:\s*(\w{1,16}))?(?:\s+(TREND))?"
    r"\s+SpO2\s+Limit:\s*(\d{1,3})-\s*(\d{1,3})%\s+PR\s+Limit:\s*(\d{1,3})-\s*(\d{1,3})BPM.*",
    re.ASCII,
)
"""Monitor, version, checksum of the software, TREND, limits."""
_COLUMNS: Final = ["TIME", "%SPO2", "BPM", "PA"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DataLine:
    """One line of numbers in the monitor's own words. `pulse_amplitude` has no unit; `alarms` are the numbers with an asterisk."""

    timestamp_raw: str
    spo2: int | None
    pulse_rate: int | None
    pulse_amplitude: int | None
    spo2_alarm: bool = False
    pulse_rate_alarm: bool = False
    pulse_amplitude_alarm: bool = False
    status: tuple[str, ...] = ()

    @classmethod
    def from_text(cls, line: str) -> Self:
        words = line[TIMESTAMP_LENGTH:].split()
        if len(words) < 3:
            raise Malformed("too_few_columns")
        if len(words) > 3 + MOST_WORDS:
            raise Malformed("too_many_columns")
        if any(len(word) != 2 or not _SHAPES["A"].issuperset(word) for word in words[3:]):
            raise Malformed("no_status")
        (spo2, spo2_alarm), (pulse, pulse_alarm), (amplitude, amplitude_alarm) = map(_number, words[:3])
        return cls(
            timestamp_raw=line[:TIMESTAMP_LENGTH],
            spo2=spo2,
            pulse_rate=pulse,
            pulse_amplitude=amplitude,
            spo2_alarm=spo2_alarm,
            pulse_rate_alarm=pulse_alarm,
            pulse_amplitude_alarm=amplitude_alarm,
            status=tuple(words[3:]),
        )

    def __str__(self) -> str:
        numbers = (
            (self.spo2, self.spo2_alarm),
            (self.pulse_rate, self.pulse_rate_alarm),
            (self.pulse_amplitude, self.pulse_amplitude_alarm),
        )
        columns = [f"{_digits(number)}{'*' if alarm else ' '}" for number, alarm in numbers]
        return f"{self.timestamp_raw}   {'   '.join(columns)}   {' '.join(self.status)}".rstrip()

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """What the status words say, each once; alarms and limits are no matter of quality."""
        return tuple(dict.fromkeys(reason for word, reason in _REASONS if word in self.status))

    def reading(self, device: DeviceKey, *, raw: bytes, at: datetime) -> Reading:
        """The reading that is measured at `at`."""
        return Reading(
            data_type=Vital.SPO2,
            device=device,
            values=(
                self._value(Parameter.SPO2, self.spo2),
                self._value(Parameter.OXIMETER_PULSE_RATE, self.pulse_rate),
            ),
            measured=at,
            received=at,
            raw=raw[:RAW_LIMIT],
        )

    def _value(self, parameter: Parameter, number: int | None) -> Value:
        if not number or not _NOBODY.isdisjoint(self.status):
            reason, *more = self.reasons or (Reason.NOT_MEASURED,)
            return missing_value(parameter, reason, *more)
        return measured_value(parameter, number, *self.reasons)

    def explain(self, parts: Parts, line: str) -> None:
        parts.add(TIMESTAMP_LENGTH, "timestamp_raw", "day, month, year, time, on the monitor's clock")
        names = ("spo2", "pulse_rate", "pulse_amplitude")
        numbers = zip(names, (self.spo2, self.pulse_rate, self.pulse_amplitude), strict=True)
        words = with_blanks(line[TIMESTAMP_LENGTH:])
        for (name, number), word in zip(numbers, words[:3], strict=True):
            said = "none (dashes)" if number is None else str(number)
            parts.add(
                len(word),
                name,
                f"{said}{', outside its limits' if '*' in word else ''}",
                name,
                f"{name}_alarm",
                "status",
            )
        for word in words[3:]:
            parts.add(len(word), "status", STATUS_WORDS.get(word.strip(), f"unknown: {word.strip()}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsLine:
    """The first line of the headings: monitor, version and checksum of the software, alarm limits. `trend`: what follows is of the past, and there is no
    checksum."""

    monitor: str
    version: str
    software_crc: str | None
    spo2_low: int
    spo2_high: int
    pulse_low: int
    pulse_high: int
    trend: bool = False

    @classmethod
    def from_text(cls, line: str) -> Self:
        """`N-395 VERSION 2.0.0.0 CRC: XXXX SpO2 Limit: 70-100% PR Limit: 60-160BPM`, with or without blanks after a colon and before the second number."""
        found = _LIMITS.fullmatch(line.strip())
        if not found:
            raise Malformed("no_limits")
        monitor, version, crc, trend, *limits = found.groups()
        spo2_low, spo2_high, pulse_low, pulse_high = map(int, limits)
        return cls(
            monitor=monitor,
            version=version,
            software_crc=crc,
            spo2_low=spo2_low,
            spo2_high=spo2_high,
            pulse_low=pulse_low,
            pulse_high=pulse_high,
            trend=trend is not None,
        )

    def __str__(self) -> str:
        crc = [] if self.software_crc is None else [f"CRC: {self.software_crc}"]
        middle = [f"VERSION {self.version}", *crc, *(["TREND"] if self.trend else [])]
        limits = f"SpO2 Limit: {self.spo2_low}-{self.spo2_high}%   PR Limit: {self.pulse_low}-{self.pulse_high}BPM"
        return "   ".join((self.monitor, *middle, limits))

    def explain(self, parts: Parts, line: str) -> None:
        before, _, after = line.partition("VERSION")
        parts.add(len(before), "monitor", self.monitor)
        parts.add(len("VERSION"), "VERSION", "heading")
        words = with_blanks(after)
        parts.add(len(words[0]), "version", self.version)
        rest = len(line) - len(before) - len("VERSION") - len(words[0])
        limits = f"SpO2 {self.spo2_low} to {self.spo2_high} %, pulse {self.pulse_low} to {self.pulse_high} /min"
        names = ("software_crc", "spo2_low", "spo2_high", "pulse_low", "pulse_high", "trend")
        parts.add(rest, "limits", f"{'a trend; ' if self.trend else ''}{limits}", *names)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsLine:
    """The line of settings, which N-395 and N-595 print: whose limits, SatSeconds, response."""

    patient: str
    sat_seconds: int
    response: str

    @classmethod
    def from_text(cls, line: str) -> Self:
        words = line.split()
        seconds = words[1].removesuffix("SAT-S") if len(words) > 1 else ""
        if len(words) < 6 or words[2:5] != ["SPO2", "RESP", "MODE:"] or not seconds.isdecimal() or len(seconds) > 4:
            raise Malformed("not_a_line")
        if not all(word.isalnum() and len(word) <= LONGEST_WORD for word in (words[0], words[5])):
            raise Malformed("no_word")
        return cls(patient=words[0], sat_seconds=int(seconds), response=words[5])

    def __str__(self) -> str:
        return f"   {self.patient}   {self.sat_seconds}SAT-S   SPO2 RESP MODE: {self.response}"

    def explain(self, parts: Parts, line: str) -> None:
        settings = f"{self.patient}, {self.sat_seconds} SatSeconds, response {self.response}"
        parts.add(len(line), "settings", settings, "patient", "sat_seconds", "response")


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnsLine:
    """The headings of the columns."""

    @classmethod
    def from_text(cls, line: str) -> Self:
        return cls()

    def __str__(self) -> str:
        return "TIME                 %SpO2   BPM    PA    Status"

    def explain(self, parts: Parts, line: str) -> None:
        parts.add(len(line), "columns", "headings of the columns")


Line: TypeAlias = DataLine | LimitsLine | SettingsLine | ColumnsLine
_KINDS: Final[Mapping[str, type[Line]]] = {
    "data": DataLine,
    "limits": LimitsLine,
    "settings": SettingsLine,
    "columns": ColumnsLine,
}


def decode(data: bytes) -> Line:
    """Decode a line with its end; what follows is ignored. Raises Truncated, Malformed."""
    line = line_of(data)
    kind = _kind(line)
    if kind is None:
        raise Malformed("not_a_line")
    return _KINDS[kind].from_text(line)


def encode(line: Line) -> bytes:
    """The inverse. Raises ValueError for what no line says."""
    data = f"{line}\r\n".encode("ascii")
    try:
        said = decode(data)
    except Malformed as refusal:
        raise ValueError(f"no line says this: {refusal.reason}") from refusal
    if said != line:
        raise ValueError("a word holds a blank, or one is missing")
    return data


def _kind(line: str) -> str | None:
    """Which line it is; None for another."""
    if _has_timestamp(line):
        return "data"
    if " VERSION " in line and "Limit:" in line:
        return "limits"
    if "SAT-S" in line and "RESP MODE:" in line:
        return "settings"
    return "columns" if line.upper().split()[:4] == _COLUMNS else None


def _has_timestamp(line: str) -> bool:
    """Whether it begins as one does; the numbers may make no date."""
    if len(line) < TIMESTAMP_LENGTH or line[TIMESTAMP_LENGTH : TIMESTAMP_LENGTH + 1] not in ("", " ", "\t"):
        return False
    return all(
        letter in _SHAPES[sign] if sign in _SHAPES else letter == sign
        for sign, letter in zip(_TIMESTAMP, line, strict=False)
    )


def _number(word: str) -> tuple[int | None, bool]:
    """The number, None for dashes, and whether it has an asterisk. Raises Malformed."""
    digits = word.removesuffix("*")
    if digits == _NONE:
        return None, digits != word
    if not 1 <= len(digits) <= 3 or not _SHAPES["d"].issuperset(digits):
        raise Malformed("no_number")
    return int(digits), digits != word


def _digits(number: int | None) -> str:
    return _NONE if number is None else f"{number:3}"


def _fields(line: Line) -> dict[str, Json]:
    kind = next(kind for kind, known in _KINDS.items() if isinstance(line, known))
    return {"kind": kind, **fields_of(line)}


def _from_fields(fields: Mapping[str, Json]) -> Line:
    kind = str(fields.get("kind", "data"))
    if kind not in _KINDS:
        raise ValueError(f"kind: {kind!r} is none of {', '.join(_KINDS)}")
    return message_from(_KINDS[kind], {name: value for name, value in fields.items() if name != "kind"})


def _accepts(line: bytes) -> bool:
    return _kind(line.decode("ascii", "replace")) is not None


_MEASURE: Final = measure_lines(_accepts)


class Session(StreamSession):
    """Every line of numbers is a reading; the monitor needs no words. After the heading of a trend its lines are passed over, until there are other headings."""

    def __init__(self, context: SessionContext) -> None:
        super().__init__(context, _MEASURE, reason="not_a_line")
        self._trend = False
        self._faults: tuple[str, ...] | None = None

    def frame(self, at: datetime, data: bytes) -> Iterator[Command]:
        match decode(data):
            case LimitsLine(trend=trend):
                self._trend = trend
            case DataLine() if self._trend:
                yield ReportRefused(at=at, reason="trend", discarded=len(data))
            case DataLine() as line:
                yield from self._status(at, line)
                yield Deliver(readings=(line.reading(self.context.device, raw=line_raw(data), at=at),))

    def _status(self, at: datetime, line: DataLine) -> Iterator[Command]:
        faults = ("low_battery",) if "LB" in line.status else ()
        if faults != self._faults:
            self._faults = faults
            yield ReportStatus(at=at, faults=faults)


def _describe(data: bytes) -> Parts:
    line, parts, text = decode(data), Parts(data), line_of(data)
    before = len(data) - len(data.lstrip(ENDS))
    parts.add(before, "empty lines", "before the line")
    line.explain(parts, text)
    end = data.index(b"\n", before) + 1
    kind = in_words((kind, isinstance(line, known)) for kind, known in _KINDS.items())
    parts.add(end - sum(len(part.data) for part in parts), "end", f"end of a line of {kind}", "kind")
    parts.rest()
    return parts


FORMATS: Final[tuple[AnyFormat, ...]] = (
    Format(
        key="nellcor-ascii",
        title="Nellcor N-595, N-395, NPB-290, NPB-295, real-time printout",
        source="Nellcor N-395, NPB-290 and NPB-295 operator's manuals, data port protocol; mdpnp/mdpnp, nellcor-n595.spec",
        message=object,
        decode=decode,
        encode=encode,
        describe=_describe,
        measure=_MEASURE,
        fields=_fields,
        from_fields=_from_fields,
    ),
)
DRIVERS: Final[tuple[Driver, ...]] = (
    Driver(
        key="nellcor-ascii",
        title="Nellcor N-595, N-395, NPB-290, NPB-295, real-time printout",
        device_type=DeviceType.PULSE_OXIMETER,
        transport=Transport.SERIAL,
        serial=SerialSettings(baud=9600),
        formats=("nellcor-ascii",),
        measures=(Parameter.SPO2, Parameter.OXIMETER_PULSE_RATE),
        session=Session,
        verified=(Verified.VENDOR_DOCUMENT, Verified.ONE_SOURCE),
        stale_after_seconds=30,
        missing="trend printouts; the meaning of the status words rests on one source",
    ),
)
