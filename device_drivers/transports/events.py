"""The queue between a transport's callbacks and whoever reads a link: bounded, and ended once."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from device_drivers.sessions import Event

EVENT_QUEUE: Final = 1024
"""Events that a reader may be behind; a device that outruns it by more is broken, and its link is closed."""


class EventQueue:
    """Events in order, then an end."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Event | None] = asyncio.Queue(EVENT_QUEUE + 1)
        self.ended = False

    def put(self, event: Event) -> bool:
        """Whether there was room; after an end nothing is taken."""
        if self.ended or self._queue.qsize() >= EVENT_QUEUE:
            return False
        self._queue.put_nowait(event)
        return True

    def end(self) -> None:
        """No more events; those that are queued are still read."""
        if not self.ended:
            self.ended = True
            self._queue.put_nowait(None)

    async def events(self) -> AsyncIterator[Event]:
        while (event := await self._queue.get()) is not None:
            yield event
