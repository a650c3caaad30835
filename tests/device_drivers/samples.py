"""A device of each kind, and a noon, for sessions that need some."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from device_drivers.sessions import BytesReceived, Command, Deliver, ReportRefused, Session, SessionContext
from vitals.identifiers import DeviceKey, DeviceType
from vitals.readings import Reading

NOON = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
CUFF = DeviceKey(device_type=DeviceType.BLOOD_PRESSURE_MONITOR, device_id="cuff-1")
OXIMETER = DeviceKey(device_type=DeviceType.PULSE_OXIMETER, device_id="oximeter-1")


def context(device: DeviceKey = OXIMETER, **options: str | int | bool) -> SessionContext:
    return SessionContext(device=device, zone=BERLIN, options=options)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def feed(session: Session, *chunks: bytes, at: datetime = NOON) -> list[Command]:
    return [command for chunk in chunks for command in session.handle(BytesReceived(at=at, data=chunk))]


def readings(commands: list[Command]) -> list[Reading]:
    return [reading for command in commands if isinstance(command, Deliver) for reading in command.readings]


def discarded(commands: list[Command]) -> int:
    return sum(command.discarded for command in commands if isinstance(command, ReportRefused))
