"""Frames of Contec's older oximeters, CMS50D+ before firmware 4.6 and CMS50E: 19200 baud, 8 data bits, odd parity.

Source: atbrask/CMS50Dplus (a working client with captures) and the CMS50X page of the Apneuvereniging's wiki. The live frame has the form of BCI's
(`five_bytes`), about 60 times a second, with flags of its own. A recording is announced by `F2 80 00` three times and its length, then come three bytes
for each second; there is no time of day in any of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from device_drivers.bounds import or_marker
from device_drivers.errors import Malformed, Truncated
from device_drivers.fields import Json, fields_of, message_from
from device_drivers.format import AnyFormat, Format, Parts, in_words
from device_drivers.oximeters import five_bytes
from vitals.identifiers import DeviceKey
from vitals.parameters import Parameter, Vital
from vitals.readings import Reading, Reason, Value, measured_value, missing_value

PREAMBLE: Final = bytes.fromhex("f28000") * 3
RECORD_LENGTH: Final = 3
HEADER_LENGTH: Final = len(PREAMBLE) + RECORD_LENGTH
MOST_BYTES: Final = 1 << 21
"""A recording's length has 21 bits; at least one byte is there."""
_FINGER_OUT, _DROPPING, _BEEP = 0x10, 0x20, 0x40
_PROBE_ERROR, _SEARCHING = 0x10, 0x20


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePacket:
    """One live frame in the oximeter's own words; a number that it does not have is None. `pleth` is 1 to 127, 0 where there is none."""

    spo2: int | None
    pulse_rate: int | None
    pleth: int
    bargraph: int
    signal_strength: int
    finger_out: bool = False
    dropping_spo2: bool = False
    beep: bool = False
    probe_error: bool = False
    searching: bool = False

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode five bytes. Raises Truncated, Malformed."""
        first, strength, pleth, third, bargraph, pulse_rate, spo2 = five_bytes.split(data)
        return cls(
            spo2=spo2,
            pulse_rate=pulse_rate,
            pleth=pleth,
            bargraph=bargraph,
            signal_strength=strength,
            finger_out=bool(first & _FINGER_OUT),
            dropping_spo2=bool(first & _DROPPING),
            beep=bool(first & _BEEP),
            probe_error=bool(third & _PROBE_ERROR),
            searching=bool(third & _SEARCHING),
        )

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for a number that does not fit."""
        fields = five_bytes.Fields(
            first=self.finger_out * _FINGER_OUT | self.dropping_spo2 * _DROPPING | self.beep * _BEEP,
            strength=self.signal_strength,
            pleth=self.pleth,
            third=self.probe_error * _PROBE_ERROR | self.searching * _SEARCHING,
            bargraph=self.bargraph,
            pulse_rate=self.pulse_rate,
            spo2=self.spo2,
        )
        return five_bytes.join(fields)

    @property
    def no_finger(self) -> bool:
        """Nothing lies in the sensor, by whichever of the two flags the model uses."""
        return self.finger_out or self.probe_error

    @property
    def sample(self) -> int | None:
        """The plethysmogram's value."""
        return None if self.no_finger else self.pleth or None

    @property
    def state(self) -> tuple[bool, ...]:
        """Equal while nothing of note changes."""
        return (self.no_finger, self.searching, self.spo2 is None, self.pulse_rate is None)

    def reading(self, device: DeviceKey, *, raw: bytes, at: datetime) -> Reading:
        """The reading that is measured at `at`."""
        return Reading(data_type=Vital.SPO2, device=device, values=self._values(), measured=at, received=at, raw=raw)

    def _values(self) -> tuple[Value, ...]:
        if self.no_finger:
            return _values(None, None, missing=Reason.NO_FINGER)
        if self.searching:
            return _values(self.spo2, self.pulse_rate, Reason.SEARCHING, missing=Reason.SEARCHING)
        return _values(self.spo2, self.pulse_rate)


def _values(
    spo2: int | None, pulse_rate: int | None, *doubts: Reason, missing: Reason = Reason.NOT_MEASURED
) -> tuple[Value, ...]:
    """Both numbers; none and 0 are missing."""
    numbers = ((Parameter.SPO2, spo2), (Parameter.OXIMETER_PULSE_RATE, pulse_rate))
    return tuple(
        measured_value(parameter, number, *doubts) if number else missing_value(parameter, missing)
        for parameter, number in numbers
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRecord:
    """One second of a recording: `F0 | pulse bit 7`, `80 | pulse`, SpO2. None: no number (255, 127)."""

    pulse_rate: int | None
    spo2: int | None

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode three bytes. Raises Truncated, Malformed."""
        if len(data) < RECORD_LENGTH:
            raise Truncated(RECORD_LENGTH, len(data))
        first, second, spo2 = data[:RECORD_LENGTH]
        if first & 0xFE != 0xF0 or not second & 0x80 or spo2 & 0x80:
            raise Malformed("not_a_record")
        rate = (first & 1) << 7 | second & 0x7F
        return cls(
            pulse_rate=None if rate == five_bytes.NO_PULSE else rate,
            spo2=None if spo2 == five_bytes.NO_SPO2 else spo2,
        )

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for a number that does not fit."""
        rate = or_marker("pulse_rate", self.pulse_rate, five_bytes.NO_PULSE)
        return bytes((0xF0 | rate >> 7, 0x80 | rate & 0x7F, or_marker("spo2", self.spo2, five_bytes.NO_SPO2)))

    def reading(self, device: DeviceKey, *, raw: bytes, at: datetime, record: int) -> Reading:
        """The reading. It was made before `at`, at a time that nobody knows."""
        return Reading(
            data_type=Vital.SPO2,
            device=device,
            values=_values(self.spo2, self.pulse_rate),
            measured=at,
            received=at,
            raw=raw,
            stored=True,
            time_uncertain=True,
            record=record,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingLength:
    """How many bytes of records follow the preamble: 21 bits, sent less one, of three bytes whose last alone lacks bit 7."""

    length_bytes: int

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode three bytes. Raises Truncated, Malformed where they are no length or not of whole records."""
        if len(data) < RECORD_LENGTH:
            raise Truncated(RECORD_LENGTH, len(data))
        high, middle, low = data[:RECORD_LENGTH]
        if not high & middle & 0x80 or low & 0x80:
            raise Malformed("not_a_length")
        length = ((high & 0x7F) << 14 | (middle & 0x7F) << 7 | low) + 1
        if length % RECORD_LENGTH:
            raise Malformed("not_whole_records")
        return cls(length_bytes=length)

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for a length that is none of whole records."""
        if not 0 < self.length_bytes <= MOST_BYTES or self.length_bytes % RECORD_LENGTH:
            raise ValueError(f"length_bytes: {self.length_bytes} is not of whole records, from 3 to {MOST_BYTES}")
        rest = self.length_bytes - 1
        return bytes((0x80 | rest >> 14, 0x80 | rest >> 7 & 0x7F, rest & 0x7F))


def measure_record(buffer: bytearray, at: int) -> int | None:
    """The record at `at`."""
    there = len(buffer) - at
    if buffer[at] & 0xFE != 0xF0 or (there > 1 and buffer[at + 1] < 0x80):
        return 0
    if there < RECORD_LENGTH:
        return None
    return 0 if buffer[at + 2] & 0x80 else RECORD_LENGTH


def _live_fields(packet: LivePacket) -> dict[str, Json]:
    """Also whether anything lies in the sensor, which follows from two flags."""
    return {**fields_of(packet), "no_finger": packet.no_finger}


def _live_from(fields: Mapping[str, Json]) -> LivePacket:
    return message_from(LivePacket, {name: value for name, value in fields.items() if name != "no_finger"})


def _describe_live(data: bytes) -> Parts:
    packet, parts = LivePacket.from_bytes(data), Parts(data)
    first = (("finger out", packet.finger_out), ("SpO2 dropping", packet.dropping_spo2), ("beep", packet.beep))
    third = (("probe error", packet.probe_error), ("searching for a pulse", packet.searching))
    parts.add(
        1,
        "status",
        f"{in_words(first)}; signal strength {packet.signal_strength}",
        *("finger_out", "dropping_spo2", "beep", "signal_strength", "no_finger"),
    )
    parts.add(1, "pleth", packet.pleth or "none (0)")
    parts.add(
        1,
        "status 2",
        f"{in_words(third)}; bar {packet.bargraph}; pulse bit 7: {data[2] >> 6 & 1}",
        *("probe_error", "searching", "bargraph", "pulse_rate", "no_finger"),
    )
    parts.add(1, "pulse_rate", "none (255)" if packet.pulse_rate is None else f"{packet.pulse_rate} /min, with bit 7")
    parts.add(1, "spo2", "none (127)" if packet.spo2 is None else f"{packet.spo2} %")
    parts.rest()
    return parts


def _describe_record(data: bytes) -> Parts:
    record, parts = StoredRecord.from_bytes(data), Parts(data)
    parts.add(1, "marker", f"a record; pulse bit 7: {data[0] & 1}", "pulse_rate")
    parts.add(1, "pulse_rate", "none (255)" if record.pulse_rate is None else f"{record.pulse_rate} /min, with bit 7")
    parts.add(1, "spo2", "none (127)" if record.spo2 is None else f"{record.spo2} %")
    parts.rest()
    return parts


def _describe_length(data: bytes) -> Parts:
    length, parts = RecordingLength.from_bytes(data), Parts(data)
    records = length.length_bytes // RECORD_LENGTH
    parts.add(
        RECORD_LENGTH, "length_bytes", f"{length.length_bytes} bytes (sent less one): {records} records, one a second"
    )
    parts.rest()
    return parts


SOURCE: Final = "atbrask/CMS50Dplus, cms50dplus.py"
FORMATS: Final[tuple[AnyFormat, ...]] = (
    Format(
        key="cms50-5byte",
        title="Contec CMS50 (19200 baud), live frame",
        source=f"{SOURCE}, LiveDataPoint",
        message=LivePacket,
        decode=LivePacket.from_bytes,
        encode=bytes,
        describe=_describe_live,
        measure=five_bytes.measure,
        fields=_live_fields,
        from_fields=_live_from,
    ),
    Format(
        key="cms50-record",
        title="Contec CMS50 (19200 baud), one second of a recording",
        source=f"{SOURCE}, RecordedDataPoint; Apneuvereniging wiki, CMS50X",
        message=StoredRecord,
        decode=StoredRecord.from_bytes,
        encode=bytes,
        describe=_describe_record,
        measure=measure_record,
    ),
    Format(
        key="cms50-reclen",
        title="Contec CMS50 (19200 baud), length of a recording",
        source=f"{SOURCE}, getRecordedData; Apneuvereniging wiki, CMS50X",
        message=RecordingLength,
        decode=RecordingLength.from_bytes,
        encode=bytes,
        describe=_describe_length,
    ),
)
