"""What both transports' clients share: delivery through one outlet, coalescing where it is due, and the end of those who are too slow."""

import asyncio
import logging
from abc import abstractmethod
from collections.abc import Coroutine

from hub.auth.tokens import Claims
from hub.realtime.clients import Client, Close
from hub.realtime.coalescing import Coalescer
from hub.realtime.frames import Frame
from hub.realtime.live import Live
from hub.realtime.outbound import Outlet
from hub.realtime.waveforms import Waveforms

log = logging.getLogger(__name__)


class LiveClient(Client):
    """A client of a node's live side. A coalescer exists only for one that is behind, or that asked for a rate; `_waveforms` for one that watches some."""

    __slots__ = ("_coalescer", "_live", "_outlet", "_tasks", "_waveforms")

    def __init__(self, live: Live, claims: Claims) -> None:
        super().__init__(live.new_id(), claims)
        self._live = live
        self._outlet: Outlet | None = None
        self._coalescer: Coalescer | None = None
        self._waveforms: Waveforms | None = None
        self._tasks: tuple[asyncio.Task[None], ...] = ()

    @abstractmethod
    def pass_on(self, frame: Frame, skipped: int) -> None:
        """Send a frame now; so many of its room before it were left out."""

    def deliver(self, frame: Frame) -> None:
        if self._coalescer is None:
            self.pass_on(frame, 0)
            return
        coalescer, outlet = self._coalescer, self._outlet
        coalescer.offer(frame)
        if outlet is not None and outlet.unsent + coalescer.held_bytes > self._live.limits.unsent_bytes:
            self.overflowed()

    def deliver_live(self, frame: Frame) -> None:
        if self._outlet is None:
            return
        if self._waveforms is None:
            self._waveforms = Waveforms(self, self._outlet, self._live.clients.outbound)
        self._waveforms.offer(frame.message.room, self.live_bytes(frame))

    @abstractmethod
    def live_bytes(self, frame: Frame) -> bytes:
        """A live-only message, as it goes out."""

    def limit(self, room: str, max_rate: float | None) -> None:
        """Send of a room at most so many of each parameter's numerics a second, the latest; None for all."""
        if max_rate is not None or self._coalescer is not None:
            self._coalescing().limit(room, max_rate)
            self._settle()

    def release(self, room: str) -> None:
        """Send what waits in a room, for something else is to be said of it."""
        if self._coalescer is not None:
            self._coalescer.release(room)

    def forget(self, room: str) -> None:
        """Send nothing more of a room that waits."""
        if self._coalescer is not None:
            self._coalescer.forget(room)
            self._settle()

    def lose(self, room: str) -> None:
        super().lose(room)
        self.forget(room)
        self._live.clients.attendance.look(self)

    def fell_behind(self) -> None:
        self._coalescing().behind = True

    def caught_up(self) -> None:
        if self._coalescer is not None:
            self._coalescer.catch_up()
            self._settle()

    def overflowed(self) -> None:
        self.end(Close.TOO_SLOW, "too slow; reconnect and recover")

    def gone(self) -> None:
        self.depart()
        log.debug("client %s is gone", self.client_id)

    def depart(self, code: Close | None = None) -> None:
        """Leave every room: the connection is lost, or about to end with a code."""
        for task in self._tasks:
            task.cancel()
        if self._coalescer is not None:
            self._coalescer.close()
        self._waveforms = None
        self._live.feed.leave(self.rooms.values(), self)
        self._live.clients.leave(self, code)

    def work(self, work: Coroutine[object, object, None], *, name: str) -> None:
        """Do `work` for as long as the client is here. Its failure ends the connection."""
        task = asyncio.create_task(work, name=name)
        self._tasks = (*self._tasks, task)
        task.add_done_callback(self._worked)
        self.rely_on(task)

    def _worked(self, done: "asyncio.Task[None]") -> None:
        self._tasks = tuple(task for task in self._tasks if task is not done)

    def _coalescing(self) -> Coalescer:
        if self._coalescer is None:
            outbound = self._live.clients.outbound
            self._coalescer = Coalescer(self.pass_on, outbound.coalesced_more, asyncio.get_running_loop())
        return self._coalescer

    def _settle(self) -> None:
        if self._coalescer is not None and self._coalescer.idle:
            self._coalescer = None
