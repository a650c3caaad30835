"""Waveform messages between the broker's thread and the event loop: bounded, fair, the oldest dropped.

The thread never waits and wakes the loop once, however much comes; so a flood costs the loop no more than what it takes.
"""

import threading
from collections import deque
from typing import Final

GATEWAY_BYTES: Final = 1024 * 1024
"""What may wait of one gateway: a second of a ward of 64 beds with 16 waveforms each, minutes of an oximeter."""
QUEUE_BYTES: Final = 8 * 1024 * 1024


class WaveformQueue:
    """Payloads by topic. `put` may be called from any thread, `take` and `dropped` are the loop's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, deque[bytes]] = {}
        self._sizes: dict[str, int] = {}
        self._size = 0
        self._dropped = 0

    def put(self, topic: str, payload: bytes) -> bool:
        """Take it in, at the price of the same topic's oldest; whether the loop must be woken, because nothing waited before."""
        with self._lock:
            was_empty = not self._waiting
            if self._size + len(payload) > QUEUE_BYTES and topic not in self._waiting:
                self._dropped += 1
                return was_empty
            self._waiting.setdefault(topic, deque()).append(payload)
            self._grow(topic, len(payload))
            while self._sizes[topic] > GATEWAY_BYTES or self._size > QUEUE_BYTES:
                self._grow(topic, -len(self._waiting[topic].popleft()))
                self._dropped += 1
            self._forget_empty(topic)
            return was_empty

    def take(self, size_bytes: int) -> list[tuple[str, bytes]]:
        """At most so many bytes (at least one message), the topics in turn, each one's oldest first."""
        taken: list[tuple[str, bytes]] = []
        with self._lock:
            while self._waiting:
                topic, waiting = next(iter(self._waiting.items()))
                size_bytes -= len(waiting[0])
                if taken and size_bytes < 0:
                    break
                del self._waiting[topic]
                payload = waiting.popleft()
                self._grow(topic, -len(payload))
                self._waiting[topic] = waiting
                self._forget_empty(topic)
                taken.append((topic, payload))
        return taken

    def dropped(self) -> int:
        """How many messages were dropped since this was last asked."""
        with self._lock:
            dropped, self._dropped = self._dropped, 0
        return dropped

    def _grow(self, topic: str, by: int) -> None:
        self._sizes[topic] = self._sizes.get(topic, 0) + by
        self._size += by

    def _forget_empty(self, topic: str) -> None:
        if not self._waiting[topic]:
            del self._waiting[topic], self._sizes[topic]
