"""How long messages take from their publication to the write to clients, observed at no cost to speak of.

Of all messages that are delivered in one turn of the event loop the first is observed, which waits longest: after the turn's writes its
publication time is compared with the clock. The time is that of the owner that published it; what its clock is ahead counts as 0.
"""

import asyncio
import bisect
from collections.abc import Callable
from datetime import datetime
from itertools import accumulate
from typing import Final

from hub.metrics.samples import Buckets
from hub.realtime.frames import Frame
from hub.rooms.messages import Message

BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds."""
_TIMESTAMP: Final = b'"timestamp":"'


class DeliveryLag:
    """Makes the frames of live messages, and observes them."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._waiting: Message | None = None
        self._counts = [0] * (len(BOUNDS) + 1)
        self._sum = 0.0

    def frame(self, message: Message) -> Frame:
        """What clients are given of a message in this turn."""
        if self._waiting is None:
            self._waiting = message
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_soon, self._observe)  # the turn's writes come between
        return Frame(message)

    def buckets(self) -> Buckets:
        bounds = (*map(str, BOUNDS), "+Inf")
        return Buckets(counts=list(zip(bounds, accumulate(self._counts), strict=True)), sum=self._sum)

    def _observe(self) -> None:
        message, self._waiting = self._waiting, None
        if message is None or (published := _published(message)) is None:
            return
        seconds = max(0.0, (self._now() - published).total_seconds())
        self._counts[bisect.bisect_left(BOUNDS, seconds)] += 1
        self._sum += seconds


def _published(message: Message) -> datetime | None:
    _, _, rest = message.members.partition(_TIMESTAMP)
    text, _, _ = rest.partition(b'"')
    return datetime.fromisoformat(text.decode()) if text else None
