"""Waveforms on their way to the hub: live only, so nothing here is kept on disk, and everything here gives way.

A chunk waits in memory for the moment until the link takes it. Each device has a bound of its own; what overflows, the oldest first, is
dropped and counted, and while there is no connection nothing waits at all. Chunks go out at QoS 0 beside the lanes of the outbox, in
small batches, at most so many bytes a second, and not at all while much is still on the way or the broker owes an answer for something that was
committed: on a slow road the readings go first.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

import msgspec

from vitals.identifiers import DeviceKey, GatewayId
from vitals.topics import Channel, topic
from vitals.waveform_envelope import MAX_CHUNKS, encode_chunk, encode_waveforms
from vitals.waveforms import SampleChunk

DEVICE_SECONDS: Final = 2.0
DEVICE_BYTES: Final = 32 * 1024
"""What may wait of one device."""
TICK_SECONDS: Final = 0.1
"""So long a batch waits for the other devices' chunks."""
BATCH_BYTES: Final = 16 * 1024
"""A reading that is committed while a batch goes out waits for no more than this."""
UNSENT_BYTES: Final = 32 * 1024
"""With more on the way none is added: else the system's own buffers, which are megabytes, would stand before a reading."""
SLOW_SECONDS: Final = 0.25
"""A broker that has owed an answer for so long is at the end of a slow road."""


@dataclass(slots=True, kw_only=True)
class Counts:
    """Samples of one device since the agent began."""

    sent: int = 0
    dropped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    chunk: SampleChunk
    body: bytes


def _waiting(chunk: SampleChunk, *, gap: bool) -> _Waiting:
    chunk = msgspec.structs.replace(chunk, gap_before=True) if gap else chunk
    return _Waiting(chunk=chunk, body=encode_chunk(chunk))


class WaveformBuffer:
    """Chunks that wait for the link. Closed, as at first, it keeps nothing. The chunk after one that was dropped has `gap_before`."""

    def __init__(self) -> None:
        self.available = asyncio.Event()
        self.counts: defaultdict[str, Counts] = defaultdict(Counts)
        self._waiting: dict[DeviceKey, deque[_Waiting]] = {}
        self._broken: set[DeviceKey] = set()
        self._is_open = False

    def offer(self, chunk: SampleChunk) -> None:
        """Take a chunk, at the price of the same device's oldest."""
        if not self._is_open:
            self._drop(chunk)
            return
        waiting = self._waiting.setdefault(chunk.device, deque())
        waiting.append(_waiting(chunk, gap=chunk.device in self._broken))
        self._broken.discard(chunk.device)
        while len(waiting) > 1 and _is_too_much(waiting):
            self._drop(waiting.popleft().chunk)
        if chunk.device in self._broken:
            self._broken.remove(chunk.device)
            waiting[0] = _waiting(waiting[0].chunk, gap=True)
        self.available.set()

    def open(self) -> None:
        """There is a link."""
        self._is_open = True

    def close(self) -> None:
        """There is none any more, and what waited is late before there is another."""
        self._is_open = False
        for waiting in self._waiting.values():
            for one in waiting:
                self._drop(one.chunk)
        self._waiting.clear()
        self.available.clear()

    def take(self, size_bytes: int) -> list[bytes]:
        """At most so many bytes, each device's oldest first and all devices in turn; at least one chunk where there is one."""
        taken: list[bytes] = []
        while self._waiting and len(taken) < MAX_CHUNKS:
            device, waiting = next(iter(self._waiting.items()))
            size_bytes -= len(waiting[0].body) + 1
            if taken and size_bytes < 0:
                break
            del self._waiting[device]
            one = waiting.popleft()
            self.counts[str(device)].sent += len(one.chunk.samples)
            taken.append(one.body)
            if waiting:
                self._waiting[device] = waiting
        if not self._waiting:
            self.available.clear()
        return taken

    def _drop(self, chunk: SampleChunk) -> None:
        self.counts[str(chunk.device)].dropped += len(chunk.samples)
        self._broken.add(chunk.device)


def _is_too_much(waiting: deque[_Waiting]) -> bool:
    seconds, size = sum(one.chunk.seconds for one in waiting), sum(len(one.body) for one in waiting)
    return seconds > DEVICE_SECONDS or size > DEVICE_BYTES


class Road:
    """What of one connection's committed entries the broker has not answered yet."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._owed: dict[object, float] = {}

    @contextmanager
    def asked(self) -> Iterator[None]:
        """Something was handed over, and is answered at the end."""
        place = object()
        self._owed[place] = self._monotonic()
        try:
            yield
        finally:
            del self._owed[place]

    @property
    def is_slow(self) -> bool:
        oldest = next(iter(self._owed.values()), None)
        return oldest is not None and self._monotonic() - oldest > SLOW_SECONDS


class LiveLink(Protocol):
    """What is needed of a connection. `unsent` are bytes that the other end has not confirmed."""

    @property
    def unsent(self) -> int: ...

    async def publish_live(self, topic: str, payload: bytes) -> None: ...


class WaveformSender:
    """Sends what is in a buffer, over one connection after the other."""

    def __init__(
        self,
        buffer: WaveformBuffer,
        *,
        gateway: GatewayId,
        clock: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]],
        bytes_per_second: float,
    ) -> None:
        self._buffer = buffer
        self._gateway = gateway
        self._clock = clock
        self._sleep = sleep
        self._rate = bytes_per_second

    @property
    def counts(self) -> Mapping[str, Counts]:
        """By `device_type:device_id`."""
        return self._buffer.counts

    async def run(self, link: LiveLink, road: Road) -> None:
        """As long as the connection holds. Raises MqttUnavailable at its end."""
        self._buffer.open()
        try:
            while True:
                await self._buffer.available.wait()
                await self._sleep(TICK_SECONDS)
                if not road.is_slow and link.unsent <= UNSENT_BYTES:
                    await self._sleep(await self._send(link) / self._rate)
        finally:
            self._buffer.close()

    async def _send(self, link: LiveLink) -> int:
        """One batch; its size in bytes."""
        chunks = self._buffer.take(BATCH_BYTES)
        payload = encode_waveforms(gateway=self._gateway, sent=self._clock(), chunks=chunks)
        await link.publish_live(topic(self._gateway, Channel.WAVEFORMS), payload)
        return len(payload)
