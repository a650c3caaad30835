"""DS18B20, a sensor on a 1-Wire bus (family 0x28): the nine bytes of its scratchpad.

Source: Maxim, "DS18B20 Programmable Resolution 1-Wire Digital Thermometer", 19-7487 Rev 6, memory map, configuration register, CRC. Sixteenths of a degree Celsius, low byte
first; at 9 to 11 bits of resolution the lowest 3 to 1 bits are undefined. +85 is what the register holds after power-up, until a first conversion is
done. The CRC of nine zeros, as a shorted bus gives them, is right; their configuration register is not.

It is no clinical sensor, and the agent has no 1-Wire bus: the conversation takes scratchpads from whoever reads one.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from struct import Struct
from typing import Final, Self

from device_drivers.checksums import crc8_maxim
from device_drivers.driver import Driver, Transport, Verified
from device_drivers.errors import Malformed, Truncated, Undecodable
from device_drivers.format import AnyFormat, Format, Parts
from device_drivers.packing import pack, steps
from device_drivers.sessions import BytesReceived, Command, Deliver, Event, ReportRefused, SessionContext
from vitals.identifiers import DeviceKey, DeviceType
from vitals.parameters import Parameter, Vital
from vitals.readings import Reading, Reason, Value, measured_value, missing_value

LENGTH: Final = 9
NOT_CONVERTED: Final = Decimal(85)
_LAYOUT: Final = Struct("<hbbB3s")
_STEP: Final = Decimal("0.0625")
_RESOLUTIONS: Final = range(9, 13)
_LONGEST: Final = 8 * LENGTH
"""Bytes at once; more are no scratchpads."""


def _undefined(resolution: int) -> int:
    """The bits of the temperature that mean nothing at this resolution."""
    return (1 << (_RESOLUTIONS[-1] - resolution)) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Scratchpad:
    """Nine bytes in the sensor's own words: degrees Celsius, `resolution` in bits. `temperature` is 85 where nothing has been converted yet."""

    temperature: Decimal
    alarm_high: int
    alarm_low: int
    resolution: int = 12
    reserved: bytes = b"\xff\x0c\x10"

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode nine bytes; what follows is ignored. Raises Truncated, Malformed."""
        if len(data) < LENGTH:
            raise Truncated(LENGTH, len(data))
        if crc8_maxim(data[:LENGTH]):
            raise Malformed("checksum")
        sixteenths, high, low, configuration, reserved = _LAYOUT.unpack_from(data)
        if configuration & 0x9F != 0x1F:
            raise Malformed("not_a_scratchpad")
        resolution = _RESOLUTIONS[configuration >> 5]
        return cls(
            temperature=(sixteenths & ~_undefined(resolution)) * _STEP,
            alarm_high=high,
            alarm_low=low,
            resolution=resolution,
            reserved=reserved,
        )

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for what has no room, and for a temperature between two steps of the resolution."""
        if self.resolution not in _RESOLUTIONS or len(self.reserved) != 3:
            raise ValueError("a resolution is from 9 to 12 bits, and three bytes are reserved")
        sixteenths = steps("temperature", self.temperature, _STEP)
        if sixteenths & _undefined(self.resolution):
            raise ValueError(f"temperature: {self.temperature} is no step at {self.resolution} bits")
        configuration = _RESOLUTIONS.index(self.resolution) << 5 | 0x1F
        body = pack(_LAYOUT, sixteenths, self.alarm_high, self.alarm_low, configuration, self.reserved)
        return body + bytes((crc8_maxim(body),))

    def reading(self, device: DeviceKey, *, raw: bytes, at: datetime) -> Reading:
        """The reading that is measured at `at`; without a number where nothing has been converted yet."""
        return Reading(
            data_type=Vital.TEMPERATURE, device=device, values=(self._value(),), measured=at, received=at, raw=raw
        )

    def _value(self) -> Value:
        if self.temperature == NOT_CONVERTED:
            return missing_value(Parameter.TEMPERATURE, Reason.NOT_MEASURED)
        return measured_value(Parameter.TEMPERATURE, self.temperature)


class Session:
    """Takes scratchpads, one or several at once, as they were read."""

    def __init__(self, context: SessionContext) -> None:
        self._device = context.device

    def handle(self, event: Event) -> list[Command]:
        if not isinstance(event, BytesReceived):
            return []
        if len(event.data) > _LONGEST:
            return [ReportRefused(at=event.at, reason="oversized", discarded=len(event.data))]
        pads = (event.data[place : place + LENGTH] for place in range(0, len(event.data), LENGTH))
        return [self._measured(event.at, pad) for pad in pads]

    def _measured(self, at: datetime, data: bytes) -> Command:
        try:
            pad = Scratchpad.from_bytes(data)
        except Undecodable as refusal:
            return ReportRefused(at=at, reason=refusal.reason, discarded=len(data))
        return Deliver(readings=(pad.reading(self._device, raw=data, at=at),))


def _describe(data: bytes) -> Parts:
    pad, parts = Scratchpad.from_bytes(data), Parts(data)
    converted = "" if pad.temperature != NOT_CONVERTED else "; after power-up: not converted yet"
    parts.add(2, "temperature", f"{pad.temperature} °C{converted}")
    parts.add(1, "alarm_high", f"{pad.alarm_high} °C")
    parts.add(1, "alarm_low", f"{pad.alarm_low} °C")
    parts.add(1, "configuration", f"{pad.resolution} bits", "resolution")
    parts.add(3, "reserved", pad.reserved.hex(" "))
    parts.add(1, "crc", "right: CRC-8 (Maxim) of the eight bytes before")
    parts.rest()
    return parts


FORMATS: Final[tuple[AnyFormat, ...]] = (
    Format(
        key="ds18b20",
        title="DS18B20, scratchpad",
        source="Maxim DS18B20 data sheet 19-7487 Rev 6, memory",
        message=Scratchpad,
        decode=Scratchpad.from_bytes,
        encode=bytes,
        describe=_describe,
    ),
)
DRIVERS: Final[tuple[Driver, ...]] = (
    Driver(
        key="ds18b20",
        title="DS18B20 temperature sensor (no clinical sensor)",
        device_type=DeviceType.THERMOMETER,
        transport=Transport.ONE_WIRE,
        formats=("ds18b20",),
        measures=(Parameter.TEMPERATURE,),
        session=Session,
        verified=(Verified.VENDOR_DOCUMENT,),
        stale_after_seconds=60,
        missing="reading a bus; a true temperature of 85 °C counts as none",
    ),
)
