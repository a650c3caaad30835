"""Contec CMS50D-BT over Bluetooth LE: 0xFF01 is written, 0xFF02 notifies; measurements once a second, the waveform about 60 times.

Sources: tobiasisenberg/OxiVis issue 2 (captures of this device), nringelstein/CMS50D-BT (a client of it), and icefest/pulseoxdl, which reads Contec's CMS50E
over USB with the same frames, commands and check byte, and has a capture of three and a half minutes. A frame's first byte alone has bit 7; its last is
the sum of the others, mod 128. The name "SpO208" is that of Contec's own application.

The third byte of a measurement was taken for a finger detector in OxiVis (4: none, 6: finger), but its own capture has 4 beside a pulse of 83. pulseoxdl
found that bit 1 is bit 7 of the pulse, and that 127 in place of the SpO2 means no finger; nobody has seen a pulse of 128 or more on a CMS50D-BT, so
such a one is [unverified], and so is the perfusion index (`7F 00` on devices without).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Self, TypeAlias

from device_drivers import uuids
from device_drivers.advertisement import Marks
from device_drivers.bounds import or_marker, within
from device_drivers.driver import UNVERIFIED, Driver, Transport, Verified
from device_drivers.errors import Malformed, Truncated
from device_drivers.fields import Json, fields_of, message_from
from device_drivers.format import AnyFormat, Format, Parts, in_words
from device_drivers.sessions import Command, Deliver, LinkEstablished, SessionContext, WriteValue
from device_drivers.stream_session import StreamSession
from device_drivers.waveform import Chunks, Scale
from vitals.identifiers import DeviceKey, DeviceType
from vitals.parameters import Parameter, Vital
from vitals.readings import Reading, Reason, Value, measured_value, missing_value

SERVICE: Final = uuids.sig(0xFF12)
WRITE: Final = uuids.sig(0xFF01)
NOTIFY: Final = uuids.sig(0xFF02)

_START: Final = 0xEB
_WAVE, _MEASUREMENT, _STOPPED = 0x00, 0x01, 0x7F
_LENGTHS: Final = {_WAVE: 6, _MEASUREMENT: 8, _STOPPED: 3}
"""By the second byte; the last kind answers the command that stops the stream."""
_ACKNOWLEDGED: Final = bytes.fromhex("f070")
KEEP_ALIVE_EVERY: Final = timedelta(seconds=3)
"""The clients say it every five seconds; time passes in steps of one."""
ASK_AGAIN_AFTER: Final = timedelta(seconds=3)
WAVES_PER_SECOND: Final = 59
"""Of 60 frames a second one is a measurement (pulseoxdl, and its capture)."""
SCALE: Final = Scale(rate_hz=WAVES_PER_SECOND, low=0, high=0x7F)
_SEVEN_BITS: Final = 0x7F
_NO_SPO2: Final = 0x7F
_NO_PULSE: Final = 0xFF
_NO_PERFUSION: Final = 0x7F
_PULSE_BIT_7: Final = 0x02
_FINGER_OUT: Final = 0x60
_NIBBLE: Final = 0x0F


def check_byte(body: bytes) -> int:
    """The last byte of a frame or command."""
    return sum(body) & _SEVEN_BITS


def command(*body: int) -> bytes:
    """A command of the host: these bytes and their check byte."""
    return bytes((*body, check_byte(bytes(body))))


START_WAVE: Final = command(0x9B, 0x00)
START_MEASUREMENTS: Final = command(0x9B, 0x01)
KEEP_ALIVE: Final = command(0x9A)


def _checked(data: bytes, kind: int) -> bytes:
    """What lies between kind and check byte. Raises Truncated, Malformed."""
    length = _LENGTHS[kind]
    if len(data) < length:
        raise Truncated(length, len(data))
    if data[0] != _START or data[1] != kind or not data[1:length].isascii():
        raise Malformed("not_such_a_frame")
    if check_byte(data[: length - 1]) != data[length - 1]:
        raise Malformed("wrong_checksum")
    return data[2 : length - 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """`EB 01`: a measurement. `status` is kept as sent; with its bit 1 the pulse is 128 or more, or there is none.

    `pulse_rate` is None without a pulse, and where only the unverified reading of bit 1 would give one.
    """

    kind: str = "values"
    status: int
    pulse_rate: int | None
    spo2: int | None
    pulse_rate_unverified: int | None = None
    perfusion_unverified: Decimal | None = None

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode eight bytes. Raises Truncated, Malformed."""
        status, pulse, spo2, low, high = _checked(data, _MEASUREMENT)
        large = bool(status & _PULSE_BIT_7)
        perfusion = high << 7 | low
        return cls(
            status=status,
            pulse_rate=None if large else pulse,
            spo2=None if spo2 == _NO_SPO2 else spo2,
            pulse_rate_unverified=pulse | 0x80 if large and pulse | 0x80 != _NO_PULSE else None,
            perfusion_unverified=None if perfusion == _NO_PERFUSION else Decimal(perfusion).scaleb(-2),
        )

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for a number that does not fit, or is not of the status."""
        perfusion = self._perfusion()
        body = bytes(
            (
                _START,
                _MEASUREMENT,
                within("status", self.status, _SEVEN_BITS),
                self._pulse() & 0x7F,
                or_marker("spo2", self.spo2, _NO_SPO2),
                perfusion & 0x7F,
                perfusion >> 7,
            )
        )
        return body + bytes((check_byte(body),))

    def _pulse(self) -> int:
        large = bool(self.status & _PULSE_BIT_7)
        if large is (self.pulse_rate is not None) or (not large and self.pulse_rate_unverified is not None):
            raise ValueError("status: its bit 1 is set for a pulse of 128 or more and for none, and for no other")
        if self.pulse_rate is not None:
            return within("pulse_rate", self.pulse_rate, 0x7F)
        pulse = or_marker("pulse_rate_unverified", self.pulse_rate_unverified, _NO_PULSE)
        return within("pulse_rate_unverified less 128", pulse - 0x80, 0x7F)

    def _perfusion(self) -> int:
        if self.perfusion_unverified is None:
            return _NO_PERFUSION
        word = self.perfusion_unverified.scaleb(2)
        if word != word.to_integral_value() or word == _NO_PERFUSION:
            raise ValueError(f"perfusion_unverified: {self.perfusion_unverified} can't be said")
        return within("perfusion_unverified in hundredths", int(word), 0x3FFF)

    @property
    def no_finger(self) -> bool:
        return self.spo2 is None

    def reading(self, device: DeviceKey, *, raw: bytes, at: datetime, unverified: bool) -> Reading:
        """The reading that is measured at `at`; with what is unverified only if that is wanted."""
        values = [self._value(Parameter.SPO2, self.spo2), self._pulse_value(unverified=unverified)]
        if unverified and self.perfusion_unverified is not None:
            values.append(self._value(Parameter.PERFUSION_INDEX, self.perfusion_unverified))
        return Reading(data_type=Vital.SPO2, device=device, values=tuple(values), measured=at, received=at, raw=raw)

    def _pulse_value(self, *, unverified: bool) -> Value:
        if self.pulse_rate_unverified is None or self.no_finger:
            return self._value(Parameter.OXIMETER_PULSE_RATE, self.pulse_rate)
        if unverified:
            return self._value(Parameter.OXIMETER_PULSE_RATE, self.pulse_rate_unverified)
        return missing_value(Parameter.OXIMETER_PULSE_RATE, Reason.UNVERIFIED)

    def _value(self, parameter: Parameter, number: int | Decimal | None) -> Value:
        if self.no_finger:
            return missing_value(parameter, Reason.NO_FINGER)
        return measured_value(parameter, number) if number else missing_value(parameter, Reason.NOT_MEASURED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pleth:
    """`EB 00`: a sample of the waveform, 0 to 127. `status` as sent (bits 0 to 3 rise with the signal, bit 6 beeps); `bar_flags` 0x60: no finger."""

    kind: str = "pleth"
    status: int
    pleth: int
    bargraph: int
    bar_flags: int = 0

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode six bytes. Raises Truncated, Malformed."""
        status, pleth, bar = _checked(data, _WAVE)
        return cls(status=status, pleth=pleth, bargraph=bar & _NIBBLE, bar_flags=bar & 0x70)

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for a number that does not fit."""
        if self.bar_flags & ~0x70:
            raise ValueError(f"bar_flags: {self.bar_flags} is not of bits 4 to 6")
        body = bytes(
            (
                _START,
                _WAVE,
                within("status", self.status, _SEVEN_BITS),
                within("pleth", self.pleth, _SEVEN_BITS),
                within("bargraph", self.bargraph, _NIBBLE) | self.bar_flags,
            )
        )
        return body + bytes((check_byte(body),))

    @property
    def sample(self) -> int | None:
        """The waveform's value; without a finger the device sends 64 throughout, which is none."""
        return None if self.bar_flags & _FINGER_OUT == _FINGER_OUT else self.pleth


Frame: TypeAlias = Values | Pleth


def decode(data: bytes) -> Frame:
    """The frame. Raises Truncated, Malformed."""
    if len(data) < _LENGTHS[_STOPPED]:
        raise Truncated(_LENGTHS[_STOPPED], len(data))
    return Pleth.from_bytes(data) if data[1] == _WAVE else Values.from_bytes(data)


def measure(buffer: bytearray, at: int) -> int | None:
    """The frame at `at`; also the two short answers, which say nothing."""
    if buffer[at] == _ACKNOWLEDGED[0]:
        answer = bytes(buffer[at : at + len(_ACKNOWLEDGED)])
        return len(answer) if answer == _ACKNOWLEDGED else None if len(answer) == 1 else 0
    if buffer[at] != _START:
        return 0
    if len(buffer) - at < len(_ACKNOWLEDGED):
        return None
    length = _LENGTHS.get(buffer[at + 1], 0)
    frame = buffer[at : at + length]
    if not frame[1:].isascii():
        return 0
    if len(frame) < length:
        return None
    return length if length and sum(frame[:-1]) & _SEVEN_BITS == frame[-1] else 0


class Session(StreamSession):
    """Asks for waveform and measurements and keeps the oximeter awake. Every measurement is a reading: they come once a second."""

    def __init__(self, context: SessionContext) -> None:
        super().__init__(context, measure, notify=NOTIFY, chunks=Chunks(context.device, SCALE))
        self._unverified = bool(context.options.get(UNVERIFIED.name, UNVERIFIED.default))
        self._said: datetime | None = None
        self._heard: datetime | None = None

    def begin(self, event: LinkEstablished) -> list[Command]:
        self._said = event.at
        return _start()

    def frame(self, at: datetime, data: bytes) -> list[Command]:
        if data[0] != _START or data[1] == _STOPPED:
            return []
        self._heard = at
        frame = decode(data)
        if isinstance(frame, Pleth):
            return self.sample(at, frame.sample)
        reading = frame.reading(self.context.device, raw=data, at=at, unverified=self._unverified)
        return [Deliver(readings=(reading,))]

    def tick(self, at: datetime) -> list[Command]:
        if self._said is not None and at - self._said < KEEP_ALIVE_EVERY:
            return []
        self._said = at
        if self._heard is None or at - self._heard > ASK_AGAIN_AFTER:
            return _start()
        return [WriteValue(characteristic=WRITE, data=KEEP_ALIVE)]


def _start() -> list[Command]:
    """The measurements last: they are what must come."""
    return [WriteValue(characteristic=WRITE, data=data) for data in (START_WAVE, START_MEASUREMENTS)]


def _describe(data: bytes) -> Parts:
    frame, parts = decode(data), Parts(data)
    parts.add(1, "start", "a live frame (0xEB)", "kind")
    if isinstance(frame, Pleth):
        flags = (("beep", bool(frame.status & 0x40)), ("no finger", frame.sample is None))
        parts.add(1, "kind", "waveform")
        parts.add(1, "status", f"{in_words(flags)}; signal {frame.status & _NIBBLE}")
        parts.add(1, "pleth", frame.pleth)
        parts.add(1, "bar", f"bar {frame.bargraph}; flags 0x{frame.bar_flags:02x}", "bargraph", "bar_flags")
    else:
        _describe_values(parts, frame)
    parts.add(1, "check byte", f"the sum of the bytes before it, mod 128: {data[_LENGTHS[data[1]] - 1]}")
    parts.rest()
    return parts


def _describe_values(parts: Parts, frame: Values) -> None:
    pulse = "none" if frame.pulse_rate is None else f"{frame.pulse_rate} /min"
    if frame.pulse_rate_unverified is not None:
        pulse = f"{frame.pulse_rate_unverified} /min, if bit 1 of the status is its bit 7 (unverified)"
    perfusion = "none (7F 00)" if frame.perfusion_unverified is None else f"{frame.perfusion_unverified} % (unverified)"
    parts.add(1, "kind", "measurement")
    parts.add(1, "status", f"0x{frame.status:02x}; bit 1: {frame.status >> 1 & 1}")
    parts.add(1, "pulse_rate", pulse, "pulse_rate", "pulse_rate_unverified")
    parts.add(1, "spo2", "none, no finger (127)" if frame.spo2 is None else f"{frame.spo2} %")
    parts.add(2, "perfusion", perfusion, "perfusion_unverified")


def _from_fields(fields: Mapping[str, Json]) -> Frame:
    """Raises ValueError."""
    kind = fields.get("kind", "values")
    known: dict[Json, type[Frame]] = {"values": Values, "pleth": Pleth}
    if not isinstance(kind, str) or kind not in known:
        raise ValueError(f"kind: {kind!r} is neither 'values' nor 'pleth'")
    return message_from(known[kind], fields)


_LARGE_PULSE: Final = "a pulse of 128 or more: bit 1 of the status taken for its bit 7, as on the CMS50E over USB"
_PERFUSION: Final = "a perfusion index in the sixth and seventh byte, seven bits each, in hundredths"
FORMATS: Final[tuple[AnyFormat, ...]] = (
    Format(
        key="cms50d-bt",
        title="Contec CMS50D-BT, live frames over Bluetooth LE",
        source="tobiasisenberg/OxiVis issue 2; nringelstein/CMS50D-BT; icefest/pulseoxdl, process_live",
        message=Values,
        decode=decode,
        encode=bytes,
        describe=_describe,
        measure=measure,
        fields=fields_of,
        from_fields=_from_fields,
        unverified=(_LARGE_PULSE, _PERFUSION),
    ),
)
DRIVERS: Final[tuple[Driver, ...]] = (
    Driver(
        key="contec-cms50d-bt",
        title="Contec CMS50D-BT pulse oximeter (Bluetooth LE)",
        device_type=DeviceType.PULSE_OXIMETER,
        transport=Transport.BLE,
        formats=("cms50d-bt",),
        measures=(Parameter.SPO2, Parameter.OXIMETER_PULSE_RATE, Parameter.PERFUSION_INDEX),
        marks=(Marks(names=("SpO208",)),),
        session=Session,
        verified=(Verified.CAPTURE, Verified.SECOND_SOURCE),
        stale_after_seconds=10,
        missing="recordings; devices whose protocol is newer than version 13, which encrypt",
        unverified=(_LARGE_PULSE, _PERFUSION),
    ),
)
