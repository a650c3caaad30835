"""Nonin serial data format 8: 9600 baud, 8N1, four bytes once a second.

Source: "Nonin 9560 Bluetooth Specification" (in mattjlewis/NoninPulseOx). Only the first byte has bit 7. There is no checksum, so four
bytes in a row with the right high bits are all that shows a frame: one in sixteen of noise does (`NoiseGate`). A missing heart rate is 511, a missing SpO2 is 127.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from device_drivers.errors import Malformed, Truncated
from device_drivers.framing import Discarded, FrameReader, NoiseGate, refused_bytes
from device_drivers.nonin_df2 import NO_HEART_RATE, NO_SPO2
from device_drivers.sessions import BytesReceived, Command, Deliver, Event, ReportRefused, ReportStatus, SessionContext
from vitals.identifiers import DeviceKey
from vitals.parameters import Parameter, Vital
from vitals.readings import Reading, Reason, Value, measured_value, missing_value

FRAME_LENGTH: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFrame:
    """One second in the oximeter's own words; a number that it does not have is None."""

    hr: int | None
    spo2: int | None
    sensor_disconnected: bool = False
    out_of_track: bool = False
    low_perfusion: bool = False
    marginal_perfusion: bool = False
    artifact: bool = False
    smartpoint: bool = False
    sensor_alarm: bool = False
    low_battery: bool = False

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode four bytes. Raises Truncated, Malformed."""
        if len(data) < FRAME_LENGTH:
            raise Truncated(FRAME_LENGTH, len(data))
        first, second, third, fourth = data[:FRAME_LENGTH]
        if not first & 0x80 or (second | third | fourth) & 0x80:
            raise Malformed("not_a_frame")
        rate = (first & 0x03) << 7 | second
        return cls(
            hr=None if rate == NO_HEART_RATE else rate,
            spo2=None if third == NO_SPO2 else third,
            sensor_disconnected=bool(first & 0x40),
            out_of_track=bool(first & 0x20),
            low_perfusion=bool(first & 0x10),
            marginal_perfusion=bool(first & 0x08),
            artifact=bool(first & 0x04),
            smartpoint=bool(fourth & 0x20),
            sensor_alarm=bool(fourth & 0x08),
            low_battery=bool(fourth & 0x01),
        )

    def __bytes__(self) -> bytes:
        rate = NO_HEART_RATE if self.hr is None else self.hr
        flags = (
            self.sensor_disconnected << 6
            | self.out_of_track << 5
            | self.low_perfusion << 4
            | self.marginal_perfusion << 3
            | self.artifact << 2
        )
        return bytes(
            (
                0x80 | flags | rate >> 7,
                rate & 0x7F,
                NO_SPO2 if self.spo2 is None else self.spo2,
                self.smartpoint << 5 | self.sensor_alarm << 3 | self.low_battery,
            )
        )

    @property
    def missing(self) -> Reason:
        """Why a number is missing."""
        if self.sensor_disconnected:
            return Reason.SENSOR_DISCONNECTED
        if self.sensor_alarm:
            return Reason.NO_FINGER
        return Reason.OUT_OF_TRACK if self.out_of_track else Reason.SEARCHING

    @property
    def doubts(self) -> tuple[Reason, ...]:
        """What puts the numbers in doubt."""
        said = (
            (Reason.DISPLAY_HELD, self.sensor_alarm),
            (Reason.OUT_OF_TRACK, self.out_of_track),
            (Reason.ARTIFACT, self.artifact),
            (Reason.LOW_PERFUSION, self.low_perfusion or self.marginal_perfusion),
        )
        return tuple(reason for reason, holds in said if holds)

    def reading(self, device: DeviceKey, *, raw: bytes, at: datetime) -> Reading:
        """The reading that is measured at `at`."""
        return Reading(
            data_type=Vital.SPO2,
            device=device,
            values=(self._value(Parameter.SPO2, self.spo2), self._value(Parameter.OXIMETER_PULSE_RATE, self.hr)),
            measured=at,
            received=at,
            raw=raw,
        )

    def _value(self, parameter: Parameter, number: int | None) -> Value:
        if not number or self.sensor_disconnected:
            return missing_value(parameter, self.missing)
        return measured_value(parameter, number, *self.doubts)


def _measure(buffer: bytearray, at: int) -> int | None:
    frame = buffer[at : at + FRAME_LENGTH]
    if not frame[0] & 0x80 or any(byte & 0x80 for byte in frame[1:]):
        return 0
    return FRAME_LENGTH if len(frame) == FRAME_LENGTH else None


def frame_reader() -> FrameReader:
    """Finds four bytes in a row of which only the first has bit 7."""
    return FrameReader(_measure)


class Session:
    """Listens: the oximeter needs no words. Every frame is a reading; the format comes once a second."""

    def __init__(self, context: SessionContext) -> None:
        self._device = context.device
        self._frames = frame_reader()
        self._gate = NoiseGate(self._frames, frame_length=FRAME_LENGTH)
        self._low_battery: bool | None = None

    def handle(self, event: Event) -> list[Command]:
        if not isinstance(event, BytesReceived):
            return []
        self._frames.receive_data(event.data)
        return list(self._commands(event.at))

    def _commands(self, at: datetime) -> Iterator[Command]:
        events = list(self._frames.events())
        if not self._gate.is_open(at):
            if events:
                yield ReportRefused(at=at, reason="not_a_frame", discarded=refused_bytes(events))
            return
        for found in events:
            if isinstance(found, Discarded):
                yield ReportRefused(at=at, reason="not_a_frame", discarded=found.count)
                continue
            frame = DataFrame.from_bytes(found.data)
            if frame.low_battery != self._low_battery:
                self._low_battery = frame.low_battery
                yield ReportStatus(at=at, faults=("low_battery",) if frame.low_battery else ())
            yield Deliver(readings=(frame.reading(self._device, raw=found.data, at=at),))
