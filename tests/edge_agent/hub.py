"""A hub in small: keeps what it is sent, by (epoch, sequence), and answers as the delivery protocol says, or as a test wants."""

import asyncio
import math
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiomqtt
import msgspec

from tests.conftest import HUB_PASSWORD
from vitals.envelope import (
    Acknowledgement,
    Batch,
    DeviceEventEntry,
    Greeting,
    Range,
    ReadingEntry,
    Rejection,
    RejectionReason,
    decode_batch,
    decode_entry,
    encode,
    ranges_of,
)
from vitals.topics import Channel, parse_topic, topic
from vitals.waveform_envelope import decode_chunk, decode_waveforms
from vitals.waveforms import SampleChunk

WAIT_SECONDS = 30.0
ANSWER = True
SILENCE = False


@dataclass
class Hub:
    """`answers(batch)` decides whether a batch is answered; `rejects` are sequences to reject."""

    client: aiomqtt.Client
    answers: Callable[[Batch], bool] = lambda _batch: ANSWER
    rejects: frozenset[int] = frozenset()
    record_epoch: int = 1
    token: int = 1
    batches: list[tuple[Channel, Batch]] = field(default_factory=list)
    entries: dict[tuple[str, int], object] = field(default_factory=dict)
    chunks: list[SampleChunk] = field(default_factory=list)
    repeats: int = 0
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def readings(self) -> list[ReadingEntry]:
        return [entry for entry in self.entries.values() if isinstance(entry, ReadingEntry)]

    @property
    def events(self) -> list[DeviceEventEntry]:
        return [entry for entry in self.entries.values() if isinstance(entry, DeviceEventEntry)]

    async def until(self, holds: Callable[["Hub"], object], *, seconds: float = WAIT_SECONDS) -> None:
        async with self.changed, asyncio.timeout(seconds):
            await self.changed.wait_for(lambda: holds(self))

    async def run(self) -> None:
        async for message in self.client.messages:
            gateway, channel = parse_topic(str(message.topic))
            if channel is Channel.WAVEFORMS:
                await self._take_waveforms(bytes(message.payload))
                continue
            batch = decode_batch(bytes(message.payload))
            answer = self._take(batch)
            if self.answers(batch):
                await self.say(gateway, answer)
            async with self.changed:
                self.batches.append((channel, batch))
                self.changed.notify_all()

    async def say(self, gateway: str, word: Acknowledgement | Greeting) -> None:
        await self.client.publish(topic(gateway, Channel.ACK), encode(word), qos=1)

    async def greet(self, gateway: str, committed: dict[str, list[Range]] | None = None) -> None:
        await self.say(gateway, Greeting(record_epoch=self.record_epoch, token=self.token, committed=committed or {}))

    def forget(self) -> None:
        """Lose everything, as a database restored to its beginning has."""
        self.entries.clear()
        self.batches.clear()

    async def _take_waveforms(self, payload: bytes) -> None:
        async with self.changed:
            self.chunks += [decode_chunk(raw) for raw in decode_waveforms(payload).chunks]
            self.changed.notify_all()

    def _take(self, batch: Batch) -> Acknowledgement:
        committed: list[int] = []
        rejected: list[Rejection] = []
        for raw in batch.entries:
            entry = decode_entry(raw)
            if entry.sequence in self.rejects:
                rejected.append(Rejection(sequence=entry.sequence, reason=RejectionReason.UNKNOWN_DEVICE))
                continue
            self.repeats += (batch.epoch, entry.sequence) in self.entries
            self.entries.setdefault((batch.epoch, entry.sequence), entry)
            committed.append(entry.sequence)
        return Acknowledgement(
            record_epoch=self.record_epoch,
            token=self.token,
            epoch=batch.epoch,
            committed=ranges_of(committed),
            rejected=rejected,
        )


@asynccontextmanager
async def hub(port: int) -> AsyncIterator[Hub]:
    """A connected hub, subscribed to every gateway.

    No time-out of aiomqtt's: in Python 3.11 it can swallow a cancellation.
    """
    async with aiomqtt.Client(
        "127.0.0.1",
        port,
        username="hub",
        password=HUB_PASSWORD,
        timeout=math.inf,
        socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
    ) as client:
        for channel in (Channel.READINGS, Channel.EVENTS):
            await client.subscribe(f"bedside/v1/+/{channel}", qos=1)
        await client.subscribe(f"bedside/v1/+/{Channel.WAVEFORMS}", qos=0)
        running = Hub(client)
        task = asyncio.create_task(running.run(), name="test-hub")
        try:
            yield running
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def sequences(batch: Batch) -> list[int]:
    return [msgspec.json.decode(raw)["sequence"] for raw in batch.entries]
