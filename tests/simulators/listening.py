"""What the agent does with a link, in small: a driver's session over a real transport, whose commands are kept."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from device_drivers.registry import driver
from device_drivers.sessions import (
    BytesReceived,
    Command,
    Deliver,
    DeliverSamples,
    Event,
    ReportRefused,
    ReportStatus,
    SendBytes,
    SessionContext,
    TimePassed,
)
from device_drivers.transports.link import Link
from simulators.ending import end
from tests.support.waiting import eventually
from vitals.identifiers import DeviceKey
from vitals.readings import Reading

UTC_ZONE = ZoneInfo("UTC")


class Listener:
    """A session of the driver `key` on a link; `run` until the link ends."""

    def __init__(self, key: str, link: Link, *, device_id: str = "D-1", memory: dict[str, str] | None = None) -> None:
        kind = driver(key)
        device = DeviceKey(device_type=kind.device_type, device_id=device_id)
        self.session = kind.session(SessionContext(device=device, zone=UTC_ZONE, memory=memory or {}))
        self.link = link
        self.said: list[Command] = []
        self.bytes_received = self.bytes_sent = 0
        self._heard = asyncio.Event()

    async def run(self) -> None:
        async for event in self.link.events():
            await self.handle(event)

    async def tick(self, clock: Callable[[], datetime]) -> None:
        """Tell the session once a second that time passes, until cancelled."""
        while True:
            await self.handle(TimePassed(at=clock()))
            await asyncio.sleep(1)

    async def handle(self, event: Event) -> None:
        if isinstance(event, BytesReceived):
            self.bytes_received += len(event.data)
            self._heard.set()
        for command in self.session.handle(event):
            if isinstance(command, Deliver | DeliverSamples | ReportRefused | ReportStatus):
                self.said.append(command)
            else:
                await self.link.perform(command)
            if isinstance(command, SendBytes):
                self.bytes_sent += len(command.data)

    async def until_bytes(self, count: int, *, seconds: float = 10) -> None:
        """Return when so many bytes have come since the start."""
        async with asyncio.timeout(seconds):
            while self.bytes_received < count:
                self._heard.clear()
                await self._heard.wait()

    @property
    def readings(self) -> list[Reading]:
        return [reading for said in self.said if isinstance(said, Deliver) for reading in said.readings]

    @property
    def refused(self) -> list[ReportRefused]:
        return [said for said in self.said if isinstance(said, ReportRefused)]

    async def until(self, look: Callable[[], object], *, seconds: float = 20) -> None:
        await eventually(lambda: bool(look()), seconds=seconds)


def numbers(reading: Reading) -> dict[str, float]:
    """A reading's numbers by parameter, without the missing ones."""
    return {value.parameter.value: float(value.number) for value in reading.values if value.number is not None}


def reasons(reading: Reading) -> set[str]:
    return {reason.value for value in reading.values for reason in value.reasons}


async def ended(task: "asyncio.Task[None]") -> None:
    await end([task])
    await asyncio.gather(task, return_exceptions=True)


class Moments:
    """A clock that a test moves."""

    def __init__(self, start: datetime) -> None:
        self.now = start

    def __call__(self) -> datetime:
        return self.now
