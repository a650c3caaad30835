"""What data formats 2 and 7 share: 75 frames of five bytes a second, 25 of which make a packet.

Source: 9560 OEM Specification, "Serial Data Format #2" and "#7". A frame has a status, a sample of the waveform, a FLOAT byte and a checksum (the
sum of the others mod 256). The packet's numbers are spread over the FLOAT bytes of its 25 frames; only the first frame has SYNC. The two
formats differ in the sample's width and in the 0x01 that begins a frame of format 2: a `Layout`.

A packet is found as a whole, 25 right frames in a row of which the first alone has SYNC: what lost a frame is none. (Only where exactly one whole
frame vanished from a packet, and the first of the next, would their rest pass.) In the stream a status stays an integer, and 75 frames make no
more objects than three packets (`worst_status`, `Layout.samples`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique
from typing import ClassVar, Final, Self

from device_drivers.bounds import or_marker, within
from device_drivers.checksums import sum8
from device_drivers.errors import Malformed, Truncated
from device_drivers.oximeters import nonin
from vitals.identifiers import DeviceKey
from vitals.parameters import Vital
from vitals.readings import Reading, Reason

FRAME_LENGTH: Final = 5
FRAMES_PER_PACKET: Final = 25
PACKET_LENGTH: Final = FRAME_LENGTH * FRAMES_PER_PACKET
FRAMES_PER_SECOND: Final = 75
FLOAT_AT: Final = 3

SYNC: Final = 0x01
PERFUSION: Final = 0x06
SENSOR_ALARM: Final = 0x08
OUT_OF_TRACK: Final = 0x10
ARTIFACT: Final = 0x20
SENSOR_DISCONNECTED: Final = 0x40
ALWAYS: Final = 0x80
SENSOR_OFF: Final = SENSOR_ALARM | SENSOR_DISCONNECTED
"""Bits of a status. SENSOR_DISCONNECTED is one of OEM III and Xpod; the 9560 reserves it."""

STAT2_LOW_BATTERY: Final = 0x01
STAT2_SMARTPOINT: Final = 0x20
STAT2: Final = 8
"""The frame whose FLOAT byte has these bits."""
RATES: Final = {"hr": 1, "e_hr": 14, "hr_d": 20, "e_hr_d": 22}
"""Frame, counted from 1, of a rate's upper two bits; the next has the lower seven."""
SATURATIONS: Final = {"spo2": 3, "spo2_d": 9, "spo2_fast": 10, "spo2_bb": 11, "e_spo2": 16, "e_spo2_d": 17}
SREV: Final = 4
TIMER: Final = 6


@unique
class Perfusion(StrEnum):
    """How strong a pulse was; NONE where there was none in this frame."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"
    NONE = "none"


_PERFUSION: Final = (Perfusion.NONE, Perfusion.GREEN, Perfusion.RED, Perfusion.YELLOW)
"""By bits 2 and 1 of the status."""
_POORNESS: Final = (0, 1, 3, 2)


def perfusion_of(status: int) -> Perfusion:
    return _PERFUSION[status >> 1 & 3]


def perfusion_bits(perfusion: Perfusion) -> int:
    return _PERFUSION.index(perfusion) << 1


def worst_status(statuses: Iterable[int]) -> int:
    """Every bit that any of them has, and the poorest perfusion."""
    combined, poorest = 0, 0
    for status in statuses:
        combined |= status
        if _POORNESS[status >> 1 & 3] > _POORNESS[poorest]:
            poorest = status >> 1 & 3
    return combined & ~PERFUSION | poorest << 1


def doubts_of(status: int) -> tuple[Reason, ...]:
    """What puts numbers in doubt that come with this status."""
    return nonin.doubts(
        sensor_alarm=bool(status & SENSOR_ALARM),
        out_of_track=bool(status & OUT_OF_TRACK),
        artifact=bool(status & ARTIFACT),
        low_perfusion=perfusion_of(status) in (Perfusion.YELLOW, Perfusion.RED),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """`start` comes before a frame's status; its sample has `sample_bytes`, the upper byte first; FLOAT and checksum follow."""

    start: bytes
    sample_bytes: int

    @property
    def status_at(self) -> int:
        return len(self.start)

    @property
    def highest_sample(self) -> int:
        return (1 << 8 * self.sample_bytes) - 1

    def encode(self, status: int, sample: int, float_byte: int) -> bytes:
        """One frame. Raises ValueError for a sample or FLOAT byte that is too large."""
        wave = within("pleth", sample, self.highest_sample).to_bytes(self.sample_bytes)
        body = self.start + bytes((status | ALWAYS,)) + wave + bytes((within("float_byte", float_byte, 0xFF),))
        return body + bytes((sum8(body),))

    def statuses(self, packet: bytes) -> bytes:
        return packet[self.status_at :: FRAME_LENGTH]

    def samples(self, packet: bytes) -> list[int]:
        """The waveform of one or more whole frames."""
        low = packet[FLOAT_AT - 1 :: FRAME_LENGTH]
        if self.sample_bytes == 1:
            return list(low)
        return [high << 8 | rest for high, rest in zip(packet[FLOAT_AT - 2 :: FRAME_LENGTH], low, strict=True)]

    def check(self, frame: bytes) -> None:
        """Raises Truncated or Malformed where five bytes are no frame; what follows them is ignored."""
        if len(frame) < FRAME_LENGTH:
            raise Truncated(FRAME_LENGTH, len(frame))
        if not frame.startswith(self.start) or not frame[self.status_at] & ALWAYS:
            raise Malformed("not_a_frame")
        if sum8(frame[: FRAME_LENGTH - 1]) != frame[FRAME_LENGTH - 1]:
            raise Malformed("wrong_checksum")

    def measure_frame(self, buffer: bytearray, at: int) -> int | None:
        """Finds frames, as `framing.Measure`."""
        frame = buffer[at : at + FRAME_LENGTH]
        if not frame.startswith(self.start):
            return 0
        if len(frame) > self.status_at and not frame[self.status_at] & ALWAYS:
            return 0
        if len(frame) < FRAME_LENGTH:
            return None
        return FRAME_LENGTH if sum(frame[:4]) & 0xFF == frame[4] else 0

    def measure_packet(self, buffer: bytearray, at: int) -> int | None:
        """Finds packets, as `framing.Measure`: the first frame is looked at when it is there, the others when all are."""
        if not (length := self.measure_frame(buffer, at)):
            return length
        if not buffer[at + self.status_at] & SYNC:
            return 0
        if len(buffer) - at < PACKET_LENGTH:
            return None
        return PACKET_LENGTH if self._is_packet(buffer[at : at + PACKET_LENGTH]) else 0

    def _is_packet(self, packet: bytearray) -> bool:
        if self.start and packet[::FRAME_LENGTH] != self.start * FRAMES_PER_PACKET:
            return False
        statuses = packet[self.status_at :: FRAME_LENGTH]
        if min(statuses) < ALWAYS or any(status & SYNC for status in statuses[1:]):
            return False
        columns = (packet[place::FRAME_LENGTH] for place in range(FRAME_LENGTH))
        return all((a + b + c + d) & 0xFF == check for a, b, c, d, check in zip(*columns, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFrame:
    """One frame. `float_byte` is what the packet's number at this place has; `pleth` is the waveform's sample."""

    LAYOUT: ClassVar[Layout]

    pleth: int
    float_byte: int
    sync: bool = False
    perfusion: Perfusion = Perfusion.NONE
    sensor_alarm: bool = False
    out_of_track: bool = False
    artifact: bool = False
    sensor_disconnected: bool = False

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode five bytes. Raises Truncated, Malformed."""
        cls.LAYOUT.check(data)
        status = data[cls.LAYOUT.status_at]
        return cls(
            pleth=cls.LAYOUT.samples(data[:FRAME_LENGTH])[0],
            float_byte=data[FLOAT_AT],
            sync=bool(status & SYNC),
            perfusion=perfusion_of(status),
            sensor_alarm=bool(status & SENSOR_ALARM),
            out_of_track=bool(status & OUT_OF_TRACK),
            artifact=bool(status & ARTIFACT),
            sensor_disconnected=bool(status & SENSOR_DISCONNECTED),
        )

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for a sample or FLOAT byte that is too large."""
        return self.LAYOUT.encode(self.sync * SYNC | _status(self), self.pleth, self.float_byte)


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """What 25 frames say, three times a second. `_d` numbers are averaged for display, `e_` over eight beats, `_bb` over none; None: none.

    `perfusion` is the poorest of any of its frames, and a flag holds where it holds in one. `timer` counts thirds of a second.
    """

    LAYOUT: ClassVar[Layout]

    hr: int | None
    spo2: int | None
    hr_d: int | None
    spo2_d: int | None
    spo2_fast: int | None
    spo2_bb: int | None
    e_hr: int | None
    e_spo2: int | None
    e_hr_d: int | None
    e_spo2_d: int | None
    srev: int
    timer: int
    pleth: tuple[int, ...]
    smartpoint: bool = False
    low_battery: bool = False
    perfusion: Perfusion = Perfusion.NONE
    sensor_alarm: bool = False
    out_of_track: bool = False
    artifact: bool = False
    sensor_disconnected: bool = False

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode 125 bytes. Raises Truncated, Malformed."""
        cls._check(data)
        f = b"\x00" + data[FLOAT_AT:PACKET_LENGTH:FRAME_LENGTH]
        status = worst_status(cls.LAYOUT.statuses(data[:PACKET_LENGTH]))
        rates = {name: nonin.heart_rate((f[at] & 3) << 7 | f[at + 1] & 0x7F) for name, at in RATES.items()}
        saturations = {name: nonin.spo2(f[at]) for name, at in SATURATIONS.items()}
        return cls(
            **rates,
            **saturations,
            srev=f[SREV],
            timer=(f[TIMER] & 0x7F) << 7 | f[TIMER + 1] & 0x7F,
            smartpoint=bool(f[STAT2] & STAT2_SMARTPOINT),
            low_battery=bool(f[STAT2] & STAT2_LOW_BATTERY),
            pleth=tuple(cls.LAYOUT.samples(data[:PACKET_LENGTH])),
            perfusion=perfusion_of(status),
            sensor_alarm=bool(status & SENSOR_ALARM),
            out_of_track=bool(status & OUT_OF_TRACK),
            artifact=bool(status & ARTIFACT),
            sensor_disconnected=bool(status & SENSOR_DISCONNECTED),
        )

    @classmethod
    def _check(cls, data: bytes) -> None:
        for at in range(0, PACKET_LENGTH, FRAME_LENGTH):
            frame = data[at : at + FRAME_LENGTH]
            if len(frame) < FRAME_LENGTH:
                raise Truncated(PACKET_LENGTH, len(data))
            cls.LAYOUT.check(frame)
            if bool(frame[cls.LAYOUT.status_at] & SYNC) is not (at == 0):
                raise Malformed("no_sync" if at == 0 else "sync_within")

    def __bytes__(self) -> bytes:
        """25 frames that say this, all with the same status. Raises ValueError for a number that they can't say."""
        if len(self.pleth) != FRAMES_PER_PACKET:
            raise ValueError(f"pleth: a packet has {FRAMES_PER_PACKET} samples, not {len(self.pleth)}")
        status, f = _status(self), self._float_bytes()
        first = self.LAYOUT.encode(status | SYNC, self.pleth[0], f[1])
        others = zip(self.pleth[1:], f[2:], strict=True)
        return first + b"".join(self.LAYOUT.encode(status, sample, byte) for sample, byte in others)

    def _float_bytes(self) -> list[int]:
        f = [0] * (FRAMES_PER_PACKET + 1)
        for name, at in RATES.items():
            word = or_marker(name, getattr(self, name), nonin.NO_HEART_RATE)
            f[at], f[at + 1] = word >> 7, word & 0x7F
        for name, at in SATURATIONS.items():
            f[at] = or_marker(name, getattr(self, name), nonin.NO_SPO2)
        timer = within("timer", self.timer, (1 << 14) - 1)
        f[SREV], f[TIMER], f[TIMER + 1] = within("srev", self.srev, 0xFF), timer >> 7, timer & 0x7F
        f[STAT2] = self.smartpoint * STAT2_SMARTPOINT | self.low_battery * STAT2_LOW_BATTERY
        return f

    def reading(
        self, device: DeviceKey, *, raw: bytes, at: datetime, doubts: tuple[Reason, ...] | None = None
    ) -> Reading:
        """The reading that is measured at `at`, from the numbers averaged for display. `doubts` are the packet's own if not said."""
        missing = nonin.why_missing(
            sensor_disconnected=self.sensor_disconnected,
            sensor_alarm=self.sensor_alarm,
            out_of_track=self.out_of_track,
        )
        numbers = (None, None) if self.sensor_disconnected else (self.spo2_d, self.hr_d)
        own = doubts_of(_status(self)) if doubts is None else doubts
        return Reading(
            data_type=Vital.SPO2,
            device=device,
            values=nonin.values(*numbers, missing=(missing,), doubts=own),
            measured=at,
            received=at,
            raw=raw,
        )


def _status(said: DataFrame | Packet) -> int:
    """Its status byte, without SYNC."""
    return (
        ALWAYS
        | perfusion_bits(said.perfusion)
        | said.sensor_alarm * SENSOR_ALARM
        | said.out_of_track * OUT_OF_TRACK
        | said.artifact * ARTIFACT
        | said.sensor_disconnected * SENSOR_DISCONNECTED
    )
