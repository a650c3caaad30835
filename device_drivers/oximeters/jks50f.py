"""JKS50F, a finger oximeter that is sold under many names and calls itself OXIMETER: frames of 69 bytes as notifications of FFE1.

Source: Boerni89/ha_bt_oximeter, devices/jks50f.py and manifest.json; nothing else describes it. `FF 44 01`, no finger, SpO2, pulse, perfusion (13 bits in two
bytes), 60 bytes that nobody explains, and the sum of all bytes before, plus 1. 127 means no number: a true pulse of 127 can't be told from it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, Self

from device_drivers import uuids
from device_drivers.advertisement import Marks
from device_drivers.cadence import Cadence
from device_drivers.checksums import sum8
from device_drivers.driver import Driver, Transport, Verified
from device_drivers.errors import Malformed, Truncated
from device_drivers.format import AnyFormat, Format, Parts
from device_drivers.oximeters.viatom_frames import little
from device_drivers.sessions import Command, Deliver, SessionContext
from device_drivers.stream_session import StreamSession
from vitals.identifiers import DeviceKey, DeviceType
from vitals.parameters import Parameter, Vital
from vitals.readings import RAW_LIMIT, Reading, Reason, Value, measured_value, missing_value

SERVICE: Final = uuids.sig(0xFFE0)
NOTIFY: Final = uuids.sig(0xFFE1)
FRAME_LENGTH: Final = 69
_START: Final = b"\xff\x44\x01"
_NONE: Final = 127
_NO_PERFUSION: Final = 8191
_REST: Final = slice(8, 68)
_REST_LENGTH: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame; `perfusion_index` in %, `unknown` are the 60 bytes that nobody explains."""

    finger: bool
    spo2: int | None
    pulse_rate: int | None
    perfusion_index: Decimal | None
    unknown: bytes = bytes(_REST_LENGTH)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode 69 bytes. Raises Truncated, Malformed."""
        if data[:3] != _START[: len(data)]:
            raise Malformed("not_a_frame")
        if len(data) < FRAME_LENGTH:
            raise Truncated(FRAME_LENGTH, len(data))
        if _checksum(data) != data[FRAME_LENGTH - 1]:
            raise Malformed("wrong_checksum")
        perfusion = data[6] & 0x7F | (data[7] & 0x3F) << 7
        return cls(
            finger=data[3] == 0,
            spo2=None if data[4] == _NONE else data[4],
            pulse_rate=None if data[5] == _NONE else data[5],
            perfusion_index=None if perfusion == _NO_PERFUSION else Decimal(perfusion) / 100,
            unknown=data[_REST],
        )

    def __bytes__(self) -> bytes:
        perfusion = _NO_PERFUSION if self.perfusion_index is None else int(self.perfusion_index * 100)
        if perfusion > _NO_PERFUSION or len(self.unknown) != _REST_LENGTH:
            raise ValueError("a perfusion index is below 81.91 %, and 60 bytes follow it")
        numbers = (_NONE if number is None else number for number in (self.spo2, self.pulse_rate))
        low, high = little(perfusion, 2)
        split = bytes((low & 0x7F, high << 1 | low >> 7))
        frame = _START + bytes((not self.finger, *numbers)) + split + self.unknown
        return frame + bytes((sum8(frame) + 1 & 0xFF,))

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
            raw=raw[:RAW_LIMIT],
        )

    def _value(self, parameter: Parameter, number: int | Decimal | None) -> Value:
        if not self.finger:
            return missing_value(parameter, Reason.NO_FINGER)
        if number:
            return measured_value(parameter, number)
        # A pulse without a number beside a saturation with one may be 127, the one that this device can't show.
        found = self.spo2 and parameter is Parameter.OXIMETER_PULSE_RATE and number is None
        return missing_value(parameter, Reason.OUT_OF_RANGE if found else Reason.SEARCHING)


def _checksum(data: bytes) -> int:
    return sum8(data[: FRAME_LENGTH - 1]) + 1 & 0xFF


def _measure(buffer: bytearray, at: int) -> int | None:
    frame = bytes(buffer[at : at + FRAME_LENGTH])
    if frame[:3] != _START[: len(frame)]:
        return 0
    if len(frame) < FRAME_LENGTH:
        return None
    return FRAME_LENGTH if _checksum(frame) == frame[-1] else 0


class Session(StreamSession):
    """Listens. How often frames come nobody says: one reading a second at most, and at once when a finger comes or goes."""

    def __init__(self, context: SessionContext) -> None:
        super().__init__(context, _measure, notify=NOTIFY)
        self._cadence = Cadence()

    def frame(self, at: datetime, data: bytes) -> Iterator[Command]:
        frame = Frame.from_bytes(data)
        if self._cadence.decides(at, (frame.finger, frame.spo2 is None)):
            yield Deliver(readings=(frame.reading(self.context.device, raw=data, at=at),))


def _describe(data: bytes) -> Parts:
    frame, parts = Frame.from_bytes(data), Parts(data)
    parts.add(3, "start", "start of a frame")
    parts.add(1, "finger", "there" if frame.finger else "none")
    parts.add(1, "spo2", "none (127)" if frame.spo2 is None else f"{frame.spo2} %")
    parts.add(1, "pulse_rate", "none (127), or 127 /min" if frame.pulse_rate is None else f"{frame.pulse_rate} /min")
    parts.add(2, "perfusion_index", "none (8191)" if frame.perfusion_index is None else f"{frame.perfusion_index} %")
    parts.add(_REST_LENGTH, "unknown", "not known")
    parts.add(1, "checksum", "sum of all before it, plus 1")
    parts.rest()
    return parts


FORMATS: Final[tuple[AnyFormat, ...]] = (
    Format(
        key="jks50f",
        title="JKS50F (OXIMETER)",
        source="Boerni89/ha_bt_oximeter, devices/jks50f.py",
        message=Frame,
        decode=Frame.from_bytes,
        encode=bytes,
        describe=_describe,
        measure=_measure,
    ),
)
DRIVERS: Final[tuple[Driver, ...]] = (
    Driver(
        key="jks50f",
        title="JKS50F finger oximeter (OXIMETER)",
        device_type=DeviceType.PULSE_OXIMETER,
        transport=Transport.BLE,
        formats=("jks50f",),
        measures=(Parameter.SPO2, Parameter.OXIMETER_PULSE_RATE, Parameter.PERFUSION_INDEX),
        marks=(Marks(names=("OXIMETER",), services=frozenset({SERVICE})),),
        session=Session,
        verified=(Verified.ONE_SOURCE,),
        stale_after_seconds=10,
        missing="a pulse of 127, which it sends for none as well; the battery and the plethysmogram",
    ),
)
