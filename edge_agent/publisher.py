"""From the outbox to the broker, and the hub's answers back into the outbox.

Two lanes share one connection. The live lane sends what was committed just now; the backlog follows beside it, at a bounded rate,
with what is older: device events first, then tombstones, then readings. Each lane has one batch between itself and the broker at
a time, so that batches are small when it is quiet and dense under load. A batch is in the window until the hub decides its
entries; it is resent on a timer of its own, and a greeting, or a new connection, sends everything undecided again at once.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

from edge_agent.backlog import BATCH_BYTES, Backlog
from edge_agent.backoff import Backoff
from edge_agent.errors import MqttUnavailable, OutboxFault
from edge_agent.mqtt import Will
from edge_agent.outbox import Kind, Outbox, Row
from edge_agent.waveforms import Road, WaveformSender
from edge_agent.window import RESEND_SECONDS, Flight, Window
from vitals.envelope import (
    MAX_BATCH_ENTRIES,
    Acknowledgement,
    GatewayState,
    Greeting,
    Lane,
    decode_from_hub,
    encode,
    encode_batch,
)
from vitals.errors import InvalidEnvelope
from vitals.identifiers import GatewayId
from vitals.topics import Channel, topic

logger = logging.getLogger(__name__)

LIVE_SECONDS: Final = 30.0
"""What is older when a connection begins is the backlog's."""
BACKLOG_IDLE_SECONDS: Final = 5.0
"""How often an idle backlog looks again."""
GOODBYE_SECONDS: Final = 2.0
STEADY_SECONDS: Final = 10.0
"""A connection that held so long starts the back-off afresh."""


class Link(Protocol):
    """What the publisher needs of a connection; `edge_agent.mqtt.MqttLink` is one."""

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None: ...

    @property
    def unsent(self) -> int: ...

    async def publish_live(self, topic: str, payload: bytes) -> None: ...

    async def subscribe(self, topic: str) -> None: ...

    def messages(self) -> AsyncIterator[bytes]: ...


Connect = Callable[[Will], AbstractAsyncContextManager[Link]]


@dataclass(slots=True, kw_only=True)
class LinkStatus:
    """What a person wants to know of the link."""

    connected: bool = False
    since: datetime | None = None
    session: int = 0
    problem: str | None = None
    batches_unacknowledged: int = 0
    entries_acknowledged: int = 0
    entries_rejected: int = 0
    refused_messages: int = 0


@dataclass(slots=True, kw_only=True)
class _Passage:
    """What belongs to one connection."""

    link: Link
    window: Window
    backlog: Backlog
    road: Road
    room: asyncio.Event = field(default_factory=asyncio.Event)  # something was decided
    owner: tuple[int, int] | None = None  # record epoch and token of the last greeting


class Publisher:
    """Publishes an outbox for as long as `run` runs."""

    def __init__(
        self,
        outbox: Outbox,
        *,
        gateway: GatewayId,
        connect: Connect,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        random: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        backlog_entries_per_second: float,
        waveforms: WaveformSender | None = None,
        version: str = "",
    ) -> None:
        self._outbox = outbox
        self._gateway = gateway
        self._connect = connect
        self._clock = clock
        self._monotonic = monotonic
        self._sleep = sleep
        self._backoff = Backoff(random=random)
        self._rate = backlog_entries_per_second
        self._waveforms = waveforms
        self._version = version
        self._connected_at = 0.0
        self.status = LinkStatus()

    async def run(self) -> None:
        """Connect, and connect again, until cancelled."""
        while True:
            try:
                await self._connected()
            except* MqttUnavailable as group:
                self._lost(_first(group))
            await self._sleep(self._backoff.next_seconds())

    async def _connected(self) -> None:
        session = await self._outbox.next_session()
        will = Will(topic=self._topic(Channel.STATE), payload=self._state(session, online=False))
        async with self._connect(will) as link:
            await link.subscribe(self._topic(Channel.ACK))
            await link.publish(self._topic(Channel.STATE), self._state(session, online=True), retain=True)
            self._found(session)
            try:
                await self._exchange(self._passage(link))
            except asyncio.CancelledError:
                await self._say_goodbye(link, session)
                raise

    def _passage(self, link: Link) -> _Passage:
        window = Window()
        return _Passage(
            link=link, window=window, backlog=Backlog(self._outbox, window), road=Road(monotonic=self._monotonic)
        )

    async def _exchange(self, passage: _Passage) -> None:
        oldest = self._clock() - timedelta(seconds=LIVE_SECONDS)
        self._outbox.live.leave_to_backlog(committed_before=int(oldest.timestamp() * 1000))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen(passage), name="mqtt-listen")
            tasks.create_task(self._send_live(passage), name="mqtt-live")
            tasks.create_task(self._send_backlog(passage), name="mqtt-backlog")
            tasks.create_task(self._resend(passage), name="mqtt-resend")
            if self._waveforms is not None:
                tasks.create_task(self._waveforms.run(passage.link, passage.road), name="mqtt-waveforms")

    async def _send_live(self, passage: _Passage) -> None:
        live = self._outbox.live
        while True:
            await live.available.wait()
            await self._wait_for_room(passage, Lane.LIVE)
            rows = live.take(entries=MAX_BATCH_ENTRIES, size_bytes=BATCH_BYTES)
            await self._send_new(passage, _flights(rows, epoch=self._outbox.epoch, lane=Lane.LIVE))

    async def _send_backlog(self, passage: _Passage) -> None:
        while True:
            await self._wait_for_room(passage, Lane.BACKLOG)
            rows = await self._next_backlog(passage)
            if not rows:
                await self._backlog_may_have_grown(passage)
                continue
            epoch = self._outbox.epoch_name(rows[0])
            await self._send_new(passage, _flights(rows, epoch=epoch, lane=Lane.BACKLOG))
            await self._sleep(len(rows) / self._rate)

    async def _next_backlog(self, passage: _Passage) -> list[Row]:
        try:
            return await passage.backlog.next_batch()
        except OutboxFault:  # the outbox shows it; the live lane goes on
            return []

    async def _backlog_may_have_grown(self, passage: _Passage) -> None:
        """Wait until it begins again, or a while."""
        waiting = asyncio.ensure_future(passage.backlog.restarted.wait())
        sleeping = asyncio.ensure_future(self._sleep(BACKLOG_IDLE_SECONDS))
        try:
            await asyncio.wait((waiting, sleeping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            sleeping.cancel()

    async def _resend(self, passage: _Passage) -> None:
        while True:
            now = self._monotonic()
            for flight in passage.window.due(now):  # delivery rule 4
                await self._send(passage, flight)
            due = passage.window.next_due()
            wait = RESEND_SECONDS if due is None else min(RESEND_SECONDS, due - self._monotonic())
            await self._sleep(max(0.0, wait))

    async def _listen(self, passage: _Passage) -> None:
        async for payload in passage.link.messages():
            try:
                word = decode_from_hub(payload)
            except InvalidEnvelope as error:
                self._refused(error.reason)
                continue
            applied = await self._outbox.apply(word)
            if not applied.heeded:
                continue
            if applied.newer:
                passage.backlog.again()
            if isinstance(word, Greeting):
                self._greeted(passage, word)
                await self._name_record_epoch(passage)
            else:
                self._answered(passage, word)

    def _answered(self, passage: _Passage, word: Acknowledgement) -> None:
        self.status.entries_acknowledged += passage.window.decide(word.epoch, word.committed)
        refused = [(rejection.sequence, rejection.sequence) for rejection in word.rejected]
        self.status.entries_rejected += passage.window.decide(word.epoch, refused)
        self.status.batches_unacknowledged = len(passage.window.flights)
        if word.rejected:
            logger.warning("the hub set %d entries aside, the first for: %s", len(refused), word.rejected[0].reason)
        passage.room.set()

    def _greeted(self, passage: _Passage, word: Greeting) -> None:
        """A new owner hears everything undecided again at once; one that repeats itself, only the record epoch."""
        for epoch, ranges in word.committed.items():
            self.status.entries_acknowledged += passage.window.decide(epoch, ranges)
        owner = word.record_epoch, word.token
        if owner != passage.owner:
            passage.owner = owner
            passage.window.clear()
            passage.backlog.again()
            passage.room.set()

    async def _name_record_epoch(self, passage: _Passage) -> None:
        """Answer a greeting with a batch, which carries the record epoch, also when nothing is left to send.  # delivery rule 8"""
        (flight,) = _flights((self._outbox.started,), epoch=self._outbox.epoch, lane=Lane.LIVE)
        flight.sent(self._monotonic())
        await self._publish(passage, flight)

    async def _wait_for_room(self, passage: _Passage, lane: Lane) -> None:
        while not passage.window.has_room(lane):
            passage.room.clear()
            await passage.room.wait()

    async def _send_new(self, passage: _Passage, flights: list[Flight]) -> None:
        """All are in the window before the first is sent: else the backlog would take what waits here for unsent."""
        for flight in flights:
            passage.window.add(flight)
        for flight in flights:
            await self._send(passage, flight)

    async def _send(self, passage: _Passage, flight: Flight) -> None:
        if not flight.rows:  # decided while it waited for its turn
            return
        flight.sent(self._monotonic())
        self.status.batches_unacknowledged = len(passage.window.flights)
        await self._publish(passage, flight)

    async def _publish(self, passage: _Passage, flight: Flight) -> None:
        payload = encode_batch(
            gateway=self._gateway,
            epoch=flight.epoch,
            record_epoch=self._outbox.record_epoch,
            lane=flight.lane,
            sent=self._clock(),
            entries=(row.body for row in flight.rows.values()),
        )
        with passage.road.asked():
            await passage.link.publish(self._topic(flight.channel), payload)

    async def _say_goodbye(self, link: Link, session: int) -> None:
        try:
            async with asyncio.timeout(GOODBYE_SECONDS):
                await link.publish(self._topic(Channel.STATE), self._state(session, online=False), retain=True)
        except (MqttUnavailable, TimeoutError):
            logger.debug("the broker didn't hear the goodbye; the Will says it")

    def _state(self, session: int, *, online: bool) -> bytes:
        return encode(GatewayState(online=online, session=session, at=self._clock(), version=self._version))

    def _topic(self, channel: Channel) -> str:
        return topic(self._gateway, channel)

    def _found(self, session: int) -> None:
        if self.status.problem is not None:
            logger.info("mqtt: connected again")
        self.status.connected, self.status.problem = True, None
        self.status.since, self.status.session = self._clock(), session
        self._connected_at = self._monotonic()

    def _lost(self, error: BaseException) -> None:
        if self.status.connected and self._monotonic() - self._connected_at > STEADY_SECONDS:
            self._backoff.reset()
        if self.status.connected or self.status.problem is None:
            logger.warning("mqtt: %s; readings are kept in the outbox, trying again", error)
            self.status.since = self._clock()
        self.status.connected, self.status.problem = False, str(error)
        self.status.batches_unacknowledged = 0

    def _refused(self, reason: str) -> None:
        if self.status.refused_messages == 0:
            logger.warning("mqtt: a message on the ack topic was refused: %s; counted from now on", reason)
        self.status.refused_messages += 1


def _flights(rows: Iterable[Row], *, epoch: str, lane: Lane) -> list[Flight]:
    """Batches of these rows, events before readings."""
    channels = {Kind.EVENT: Channel.EVENTS, Kind.READING: Channel.READINGS}
    split = {kind: {row.sequence: row for row in rows if row.kind is kind} for kind in channels}
    return [
        Flight(channel=channel, lane=lane, epoch=epoch, rows=dict(sorted(split[kind].items())))
        for kind, channel in channels.items()
        if split[kind]
    ]


def _first(group: BaseExceptionGroup[MqttUnavailable]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
