"""Sessions with Nonin's oximeters, and what they said."""

from device_drivers.oximeters import nonin_df2
from device_drivers.oximeters.nonin_packets import Packet
from device_drivers.registry import DRIVERS
from device_drivers.sessions import Command, DeliverSamples, LinkEstablished, ReportStatus, SendBytes, Session
from tests.device_drivers.samples import NOON, after, context, feed
from vitals.readings import Reading, Reason
from vitals.waveforms import SampleChunk

NO_REASON: tuple[Reason, ...] = ()


def started(key: str, **options: bool) -> Session:
    """A session whose link stands."""
    session = DRIVERS[key].session(context(**options))
    session.handle(LinkEstablished(at=NOON))
    return session


def session_of(kind: type[Packet]) -> Session:
    return started("nonin-df2" if kind is nonin_df2.Packet else "nonin-df7")


def stream(session: Session, *packets: Packet, since: float = 0) -> list[Command]:
    """Packets, a third of a second apart."""
    return [
        command
        for place, one in enumerate(packets)
        for command in feed(session, bytes(one), at=after(since + place / 3))
    ]


def chunks(commands: list[Command]) -> list[SampleChunk]:
    return [command.chunk for command in commands if isinstance(command, DeliverSamples)]


def statuses(commands: list[Command]) -> list[tuple[str, ...]]:
    return [command.faults for command in commands if isinstance(command, ReportStatus)]


def reasons(reading: Reading) -> tuple[Reason, ...]:
    """Of a reading whose values have the same ones."""
    (alike,) = {value.reasons for value in reading.values}
    return alike


def sent(commands: list[Command]) -> list[bytes]:
    return [command.data for command in commands if isinstance(command, SendBytes)]
