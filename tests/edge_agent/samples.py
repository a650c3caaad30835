"""Readings, events and clocks for the agent's tests."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from vitals.envelope import DeviceEvent, DeviceEventKind
from vitals.identifiers import DeviceKey, DeviceType
from vitals.parameters import Parameter, Vital
from vitals.readings import Reading, measured_value

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
OXIMETER = DeviceKey(device_type=DeviceType.PULSE_OXIMETER, device_id="ox-1")


def reading(spo2: int = 97, *, at: datetime = NOON) -> Reading:
    return Reading(
        data_type=Vital.SPO2,
        device=OXIMETER,
        values=(measured_value(Parameter.SPO2, spo2), measured_value(Parameter.OXIMETER_PULSE_RATE, 71)),
        measured=at,
        received=at,
        raw=bytes(range(9)),
    )


def event(*, at: datetime = NOON) -> DeviceEvent:
    return DeviceEvent(kind=DeviceEventKind.CONNECTED, device=OXIMETER, at=at, status="online")


@dataclass
class Clock:
    """A clock that stands until it is moved."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
