"""A&D's cuff UA-651BLE and thermometer UT-201BLE: the Bluetooth SIG's profiles, their clock (0x2A08) inside the profile's service, and a
characteristic of A&D's own that takes commands.

They send to a bonded host alone, and to one that has set their clock. A command is its length, 0 to ask or 1 to tell, and a code
(obniz/obniz, src/parts/Ble/UA651BLE and UT201BLE; the two commands that are used are from there). They leave by themselves when they have sent all.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from device_drivers.advertisement import Marks
from device_drivers.driver import Driver, Transport, Verified
from device_drivers.format import AnyFormat
from device_drivers.sessions import Command, SessionContext, ValueReceived, WriteValue
from device_drivers.sig import blood_pressure, health_thermometer, session
from vitals.identifiers import DeviceType
from vitals.parameters import Parameter

SERVICE: Final = "233bf000-5a34-1b6d-975c-000d5690abe4"
COMMANDS: Final = "233bf001-5a34-1b6d-975c-000d5690abe4"
SEND_ALL: Final = bytes.fromhex("02 00 e1")
"""Send every measurement that is stored."""
DISCONNECT: Final = bytes.fromhex("02 01 03")
"""Leave; it is then ready for the next measurement, as after any other."""
QUIET: Final = timedelta(seconds=10)
"""After so long without a measurement it has sent all. One that was only paired with has nothing to send, and waits."""


class Session(session.Session):
    """Bonds, reads the clock and sets it, takes what is stored, and asks a device that stays to leave."""

    def __init__(self, context: SessionContext, profile: session.Profile) -> None:
        super().__init__(context, profile)
        self._heard: datetime | None = None

    def clock_settled(self, at: datetime) -> Iterable[Command]:
        self._heard = at
        return ()

    def measured(self, event: ValueReceived, measurement: Any) -> Iterable[Command]:  # noqa: ANN401 - as the base
        self._heard = event.at
        return super().measured(event, measurement)

    def tick(self, at: datetime) -> Iterable[Command]:
        if self._heard is None or at - self._heard < QUIET or COMMANDS not in self.characteristics:
            return ()
        self._heard = None
        return (WriteValue(characteristic=COMMANDS, data=DISCONNECT),)


def _of(profile: session.Profile) -> session.Profile:
    return replace(profile, after_clock=(WriteValue(characteristic=COMMANDS, data=SEND_ALL),), bond=True)


FORMATS: Final[tuple[AnyFormat, ...]] = ()
DRIVERS: Final[tuple[Driver, ...]] = (
    Driver(
        key="and-ua651ble",
        title="A&D UA-651BLE blood pressure cuff",
        device_type=DeviceType.BLOOD_PRESSURE_MONITOR,
        transport=Transport.BLE,
        formats=("2A35",),
        measures=(Parameter.SYSTOLIC, Parameter.DIASTOLIC, Parameter.MEAN, Parameter.CUFF_PULSE_RATE),
        marks=(Marks(names=("A&D_UA-651BLE_",)),),
        session=partial(Session, profile=_of(blood_pressure.PROFILE)),
        verified=(Verified.STANDARD, Verified.ONE_SOURCE),
        sleeps=True,
        stale_after_seconds=300,
        options=session.BONDED_OPTIONS,
        missing="the first pairing needs the cuff in its pairing mode; the size of its memory is left as it is",
    ),
    Driver(
        key="and-ut201ble",
        title="A&D UT-201BLE thermometer",
        device_type=DeviceType.THERMOMETER,
        transport=Transport.BLE,
        formats=("2A1C",),
        measures=(Parameter.TEMPERATURE,),
        marks=(Marks(names=("A&D_UT201BLE_",)),),
        session=partial(Session, profile=_of(health_thermometer.PROFILE)),
        verified=(Verified.STANDARD, Verified.ONE_SOURCE),
        sleeps=True,
        stale_after_seconds=300,
        options=session.BONDED_OPTIONS,
        missing="the first pairing needs the thermometer in its pairing mode",
    ),
)
