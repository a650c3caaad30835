"""A cuff of the Bluetooth SIG's profile and what is said to it."""

from datetime import datetime, timedelta
from decimal import Decimal

from device_drivers import uuids
from device_drivers.date_time import DateTime
from device_drivers.registry import DRIVERS
from device_drivers.sessions import Command, CommandRefused, LinkEstablished, Session, ValueReceived
from device_drivers.sig.blood_pressure import BloodPressureMeasurement
from tests.device_drivers.samples import BERLIN, CUFF, NOON, context, readings
from vitals.readings import Reading

LOCAL_NOON = NOON.astimezone(BERLIN).replace(tzinfo=None)
CLOCK = frozenset({uuids.BLOOD_PRESSURE_MEASUREMENT, uuids.DATE_TIME, uuids.BATTERY_LEVEL})
PRESSURES = {"systolic": Decimal(120), "diastolic": Decimal(80), "mean": Decimal(93)}


def cuff(**options: bool) -> Session:
    return DRIVERS["sig-blood-pressure"].session(context(CUFF, **options))


def tell(session: Session, characteristic: str, data: bytes, at: datetime = NOON) -> list[Command]:
    return list(session.handle(ValueReceived(at=at, characteristic=characteristic, data=data)))


def pressures(**fields: object) -> bytes:
    return bytes(BloodPressureMeasurement(**{**PRESSURES, **fields}))


def measure(session: Session, at: datetime = NOON, **fields: object) -> Reading:
    (reading,) = readings(tell(session, uuids.BLOOD_PRESSURE_MEASUREMENT, pressures(**fields), at))
    return reading


def begun(**options: bool) -> Session:
    """A cuff whose clock has been asked for."""
    session = cuff(**options)
    session.handle(LinkEstablished(at=NOON, characteristics=CLOCK))
    return session


def refuse(session: Session, command: Command, at: datetime = NOON) -> list[Command]:
    return list(session.handle(CommandRefused(at=at, command=command, reason="the device refused")))


def with_clock(off_by: timedelta) -> Session:
    """A cuff whose clock runs `off_by` ahead of ours, and has been read."""
    session = begun()
    tell(session, uuids.DATE_TIME, bytes(DateTime.of(LOCAL_NOON + off_by)))
    return session
