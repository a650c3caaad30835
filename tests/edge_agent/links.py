"""A link, a connector and an outbox in memory, and a driver session that a test can predict."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from device_drivers.errors import CommandFailed, LinkLost, TransportError
from device_drivers.sessions import (
    BytesReceived,
    CloseLink,
    Command,
    CommandRefused,
    Deliver,
    DeliverSamples,
    Event,
    Inflate,
    LinkCommand,
    LinkEstablished,
    ReportRefused,
    ReportStatus,
    SendBytes,
    TimePassed,
)
from tests.edge_agent.samples import NOON, OXIMETER, reading
from vitals.envelope import DeviceEvent
from vitals.readings import Reading
from vitals.waveforms import SampleChunk, Signal

WAIT_SECONDS = 5.0
SAMPLES = SampleChunk(
    device=OXIMETER, signal=Signal.PLETHYSMOGRAM, started=NOON, rate_hz=60, low=0, high=127, samples=(1, 2, None)
)


class TestLink:
    """Gives what the test puts in; remembers what it was told to perform."""

    __test__ = False

    def __init__(self, refuses: Callable[[LinkCommand], bool] = lambda _: False) -> None:
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        self._refuses = refuses
        self.performed: list[LinkCommand] = []
        self.closed = False
        self.lost = False
        self._events.put_nowait(LinkEstablished(at=NOON))

    def gives(self, data: bytes) -> None:
        self._events.put_nowait(BytesReceived(at=NOON, data=data))

    def loses(self) -> None:
        self.lost = True
        self._events.put_nowait(None)

    async def events(self) -> AsyncIterator[Event]:
        while (event := await self._events.get()) is not None:
            yield event

    async def perform(self, command: LinkCommand) -> None:
        if self.lost:
            raise LinkLost("the link is gone")
        if self._refuses(command):
            raise CommandFailed("not permitted")
        self.performed.append(command)

    async def close(self) -> None:
        self.closed = True
        self._events.put_nowait(None)


@dataclass
class TestConnector:
    """Connects to the links that the test provides, in order; an error in their place is raised."""

    __test__ = False
    links: asyncio.Queue[TestLink | TransportError] = field(default_factory=asyncio.Queue)
    in_sight: asyncio.Event = field(default_factory=asyncio.Event)
    attempts: int = 0

    def offers(self, *links: TestLink | TransportError) -> None:
        for link in links:
            self.links.put_nowait(link)
        self.in_sight.set()

    async def sighted(self) -> None:
        await self.in_sight.wait()

    async def connect(self) -> TestLink:
        self.attempts += 1
        link = await self.links.get()
        if isinstance(link, TransportError):
            raise link
        return link


@dataclass
class MemoryOutbox:
    """Keeps what was committed, in order."""

    items: list[Reading | DeviceEvent] = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def commit(self, *items: Reading | DeviceEvent) -> None:
        async with self.changed:
            self.items += items
            self.changed.notify_all()

    async def until(self, holds: Callable[[], object]) -> None:
        async with self.changed, asyncio.timeout(WAIT_SECONDS):
            await self.changed.wait_for(holds)

    @property
    def readings(self) -> list[Reading]:
        return [item for item in self.items if isinstance(item, Reading)]

    @property
    def told(self) -> list[tuple[str, str | None, str | None]]:
        """Kind, status and reason of each event."""
        return [(item.kind, item.status, item.reason) for item in self.items if isinstance(item, DeviceEvent)]


class ByteSession:
    """Sends `?` on connecting. A byte up to 100 is a reading with that saturation; 0xB0 reports a battery, 0xC0 closes the link,
    0xD0 is a driver's bug, 0xE0 inflates a cuff with `!`, 0xF0 gives three samples of a waveform, anything else is refused."""

    def __init__(self) -> None:
        self.seen: list[Event] = []

    def handle(self, event: Event) -> Sequence[Command]:
        self.seen.append(event)
        match event:
            case LinkEstablished():
                return [SendBytes(data=b"?")]
            case BytesReceived(data=data):
                return [self._command(byte) for byte in data]
            case CommandRefused(at=at):
                return [ReportStatus(at=at, faults=("command_refused",))]
            case TimePassed():
                return []
        return []

    def _command(self, byte: int) -> Command:
        if byte <= 100:
            return Deliver(readings=(reading(byte),))
        if byte == 0xB0:
            return ReportStatus(at=NOON, battery_percent=50)
        if byte == 0xC0:
            return CloseLink()
        if byte == 0xD0:
            raise ZeroDivisionError
        if byte == 0xE0:
            return Inflate(command=SendBytes(data=b"!"))
        if byte == 0xF0:
            return DeliverSamples(chunk=SAMPLES)
        return ReportRefused(at=NOON, reason="checksum", discarded=1)
