"""A client's waveforms: the first thing to give way to everything else, and never a reason to close it.

What comes within one turn of the event loop is handed on at its end. While more than a quarter of `waveform_bytes` is unsent, it waits here instead, the newest
`waveform_bytes` of it; what is older is dropped and counted. What waits is tried again every RETRY_SECONDS.
"""

import asyncio
from collections import deque
from typing import Final

from hub.realtime.clients import Client
from hub.realtime.outbound import Outbound, Outlet

RETRY_SECONDS: Final = 0.25


class Waveforms:
    """What waits for one client."""

    def __init__(self, client: Client, outlet: Outlet, outbound: Outbound) -> None:
        limits = outbound.limits
        self._client = client
        self._outlet = outlet
        self._outbound = outbound
        self._limit = min(limits.waveform_bytes, limits.unsent_bytes // 4)  # all of them together close nobody
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._size = 0
        self._is_due = False

    def offer(self, room: str, frame: bytes) -> None:
        """Send it soon, at the price of the oldest that waits."""
        self._waiting.append((room, frame))
        self._size += len(frame)
        while self._size > self._limit and len(self._waiting) > 1:
            self._size -= len(self._waiting.popleft()[1])
            self._outbound.waveforms_dropped += 1
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        if self._outlet.ended:
            return
        if self._outlet.unsent > self._limit // 4:
            asyncio.get_running_loop().call_later(RETRY_SECONDS, self._flush)
            return
        self._is_due = False
        rooms = self._client.rooms  # it may have left one meanwhile, or lost the right to it
        frames = [frame for room, frame in self._waiting if room in rooms]
        self._waiting.clear()
        self._size = 0
        if frames:
            self._outlet.push(b"".join(frames))
