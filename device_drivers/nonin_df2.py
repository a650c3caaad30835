"""Nonin serial data format 2 (OEM III, Xpod, WristOx2 3150, 9560): 9600 baud, 8N1, 75 frames a second.

Source: "Nonin 9560 Bluetooth Specification" (in mattjlewis/NoninPulseOx). A frame is `01 STATUS PLETH FLOAT CHECKSUM`; 25 frames make a
packet, whose numbers are spread over the FLOAT bytes. A missing heart rate is 511 (9 bits: the high byte has 2 of them), a
missing SpO2 is 127. The display-averaged numbers are used; while the sensor alarm is set they may be ten seconds old.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntFlag, StrEnum, unique
from typing import Final, Self

from device_drivers.cadence import Cadence
from device_drivers.errors import Malformed, Truncated
from device_drivers.framing import Discarded, Frame, FrameReader
from device_drivers.sessions import BytesReceived, Command, Deliver, Event, ReportRefused, ReportStatus, SessionContext
from vitals.identifiers import DeviceKey
from vitals.parameters import Parameter, Vital
from vitals.readings import Reading, Reason, Value, measured_value, missing_value

FRAME_LENGTH: Final = 5
FRAMES_PER_PACKET: Final = 25
FRAMES_PER_SECOND: Final = 75
_START: Final = 0x01
NO_HEART_RATE: Final = 511
NO_SPO2: Final = 127


class Status(IntFlag):
    """The second byte of a frame; bit 7 is always set. Both perfusion bits: yellow, RED alone: red, GREEN alone: green."""

    SYNC = 1 << 0
    GREEN = 1 << 1
    RED = 1 << 2
    SENSOR_ALARM = 1 << 3
    OUT_OF_TRACK = 1 << 4
    ARTIFACT = 1 << 5
    SENSOR_DISCONNECTED = 1 << 6
    ALWAYS = 1 << 7


@unique
class Perfusion(StrEnum):
    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"
    NONE = "none"


_PERFUSION: Final = {
    Status(0): Perfusion.NONE,
    Status.GREEN: Perfusion.GREEN,
    Status.RED: Perfusion.RED,
    Status.GREEN | Status.RED: Perfusion.YELLOW,
}
_PERFUSION_BITS: Final = {perfusion: bits for bits, perfusion in _PERFUSION.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFrame:
    """One frame. `float_byte` is what the packet's number at this place has; `pleth` is 0 to 255."""

    status: Status
    pleth: int
    float_byte: int

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode five bytes. Raises Truncated, Malformed."""
        if len(data) < FRAME_LENGTH:
            raise Truncated(FRAME_LENGTH, len(data))
        if data[0] != _START or not data[1] & Status.ALWAYS:
            raise Malformed("not_a_frame")
        if sum(data[:4]) & 0xFF != data[4]:
            raise Malformed("wrong_checksum")
        return cls(status=Status(data[1]), pleth=data[2], float_byte=data[3])

    def __bytes__(self) -> bytes:
        body = bytes((_START, self.status | Status.ALWAYS, self.pleth, self.float_byte))
        return body + bytes((sum(body) & 0xFF,))

    @property
    def perfusion(self) -> Perfusion:
        return _PERFUSION[self.status & (Status.GREEN | Status.RED)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """What 25 frames say, three times a second. `_d` numbers are averaged for display, `e_` over eight beats; None: none.

    `status` has every bit that any of its frames had.
    """

    hr: int | None
    spo2: int | None
    hr_d: int | None
    spo2_d: int | None
    spo2_fast: int | None
    spo2_bb: int | None
    e_hr: int | None
    e_spo2: int | None
    e_spo2_d: int | None
    e_hr_d: int | None
    srev: int
    timer: int
    smartpoint: bool
    low_battery: bool
    status: Status
    pleth: tuple[int, ...]

    @classmethod
    def from_frames(cls, frames: Sequence[DataFrame]) -> Self:
        """Decode 25 frames, the first of which has SYNC. Raises Truncated, Malformed."""
        if len(frames) < FRAMES_PER_PACKET:
            raise Truncated(FRAMES_PER_PACKET * FRAME_LENGTH, len(frames) * FRAME_LENGTH)
        if not frames[0].status & Status.SYNC:
            raise Malformed("no_sync")
        f = [0, *(frame.float_byte for frame in frames)]
        status = Status(0)
        for frame in frames:
            status |= frame.status
        return cls(
            hr=_heart_rate(f[1], f[2]),
            spo2=_spo2(f[3]),
            srev=f[4],
            timer=(f[6] & 0x7F) << 7 | f[7] & 0x7F,
            smartpoint=bool(f[8] & 0x20),
            low_battery=bool(f[8] & 0x01),
            spo2_d=_spo2(f[9]),
            spo2_fast=_spo2(f[10]),
            spo2_bb=_spo2(f[11]),
            e_hr=_heart_rate(f[14], f[15]),
            e_spo2=_spo2(f[16]),
            e_spo2_d=_spo2(f[17]),
            hr_d=_heart_rate(f[20], f[21]),
            e_hr_d=_heart_rate(f[22], f[23]),
            status=status,
            pleth=tuple(frame.pleth for frame in frames[:FRAMES_PER_PACKET]),
        )

    def frames(self) -> list[DataFrame]:
        """The 25 frames that say this, all with the same status."""
        f = [0] * (FRAMES_PER_PACKET + 1)
        for place, number in ((1, self.hr), (14, self.e_hr), (20, self.hr_d), (22, self.e_hr_d)):
            word = NO_HEART_RATE if number is None else number
            f[place], f[place + 1] = word >> 7, word & 0x7F
        saturations = (
            (3, self.spo2),
            (9, self.spo2_d),
            (10, self.spo2_fast),
            (11, self.spo2_bb),
            (16, self.e_spo2),
            (17, self.e_spo2_d),
        )
        for place, number in saturations:
            f[place] = NO_SPO2 if number is None else number
        f[4], f[6], f[7] = self.srev, self.timer >> 7 & 0x7F, self.timer & 0x7F
        f[8] = self.smartpoint << 5 | self.low_battery
        status = self.status & ~Status.SYNC
        return [
            DataFrame(status=status | Status.SYNC if place == 1 else status, pleth=pleth, float_byte=f[place])
            for place, pleth in enumerate(self.pleth, 1)
        ]

    @property
    def missing(self) -> tuple[Reason, ...]:
        """Why a number is missing."""
        if self.status & Status.SENSOR_DISCONNECTED:
            return (Reason.SENSOR_DISCONNECTED,)
        if self.status & Status.SENSOR_ALARM:
            return (Reason.NO_FINGER,)
        return (Reason.OUT_OF_TRACK,) if self.status & Status.OUT_OF_TRACK else (Reason.SEARCHING,)

    @property
    def doubts(self) -> tuple[Reason, ...]:
        """What puts the numbers in doubt."""
        low = bool(self.status & Status.RED)
        said = (
            (Reason.DISPLAY_HELD, bool(self.status & Status.SENSOR_ALARM)),
            (Reason.OUT_OF_TRACK, bool(self.status & Status.OUT_OF_TRACK)),
            (Reason.ARTIFACT, bool(self.status & Status.ARTIFACT)),
            (Reason.LOW_PERFUSION, low),
        )
        return tuple(reason for reason, holds in said if holds)

    def reading(self, device: DeviceKey, *, raw: bytes, at: datetime) -> Reading:
        """The reading that is measured at `at`, from the numbers averaged for display."""
        return Reading(
            data_type=Vital.SPO2,
            device=device,
            values=(
                self._value(Parameter.SPO2, self.spo2_d),
                self._value(Parameter.OXIMETER_PULSE_RATE, self.hr_d),
            ),
            measured=at,
            received=at,
            raw=raw,
        )

    def _value(self, parameter: Parameter, number: int | None) -> Value:
        if not number or self.status & Status.SENSOR_DISCONNECTED:
            return missing_value(parameter, *self.missing)
        return measured_value(parameter, number, *self.doubts)


def _heart_rate(high: int, low: int) -> int | None:
    rate = (high & 0x03) << 7 | low & 0x7F
    return None if rate == NO_HEART_RATE else rate


def _spo2(byte: int) -> int | None:
    return None if byte & 0x7F == NO_SPO2 else byte & 0x7F


def _measure(buffer: bytearray, at: int) -> int | None:
    if buffer[at] != _START:
        return 0
    frame = buffer[at : at + FRAME_LENGTH]
    if len(frame) > 1 and not frame[1] & Status.ALWAYS:
        return 0
    if len(frame) < FRAME_LENGTH:
        return None
    return FRAME_LENGTH if sum(frame[:4]) & 0xFF == frame[4] else 0


class PacketReader:
    """Finds packets in a stream: 25 frames in a row, of which the first and only the first has SYNC."""

    def __init__(self) -> None:
        self._frames = FrameReader(_measure)
        self._held: list[DataFrame] = []

    def receive_data(self, data: bytes) -> None:
        self._frames.receive_data(data)

    def events(self) -> Iterator[Packet | Discarded]:
        """Packets, and what was passed over: bytes of no frame and frames of no whole packet."""
        for found in self._frames.events():
            match found:
                case Discarded():
                    yield from self._drop()
                    yield found
                case Frame():
                    yield from self._take(DataFrame.from_bytes(found.data))

    def _take(self, frame: DataFrame) -> Iterator[Packet | Discarded]:
        if frame.status & Status.SYNC:
            yield from self._drop()
        elif not self._held:
            yield Discarded(count=FRAME_LENGTH)
            return
        self._held.append(frame)
        if len(self._held) == FRAMES_PER_PACKET:
            packet = Packet.from_frames(self._held)
            self._held.clear()
            yield packet

    def _drop(self) -> Iterator[Discarded]:
        if self._held:
            yield Discarded(count=len(self._held) * FRAME_LENGTH)
            self._held.clear()


class Session:
    """Listens: the oximeter needs no words. One reading a second, from the packet that decides it."""

    def __init__(self, context: SessionContext) -> None:
        self._device = context.device
        self._packets = PacketReader()
        self._cadence = Cadence()
        self._low_battery: bool | None = None

    def handle(self, event: Event) -> list[Command]:
        if not isinstance(event, BytesReceived):
            return []
        self._packets.receive_data(event.data)
        return list(self._commands(event.at))

    def _commands(self, at: datetime) -> Iterator[Command]:
        for found in self._packets.events():
            if isinstance(found, Discarded):
                yield ReportRefused(at=at, reason="not_a_packet", discarded=found.count)
                continue
            if found.low_battery != self._low_battery:
                self._low_battery = found.low_battery
                yield ReportStatus(at=at, faults=("low_battery",) if found.low_battery else ())
            if self._cadence.decides(at, found.status & (Status.SENSOR_ALARM | Status.SENSOR_DISCONNECTED)):
                raw = b"".join(bytes(frame) for frame in found.frames()[:12])
                yield Deliver(readings=(found.reading(self._device, raw=raw, at=at),))
