"""The conversation with cuffs and thermometers that follow the Bluetooth SIG's profiles.

They wake, connect, send and drop within seconds: subscribe first, so that nothing is missed; then read the device's clock and only
then set it; then listen until the device leaves. Options of the configuration: `bond` (true: pair before anything else),
`set_time` (false: leave the device's clock alone).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from device_drivers import uuids
from device_drivers.binary import ByteReader
from device_drivers.blood_pressure import BloodPressureMeasurement
from device_drivers.clocks import offset_of, place
from device_drivers.date_time import CurrentTime, DateTime
from device_drivers.errors import Undecodable
from device_drivers.health_thermometer import TemperatureMeasurement
from device_drivers.sessions import (
    Bond,
    Command,
    Deliver,
    Event,
    LinkEstablished,
    ReadValue,
    ReportRefused,
    ReportStatus,
    SessionContext,
    SubscribeTo,
    ValueReceived,
    WriteValue,
)
from vitals.identifiers import DeviceKey
from vitals.readings import Reading

MAX_VALUE_BYTES: Final = 64
"""Longer values are no measurement of these profiles (their longest is 19 bytes)."""


class Measurement(Protocol):
    """What a characteristic's value decodes to."""

    @property
    def timestamp(self) -> DateTime | None: ...

    def reading(
        self,
        device: DeviceKey,
        *,
        raw: bytes,
        measured: datetime,
        received: datetime,
        stored: bool,
        time_uncertain: bool,
    ) -> Reading: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Which characteristic carries measurements, and what decodes it."""

    measurement: str
    decode: Callable[[bytes], Measurement]


BLOOD_PRESSURE: Final = Profile(
    measurement=uuids.BLOOD_PRESSURE_MEASUREMENT, decode=BloodPressureMeasurement.from_bytes
)
THERMOMETER: Final = Profile(measurement=uuids.TEMPERATURE_MEASUREMENT, decode=TemperatureMeasurement.from_bytes)


class Session:
    """One connection with a device of a `Profile`."""

    def __init__(self, context: SessionContext, profile: Profile) -> None:
        self._context = context
        self._profile = profile
        self._offset: timedelta | None = None
        self._characteristics: frozenset[str] = frozenset()

    def handle(self, event: Event) -> list[Command]:
        match event:
            case LinkEstablished():
                self._characteristics = event.characteristics
                return self._begin(event)
            case ValueReceived(characteristic=self._profile.measurement):
                return self._measured(event)
            case ValueReceived(characteristic=uuids.BATTERY_LEVEL):
                return self._battery(event)
            case ValueReceived(characteristic=uuids.DATE_TIME | uuids.CURRENT_TIME):
                return self._clock_read(event)
            case _:
                return []

    def _begin(self, event: LinkEstablished) -> list[Command]:
        commands: list[Command] = [Bond()] if self._context.options.get("bond", False) else []
        commands.append(SubscribeTo(characteristic=self._profile.measurement))
        if clock := self._clock():
            commands.append(ReadValue(characteristic=clock))
        if uuids.BATTERY_LEVEL in event.characteristics:
            commands.append(ReadValue(characteristic=uuids.BATTERY_LEVEL))
        return commands

    def _clock(self) -> str | None:
        known = (uuids.DATE_TIME, uuids.CURRENT_TIME)
        return next((clock for clock in known if clock in self._characteristics), None)

    def _clock_read(self, event: ValueReceived) -> list[Command]:
        """The device's clock has been read: keep its offset, and set it."""
        fields = ByteReader(event.data)
        whole = event.characteristic == uuids.CURRENT_TIME
        zone = self._context.zone
        try:
            device_clock = fields.current_time().date_time if whole else fields.date_time()
        except Undecodable as refusal:
            return [ReportRefused(at=event.at, reason=refusal.reason, discarded=len(event.data))]
        self._offset = offset_of(device_clock, event.at)
        if not self._context.options.get("set_time", True):
            return []
        ours = event.at.astimezone(zone)
        data = bytes(CurrentTime.of(ours) if whole else DateTime.of(ours))
        return [WriteValue(characteristic=event.characteristic, data=data)]

    def _measured(self, event: ValueReceived) -> list[Command]:
        try:
            reading = self._reading(event)
        except Undecodable as refusal:
            return [ReportRefused(at=event.at, reason=refusal.reason, discarded=len(event.data))]
        return [Deliver(readings=(reading,))]

    def _reading(self, event: ValueReceived) -> Reading:
        if len(event.data) > MAX_VALUE_BYTES:
            raise Undecodable("oversized")
        measurement = self._profile.decode(event.data)
        placed = place(measurement.timestamp, at=event.at, zone=self._context.zone, offset=self._offset)
        return measurement.reading(
            self._context.device,
            raw=event.data,
            measured=placed.measured,
            received=event.at,
            stored=placed.stored,
            time_uncertain=placed.uncertain,
        )

    def _battery(self, event: ValueReceived) -> list[Command]:
        if not event.data or event.data[0] > 100:
            return [ReportRefused(at=event.at, reason="battery_out_of_range", discarded=len(event.data))]
        return [ReportStatus(at=event.at, battery_percent=event.data[0])]
