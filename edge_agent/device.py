"""One device, supervised: found, connected, listened to, and found again, for as long as the agent runs.

The device's driver holds the conversation (`device_drivers.sessions`); this shell gives it the link's events and the passing of
time, carries out what it asks in order, and commits its readings, and what happens to the device, to the outbox. It ends for
nothing that a device, a cable or a Bluetooth daemon can do.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

import msgspec

from device_drivers.errors import CommandFailed, LinkLost, TransportError
from device_drivers.sessions import (
    CloseLink,
    Command,
    CommandRefused,
    Deliver,
    DeliverSamples,
    Event,
    Inflate,
    LinkCommand,
    ReportRefused,
    ReportStatus,
    Session,
    TimePassed,
)
from device_drivers.transports.link import Link
from edge_agent.backoff import Backoff
from edge_agent.connection import Occurrence, State, transition
from edge_agent.settings import ReplaySettings
from vitals.envelope import DeviceEvent, DeviceEventKind
from vitals.identifiers import DeviceKey
from vitals.readings import Reading
from vitals.waveforms import SampleChunk

logger = logging.getLogger(__name__)

CONNECT_SECONDS: Final = 40.0
CLOSE_SECONDS: Final = 5.0
TICK_SECONDS: Final = 1.0
REST_SECONDS: Final = 1.0
"""After a conversation ended as expected, so that a device that goes on advertising isn't connected in a circle."""
INBOX: Final = 256
"""Events taken from the link and not handled yet; then the link itself is left to wait, which bounds its own."""
MID_STREAM_BYTES: Final = 256
"""A stream that is joined in the middle may begin with so much that is no frame: counted, and nobody's alarm."""
FAULT_EVENT_SECONDS: Final = 60.0
"""One fault event in so long for each reason; all are counted."""


class Connector(Protocol):
    """How to find and reach one device. Both raise TransportError."""

    async def sighted(self) -> None:
        """Back when the device can be connected to."""

    async def connect(self) -> Link: ...


class Outbox(Protocol):
    """Where readings and events are committed; `edge_agent.outbox.Outbox`."""

    async def commit(self, *items: Reading | DeviceEvent) -> object: ...


def _nowhere(_: SampleChunk) -> None:
    """For waveforms that nobody wants."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What the shell must know of the device and its driver. `sleeps` and `stale_after_seconds` as in the driver's registry;
    `allow_inflation` as in the gateway's configuration. `waveforms` takes chunks of samples, and neither waits nor raises."""

    device: DeviceKey
    session: Callable[[], Session]
    sleeps: bool
    stale_after_seconds: float | None
    replay: ReplaySettings | None = None
    allow_inflation: bool = False
    waveforms: Callable[[SampleChunk], None] = _nowhere


@dataclass(frozen=True, slots=True, kw_only=True)
class Time:
    """The clocks, chance and waiting of a shell. `clock` is aware UTC, `monotonic` in seconds, `random` from 0 up to 1."""

    clock: Callable[[], datetime]
    monotonic: Callable[[], float]
    random: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]


@dataclass(slots=True, kw_only=True)
class DeviceStatus:
    """What a person wants to know of it."""

    state: State = State.ABSENT
    since: datetime | None = None
    problem: str | None = None
    readings: int = 0
    samples: int = 0
    last_reading: datetime | None = None
    battery_percent: int | None = None
    faults: tuple[str, ...] = ()
    refused: Counter[str] = field(default_factory=Counter)
    discarded_bytes: int = 0


class _Over(Exception):
    """The conversation is over; `occurrence` says how, `reason` is for clients."""

    def __init__(self, occurrence: Occurrence, reason: str) -> None:
        super().__init__(reason)
        self.occurrence = occurrence
        self.reason = reason


class Device:
    """The shell of one device; `run` is its task."""

    def __init__(self, profile: Profile, connector: Connector, outbox: Outbox, *, time: Time) -> None:
        self._profile = profile
        self._connector = connector
        self._outbox = outbox
        self._time = time
        self._backoff = Backoff(random=time.random)
        self._heard = 0.0
        self._fault_told: dict[str, float] = {}
        self._failure_told = False
        self._unframed = 0
        self.status = DeviceStatus(since=time.clock())

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self._connector.sighted()
                self._move(Occurrence.SIGHTED)
                async with asyncio.timeout(CONNECT_SECONDS):
                    link = await self._connector.connect()
            except (TransportError, TimeoutError) as error:
                await self._failed(error)
            else:
                await self._connected(link)
            await self._rest()

    async def _connected(self, link: Link) -> None:
        self._move(Occurrence.CONNECTED)
        self._failure_told = False
        self._unframed = 0
        over = _Over(Occurrence.LOST, "agent_stopped")
        try:
            await self._tell(DeviceEventKind.CONNECTED, status="online")
            over = await self._converse(link)
        finally:
            await self._close(link)
            await self._disconnected(over)
        self._move(over.occurrence)

    async def _disconnected(self, over: _Over) -> None:
        idle = over.occurrence is Occurrence.ENDED
        self.status.problem = None if idle else over.reason
        await self._tell(DeviceEventKind.DISCONNECTED, status="idle" if idle else "offline", reason=over.reason)

    async def _converse(self, link: Link) -> _Over:
        inbox: asyncio.Queue[Event | None] = asyncio.Queue(INBOX)
        self._heard = self._time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            feeders = (
                tasks.create_task(_pump(link, inbox), name=f"{self._name}-events"),
                tasks.create_task(self._tick(inbox), name=f"{self._name}-tick"),
            )
            over = await self._talk(link, inbox)
            for feeder in feeders:
                feeder.cancel()
        return over

    async def _talk(self, link: Link, inbox: "asyncio.Queue[Event | None]") -> _Over:
        try:
            session = self._profile.session()
            while (event := await inbox.get()) is not None:
                self._check_silence(event)
                await self._perform_all(session, link, event)
        except _Over as over:
            return over
        except Exception:
            # A driver's bug must not take the other devices down with it; the trace has no values, only our code.
            logger.exception("%s: the driver failed; the link is closed and tried again", self._name)
            return _Over(Occurrence.LOST, "driver_error")
        return self._ended("link_lost")

    def _ended(self, reason: str) -> _Over:
        if self._profile.sleeps:
            return _Over(Occurrence.ENDED, "sleeping")
        logger.info("%s: link lost: %s", self._name, reason)
        return _Over(Occurrence.LOST, "link_lost")

    def _check_silence(self, event: Event) -> None:
        now = self._time.monotonic()
        if not isinstance(event, TimePassed):
            self._heard = now
            return
        limit = self._profile.stale_after_seconds
        if limit is not None and now - self._heard > limit:
            logger.warning("%s: silent for %.0f s on a standing link; connecting again", self._name, now - self._heard)
            raise _Over(Occurrence.ENDED if self._profile.sleeps else Occurrence.LOST, "silent")

    async def _perform_all(self, session: Session, link: Link, event: Event) -> None:
        """Carry out what the driver answers to `event`, and to what its commands bring about, in order."""
        pending: list[Event] = [event]
        while pending:
            commands = session.handle(pending.pop(0))
            pending.extend([refused for command in commands if (refused := await self._perform(link, command))])

    async def _perform(self, link: Link, command: Command) -> CommandRefused | None:
        match command:
            case Deliver(readings=readings):
                await self._deliver(readings)
            case ReportStatus():
                await self._report(command)
            case ReportRefused():
                await self._refused(command)
            case DeliverSamples(chunk=chunk):
                self.status.samples += len(chunk.samples)
                self._profile.waveforms(chunk)
            case Inflate():
                return await self._inflate(link, command)
            case CloseLink():
                raise _Over(Occurrence.ENDED, "idle")
            case _:
                return await self._perform_on_link(link, command)
        return None

    async def _inflate(self, link: Link, inflate: Inflate) -> CommandRefused | None:
        """A cuff squeezes an arm only where the gateway's configuration allows it, and never unsaid."""
        if not self._profile.allow_inflation:
            self.status.problem = "inflation is not allowed: set allow_inflation = true in the gateway's configuration"
            return CommandRefused(at=self._time.clock(), command=inflate, reason=self.status.problem)
        logger.warning("%s: starting a measurement: the cuff inflates", self._name)
        return await self._perform_on_link(link, inflate.command)

    async def _perform_on_link(self, link: Link, command: LinkCommand) -> CommandRefused | None:
        try:
            await link.perform(command)
        except CommandFailed as error:
            return CommandRefused(at=self._time.clock(), command=command, reason=str(error))
        except LinkLost as error:
            # Closing ends the link's events, and those that it gave before are handled first: a cuff that has had its measurement
            # confirmed, and has left, does not say it again.
            await self._close(link)
            return CommandRefused(at=self._time.clock(), command=command, reason=str(error))
        return None

    async def _deliver(self, readings: tuple[Reading, ...]) -> None:
        if not readings:
            return
        replay = self._profile.replay
        if replay is not None:
            readings = tuple(
                msgspec.structs.replace(reading, replayed=replay.at(reading.measured)) for reading in readings
            )
        await self._outbox.commit(*readings)
        self._move(Occurrence.READING)
        self._backoff.reset()
        self.status.problem = None
        self.status.readings += len(readings)
        self.status.last_reading = readings[-1].received

    async def _report(self, report: ReportStatus) -> None:
        battery = report.battery_percent if report.battery_percent is not None else self.status.battery_percent
        if (battery, report.faults) == (self.status.battery_percent, self.status.faults):
            return
        self.status.battery_percent, self.status.faults = battery, report.faults
        await self._outbox.commit(
            DeviceEvent(
                kind=DeviceEventKind.STATUS,
                device=self._profile.device,
                at=report.at,
                status="online",
                battery_percent=battery,
                faults=report.faults,
            )
        )

    async def _refused(self, report: ReportRefused) -> None:
        self.status.refused[report.reason] += 1
        self.status.discarded_bytes += report.discarded
        if self._joins_mid_stream(report):
            return
        now = self._time.monotonic()
        told = self._fault_told.get(report.reason)
        if told is not None and now - told < FAULT_EVENT_SECONDS:
            return
        self._fault_told[report.reason] = now
        logger.warning("%s: %d bytes refused: %s", self._name, report.discarded, report.reason)
        await self._tell(DeviceEventKind.FAULT, status="online", reason=report.reason)

    def _joins_mid_stream(self, report: ReportRefused) -> bool:
        """Whether this is the rest of a frame at the beginning of a stream, before its first reading."""
        self._unframed += report.discarded
        first = self.status.state is State.TALKING and not self._profile.sleeps
        return first and self._unframed <= MID_STREAM_BYTES

    async def _failed(self, error: TransportError | TimeoutError) -> None:
        """No link: said once, until there has been one."""
        self._move(Occurrence.FAILED)
        self.status.problem = str(error) or f"no connection within {CONNECT_SECONDS:.0f} s"
        if self._failure_told:
            return
        self._failure_told = True
        logger.warning("%s: %s; trying again", self._name, self.status.problem)
        await self._tell(DeviceEventKind.FAULT, status="offline", reason=_reason_of(error))

    async def _rest(self) -> None:
        if self.status.state is State.IDLE:
            await self._time.sleep(REST_SECONDS)
            return
        await self._time.sleep(self._backoff.next_seconds())
        self._move(Occurrence.RETRY)

    async def _tick(self, inbox: "asyncio.Queue[Event | None]") -> None:
        while True:
            await self._time.sleep(TICK_SECONDS)
            if not inbox.full():
                inbox.put_nowait(TimePassed(at=self._time.clock()))

    async def _close(self, link: Link) -> None:
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await link.close()
        except (TransportError, TimeoutError) as error:
            logger.debug("%s: closing: %s", self._name, error)

    async def _tell(self, kind: DeviceEventKind, *, status: str, reason: str | None = None) -> None:
        await self._outbox.commit(
            DeviceEvent(kind=kind, device=self._profile.device, at=self._time.clock(), status=status, reason=reason)
        )

    def _move(self, occurrence: Occurrence) -> None:
        state = transition(self.status.state, occurrence)
        if state is not self.status.state:
            self.status.state, self.status.since = state, self._time.clock()

    @property
    def _name(self) -> str:
        return str(self._profile.device)


async def _pump(link: Link, inbox: "asyncio.Queue[Event | None]") -> None:
    """Everything that the link gives, then None, however it ends."""
    try:
        async for event in link.events():
            await inbox.put(event)
    except TransportError as error:
        logger.debug("%s", error)
    except Exception:
        logger.exception("a link failed; it is closed and tried again")
    await inbox.put(None)


def _reason_of(error: Exception) -> str:
    """A stable word for clients: `PortUnavailable` is `port_unavailable`."""
    name = type(error).__name__
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
