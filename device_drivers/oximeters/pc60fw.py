"""Viatom PC-60FW, PC-60NW-1, POD-1, OxySmart and their like, over the Nordic UART service: numbers once a second, 50 samples a second.

Sources: Viatom's LepuBle (PC60FwBleResponse.kt, Pc60FwBleCmd.java) and LepuDemo (README: "device auto send data"; 0 is no value), the vendor's own code;
sza2/viatom_pc60fw; frames of a PC-60NW that somebody recorded (alt.os.linux, 10 December 2017). `AA 55, token, length, type, content, CRC-8/MAXIM of all
before it`; the length counts from the type on. The oximeter sends unasked, and nothing is said to it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Self

from device_drivers.advertisement import Marks
from device_drivers.checksums import crc8_maxim
from device_drivers.driver import Driver, Transport, Verified
from device_drivers.errors import Malformed, Truncated
from device_drivers.format import AnyFormat, Format, Parts, in_words
from device_drivers.oximeters.viatom_frames import Content, Data, Envelope, explain_rest, little, received_crc
from device_drivers.sessions import Command, Deliver, ReportStatus, SessionContext
from device_drivers.stream_session import StreamSession
from device_drivers.waveform import Chunks, Scale
from vitals.identifiers import DeviceKey, DeviceType
from vitals.parameters import Parameter, Vital
from vitals.readings import Reading, Reason, Value, measured_value, missing_value

SERVICE: Final = "6e400001-b5a3-f393-e0a9-e50e24dcca9e"
WRITE: Final = "6e400002-b5a3-f393-e0a9-e50e24dcca9e"
NOTIFY: Final = "6e400003-b5a3-f393-e0a9-e50e24dcca9e"
OXIMETER: Final = 0x0F
EQUIPMENT: Final = 0xF0
SAMPLES_PER_SECOND: Final = 50
SAMPLES_PER_FRAME: Final = 5
_START: Final = b"\xaa\x55"
_HEADER: Final = 4
_SHORTEST: Final = _HEADER + 2
_SCALE: Final = Scale(rate_hz=SAMPLES_PER_SECOND, low=0, high=127)
_PERIOD: Final = timedelta(seconds=1 / SAMPLES_PER_SECOND)
_BEAT: Final = 0x80
_PROBE_OFF: Final = 1 << 1
_SEARCHING: Final = 1 << 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Token 0F, type 01: numbers, of which 0 is none. `perfusion_index` in %."""

    spo2: int | None
    pulse_rate: int | None
    perfusion_index: Decimal | None
    probe_off: bool = False
    searching: bool = False

    SIZE = 5

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        if len(data) < cls.SIZE:
            raise Truncated(cls.SIZE, len(data))
        return cls(
            spo2=data[0] or None,
            pulse_rate=int.from_bytes(data[1:3], "little") or None,
            perfusion_index=Decimal(data[3]) / 10 if data[3] else None,
            probe_off=bool(data[4] & _PROBE_OFF),
            searching=bool(data[4] & _SEARCHING),
        )

    def __bytes__(self) -> bytes:
        status = self.probe_off * _PROBE_OFF | self.searching * _SEARCHING
        perfusion = int((self.perfusion_index or 0) * 10)
        return bytes((self.spo2 or 0,)) + little(self.pulse_rate or 0, 2) + bytes((perfusion, status, 0))

    def explain(self, parts: Parts, size: int) -> None:
        parts.add(1, "spo2", "none (0)" if self.spo2 is None else f"{self.spo2} %")
        parts.add(2, "pulse_rate", "none (0)" if self.pulse_rate is None else f"{self.pulse_rate} /min")
        parts.add(1, "perfusion_index", "none (0)" if self.perfusion_index is None else f"{self.perfusion_index} %")
        said = (("probe off", self.probe_off), ("searching", self.searching))
        parts.add(1, "status", in_words(said), "probe_off", "searching")

    def reading(self, device: DeviceKey, *, raw: bytes, at: datetime) -> Reading:
        """The reading that is measured at `at`."""
        return Reading(
            data_type=Vital.SPO2,
            device=device,
            values=(
                self._value(Parameter.SPO2, self.spo2),
                self._value(Parameter.OXIMETER_PULSE_RATE, self.pulse_rate),
                self._value(Parameter.PERFUSION_INDEX, self.perfusion_index),
            ),
            measured=at,
            received=at,
            raw=raw,
        )

    def _value(self, parameter: Parameter, number: int | Decimal | None) -> Value:
        if self.probe_off:
            return missing_value(parameter, Reason.NO_FINGER)
        if number is None:
            return missing_value(parameter, Reason.SEARCHING if self.searching else Reason.NO_PULSE_FOUND)
        return measured_value(parameter, number, *([Reason.SEARCHING] if self.searching else []))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """Token 0F, type 02: five samples of 0 to 127. Bit n of `beats`: with sample n a beat of the pulse was found."""

    wave: tuple[int, ...]
    beats: int = 0

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        if len(data) < SAMPLES_PER_FRAME:
            raise Truncated(SAMPLES_PER_FRAME, len(data))
        samples = data[:SAMPLES_PER_FRAME]
        beats = sum(1 << place for place, sample in enumerate(samples) if sample & _BEAT)
        return cls(wave=tuple(sample & 0x7F for sample in samples), beats=beats)

    def __bytes__(self) -> bytes:
        if (
            len(self.wave) != SAMPLES_PER_FRAME
            or any(sample >> 7 for sample in self.wave)
            or self.beats >> SAMPLES_PER_FRAME
        ):
            raise ValueError("wave: five samples of 0 to 127")
        return bytes(sample | (self.beats >> place & 1) * _BEAT for place, sample in enumerate(self.wave))

    def explain(self, parts: Parts, size: int) -> None:
        for place, sample in enumerate(self.wave):
            beat = ", a beat" if self.beats >> place & 1 else ""
            parts.add(1, f"sample {place + 1}", f"{sample} of 127{beat}", "wave", "beats")


@dataclass(frozen=True, slots=True, kw_only=True)
class Battery:
    """Token F0, type 03: quarters of its charge, 0 (nearly empty) to 3."""

    level: int

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        if not data:
            raise Truncated(1, 0)
        return cls(level=data[0])

    def __bytes__(self) -> bytes:
        return bytes((self.level,))

    def explain(self, parts: Parts, size: int) -> None:
        parts.add(1, "level", f"from {25 * self.level} %")


@dataclass(frozen=True, slots=True, kw_only=True)
class Working:
    """Token 0F, type 21: what it is doing."""

    mode: int
    step: int

    SIZE = 2

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        if len(data) < cls.SIZE:
            raise Truncated(cls.SIZE, len(data))
        return cls(mode=data[0], step=data[1])

    def __bytes__(self) -> bytes:
        return bytes((self.mode, self.step, 0, 0))

    def explain(self, parts: Parts, size: int) -> None:
        modes = {1: "spot check", 2: "continuous", 3: "menu"}
        steps = {
            0: "idle",
            1: "preparing",
            2: "measuring",
            3: "telling the result",
            4: "analysing the pulse",
            5: "done",
        }
        parts.add(1, "mode", modes.get(self.mode, f"unknown: {self.mode}"))
        parts.add(1, "step", steps.get(self.step, f"unknown: {self.step}"))


_CONTENTS: Final[dict[tuple[int, int], type[Content]]] = {
    (OXIMETER, 0x01): Parameters,
    (OXIMETER, 0x02): Wave,
    (OXIMETER, 0x21): Working,
    (EQUIPMENT, 0x03): Battery,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    token: int = OXIMETER
    type: int
    crc: int | None = received_crc()


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame(_Head):
    """One frame."""

    content: Content

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode. Raises Truncated, Malformed."""
        if data[:2] != _START[: len(data)]:
            raise Malformed("not_a_frame")
        if len(data) < _SHORTEST:
            raise Truncated(_SHORTEST, len(data))
        end = _HEADER + data[3] - 1
        if end <= _HEADER:
            raise Malformed("too_short")
        if len(data) <= end:
            raise Truncated(end + 1, len(data))
        if crc8_maxim(data[:end]) != data[end]:
            raise Malformed("wrong_checksum")
        content = _CONTENTS.get((data[2], data[4]), Data)
        return cls(token=data[2], type=data[4], crc=data[end], content=content.from_data(data[5:end]))

    def __bytes__(self) -> bytes:
        content = bytes(self.content)
        frame = _START + bytes((self.token, len(content) + 2, self.type)) + content
        return frame + bytes((crc8_maxim(frame),))


def _measure(buffer: bytearray, at: int) -> int | None:
    """A length that was damaged on the way must not swallow what follows: a whole frame inside an unfinished one shows that there is none."""
    length = _promised(buffer, at)
    if not length:
        return length
    if at + length > len(buffer):
        return 0 if _holds_a_frame(buffer, at + 1) else None
    return length if _is_whole(buffer, at) else 0


def _promised(buffer: bytearray, at: int) -> int | None:
    """The length that the header says; 0 where it is none, None where it isn't all there."""
    head = buffer[at : at + _HEADER]
    if head[:2] != _START[: len(head)] or (len(head) > 2 and head[2] not in (OXIMETER, EQUIPMENT)):
        return 0
    if len(head) < _HEADER:
        return None
    return _HEADER + head[3] if _HEADER + head[3] >= _SHORTEST else 0


def _is_whole(buffer: bytearray, at: int) -> bool:
    end = at + (_promised(buffer, at) or 0)
    return at < end <= len(buffer) and crc8_maxim(bytes(buffer[at:end])) == 0


def _holds_a_frame(buffer: bytearray, at: int) -> bool:
    place = buffer.find(_START, at)
    while place >= 0:
        if _is_whole(buffer, place):
            return True
        place = buffer.find(_START, place + 1)
    return False


class Session(StreamSession):
    """Listens."""

    def __init__(self, context: SessionContext) -> None:
        super().__init__(context, _measure, notify=NOTIFY, chunks=Chunks(context.device, _SCALE))
        self._off = False
        self._level: int | None = None

    def frame(self, at: datetime, data: bytes) -> Iterator[Command]:
        match Frame.from_bytes(data).content:
            case Parameters() as numbers:
                self._off = numbers.probe_off
                yield Deliver(readings=(numbers.reading(self.context.device, raw=data, at=at),))
            case Wave(wave=wave):
                for place, sample in enumerate(wave):
                    taken = at - _PERIOD * (len(wave) - place)
                    yield from self.sample(taken, None if self._off else sample)
            case Battery(level=level) if level != self._level:
                self._level = level
                yield ReportStatus(at=at, faults=("low_battery",) if level == 0 else ())


ENVELOPE: Final = Envelope(
    whole=Frame,
    head=_Head,
    contents={"parameters": Parameters, "wave": Wave, "battery": Battery, "working": Working, "data": Data},
)


def _describe(data: bytes) -> Parts:
    frame, parts = Frame.from_bytes(data), Parts(data)
    size = data[3] - 2
    parts.add(2, "start", "start of a frame")
    parts.add(1, "token", {OXIMETER: "oximeter", EQUIPMENT: "equipment"}.get(frame.token, f"unknown: {frame.token}"))
    parts.add(1, "length", f"{data[3]} bytes from here on")
    parts.add(1, "type", ENVELOPE.kind_of(frame.content), "type", "kind", "data")
    explain_rest(parts, frame.content, size, data[_HEADER + data[3] - 1])
    return parts


FORMATS: Final[tuple[AnyFormat, ...]] = (
    Format(
        key="pc60fw",
        title="Viatom PC-60FW",
        source="Viatom LepuBle, PC60FwBleResponse.kt; sza2/viatom_pc60fw, README; a recording of a PC-60NW",
        message=Frame,
        decode=Frame.from_bytes,
        encode=bytes,
        describe=_describe,
        measure=_measure,
        fields=ENVELOPE.fields,
        from_fields=ENVELOPE.message_from,
    ),
)
DRIVERS: Final[tuple[Driver, ...]] = (
    Driver(
        key="viatom-pc60fw",
        title="Viatom / Wellue PC-60FW, PC-60NW-1, PC-60B, POD-1, POD-2B, OxySmart",
        device_type=DeviceType.PULSE_OXIMETER,
        transport=Transport.BLE,
        formats=("pc60fw",),
        measures=(Parameter.SPO2, Parameter.OXIMETER_PULSE_RATE, Parameter.PERFUSION_INDEX),
        marks=(Marks(names=("PC-60F", "PC-60NW-1", "PC-60B", "POD-1", "POD-2", "OxySmart")),),
        session=Session,
        verified=(Verified.VENDOR_DOCUMENT, Verified.CAPTURE, Verified.SECOND_SOURCE),
        stale_after_seconds=10,
        missing="models with the service FFF0 (PC-66B, older PC-60NW); the last byte of the numbers, which nobody explains",
    ),
)
