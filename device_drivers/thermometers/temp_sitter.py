"""iRULU / Guangdong Biolight "Temp Sitter", a thermometer that is worn.

Sources: exchangetuts.com, "How to get the correct temperature value from byte array" (three captured frames and the format); the apps in GitHub that know a BLT_MODT (one more
frame). Frames come as notifications of 0xFFE1: AA, how many bytes follow before the check byte and the marker (6), type 11, subtype 00, the temperature in hundredths of
a degree Celsius, low byte first, an unused byte, and the sum of all bytes between marker and check. The service 0xFFE0 is everybody's: the device is known
by its name alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, Self

from device_drivers import uuids
from device_drivers.advertisement import Marks
from device_drivers.bounds import within
from device_drivers.cadence import Cadence
from device_drivers.checksums import sum8
from device_drivers.driver import Driver, Transport, Verified
from device_drivers.errors import Malformed, Truncated
from device_drivers.format import AnyFormat, Format, Parts
from device_drivers.packing import steps
from device_drivers.sessions import Command, Deliver, SessionContext
from device_drivers.stream_session import StreamSession
from vitals.identifiers import DeviceKey, DeviceType
from vitals.parameters import Parameter, Vital
from vitals.readings import Reading, measured_value

SERVICE: Final = uuids.sig(0xFFE0)
NOTIFY: Final = uuids.sig(0xFFE1)
NAME: Final = "BLT_MODT"
FRAME_LENGTH: Final = 8
_START: Final = b"\xaa\x06"
_TEMPERATURE: Final = b"\x11\x00"
_STEP: Final = Decimal("0.01")
_HIGHEST: Final = 0xFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class TemperatureFrame:
    """One frame: degrees Celsius."""

    temperature: Decimal

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode eight bytes; what follows is ignored. Raises Truncated, Malformed."""
        if not _START.startswith(data[:2]):
            raise Malformed("not_a_frame")
        if len(data) < FRAME_LENGTH:
            raise Truncated(FRAME_LENGTH, len(data))
        if sum8(data[1:7]) != data[7]:
            raise Malformed("checksum")
        if data[2:4] != _TEMPERATURE:
            raise Malformed("another_message")
        return cls(temperature=int.from_bytes(data[4:6], "little") * _STEP)

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for what is not from 0 to 655.35 in hundredths."""
        hundredths = within("hundredths", steps("temperature", self.temperature, _STEP), _HIGHEST)
        body = _START + _TEMPERATURE + hundredths.to_bytes(2, "little") + b"\0"
        return body + bytes((sum8(body[1:]),))

    def reading(self, device: DeviceKey, *, raw: bytes, at: datetime) -> Reading:
        """The reading that is measured at `at`."""
        value = measured_value(Parameter.TEMPERATURE, self.temperature)
        return Reading(data_type=Vital.TEMPERATURE, device=device, values=(value,), measured=at, received=at, raw=raw)


def _measure(buffer: bytearray, at: int) -> int | None:
    frame = bytes(buffer[at : at + FRAME_LENGTH])
    if not _START.startswith(frame[:2]):
        return 0
    if len(frame) < FRAME_LENGTH:
        return None
    return FRAME_LENGTH if sum8(frame[1:7]) == frame[7] else 0


class Session(StreamSession):
    """Subscribes and listens; one reading a second at most."""

    def __init__(self, context: SessionContext) -> None:
        super().__init__(context, _measure, notify=NOTIFY)
        self._cadence = Cadence()

    def frame(self, at: datetime, data: bytes) -> Iterator[Command]:
        frame = TemperatureFrame.from_bytes(data)
        if self._cadence.decides(at, None):
            yield Deliver(readings=(frame.reading(self.context.device, raw=data, at=at),))


def _describe(data: bytes) -> Parts:
    frame, parts = TemperatureFrame.from_bytes(data), Parts(data)
    parts.add(1, "marker", "a frame follows")
    parts.add(1, "length", "6 bytes, and a check byte")
    parts.add(2, "type", "a temperature")
    parts.add(2, "temperature", f"{frame.temperature} °C")
    parts.add(1, "unused", "not known")
    parts.add(1, "checksum", "right: the sum of the six bytes before")
    parts.rest()
    return parts


FORMATS: Final[tuple[AnyFormat, ...]] = (
    Format(
        key="temp-sitter",
        title="iRULU / Biolight Temp Sitter, notification of 0xFFE1",
        source='exchangetuts.com, "How to get the correct temperature value from byte array"',
        message=TemperatureFrame,
        decode=TemperatureFrame.from_bytes,
        encode=bytes,
        describe=_describe,
        measure=_measure,
    ),
)
DRIVERS: Final[tuple[Driver, ...]] = (
    Driver(
        key="temp-sitter",
        title="iRULU / Biolight Temp Sitter",
        device_type=DeviceType.THERMOMETER,
        transport=Transport.BLE,
        formats=("temp-sitter",),
        measures=(Parameter.TEMPERATURE,),
        marks=(Marks(names=(NAME,)),),
        session=Session,
        verified=(Verified.CAPTURE,),
        stale_after_seconds=120,
        missing="what it sends while it is not worn; its battery",
    ),
)
