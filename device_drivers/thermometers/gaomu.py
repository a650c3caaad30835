"""Gaomu thermometer: notifications of 0x2AF0 in the service 0x18F0, the temperature in tenths of a degree Celsius, high byte first, at bytes 1 and 2.

One source says so, without a capture, and no other could be found; what byte 0 means is not known. Service and characteristic are those of a
chip's serial bridge, which car adapters, printers, solar chargers and door locks have, too: they mark nothing, and the driver is only taken where the configuration names it.
What is far from any thermometer's range is refused, as words of such another device would be.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, Self

from device_drivers import uuids
from device_drivers.bounds import within
from device_drivers.driver import Driver, Transport, Verified
from device_drivers.errors import Malformed, Truncated, Undecodable
from device_drivers.format import AnyFormat, Format, Parts
from device_drivers.packing import steps
from device_drivers.sessions import (
    Command,
    Deliver,
    Event,
    LinkEstablished,
    ReportRefused,
    SessionContext,
    SubscribeTo,
    ValueReceived,
)
from vitals.identifiers import DeviceKey, DeviceType
from vitals.parameters import Parameter, Vital
from vitals.readings import RAW_LIMIT, Reading, measured_value

SERVICE: Final = uuids.sig(0x18F0)
NOTIFY: Final = uuids.sig(0x2AF0)
LENGTH: Final = 3
_STEP: Final = Decimal("0.1")
_ABSURD: Final = 1000
"""Tenths: from 100 degrees on it is no thermometer that speaks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TemperatureValue:
    """One notification: degrees Celsius. `kind` is byte 0, of unknown meaning."""

    temperature: Decimal
    kind: int = 0

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode three bytes; what follows is ignored. Raises Truncated, and Malformed from 100 degrees on."""
        if len(data) < LENGTH:
            raise Truncated(LENGTH, len(data))
        tenths = int.from_bytes(data[1:3], "big")
        if tenths >= _ABSURD:
            raise Malformed("absurd_temperature")
        return cls(temperature=tenths * _STEP, kind=data[0])

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for what is not from 0 to 99.9 in tenths."""
        tenths = within("tenths", steps("temperature", self.temperature, _STEP), _ABSURD - 1)
        return bytes((within("kind", self.kind, 0xFF),)) + tenths.to_bytes(2)

    def reading(self, device: DeviceKey, *, raw: bytes, at: datetime) -> Reading:
        """The reading that is measured at `at`."""
        value = measured_value(Parameter.TEMPERATURE, self.temperature)
        return Reading(
            data_type=Vital.TEMPERATURE, device=device, values=(value,), measured=at, received=at, raw=raw[:RAW_LIMIT]
        )


class Session:
    """Subscribes and listens; each notification is a measurement."""

    def __init__(self, context: SessionContext) -> None:
        self._device = context.device

    def handle(self, event: Event) -> list[Command]:
        match event:
            case LinkEstablished():
                return [SubscribeTo(characteristic=NOTIFY)]
            case ValueReceived() if event.characteristic == NOTIFY:
                return [self._measured(event)]
            case _:
                return []

    def _measured(self, event: ValueReceived) -> Command:
        try:
            value = TemperatureValue.from_bytes(event.data)
        except Undecodable as refusal:
            return ReportRefused(at=event.at, reason=refusal.reason, discarded=len(event.data))
        return Deliver(readings=(value.reading(self._device, raw=event.data, at=event.at),))


def _describe(data: bytes) -> Parts:
    value, parts = TemperatureValue.from_bytes(data), Parts(data)
    parts.add(1, "kind", f"{value.kind:02X}, not known")
    parts.add(2, "temperature", f"{value.temperature} °C")
    parts.rest()
    return parts


FORMATS: Final[tuple[AnyFormat, ...]] = (
    Format(
        key="gaomu",
        title="Gaomu thermometer, notification of 0x2AF0",
        source="one source, without a capture",
        message=TemperatureValue,
        decode=TemperatureValue.from_bytes,
        encode=bytes,
        describe=_describe,
    ),
)
DRIVERS: Final[tuple[Driver, ...]] = (
    Driver(
        key="gaomu-thermometer",
        title="Gaomu thermometer",
        device_type=DeviceType.THERMOMETER,
        transport=Transport.BLE,
        formats=("gaomu",),
        measures=(Parameter.TEMPERATURE,),
        session=Session,
        verified=(Verified.ONE_SOURCE,),
        sleeps=True,
        stale_after_seconds=300,
        missing="by what a device is known: its service is many others'; what byte 0 means; failed measurements",
    ),
)
