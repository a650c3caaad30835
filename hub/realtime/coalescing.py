"""Numerics that may wait: for a client that has fallen behind, and for one that asked for no more than so many a second.

Only `patient.vitals.update` messages that carry nothing but continuous vitals wait; of each patient, device and set of vitals in a room
the newest is kept, which is the latest of every parameter. All else is sent at once, and before it what waits in its room: so a room's
offsets only rise. A message says in `skipped` how many of its room were left out directly before it.
"""

import asyncio
from collections.abc import Callable

from hub.realtime.frames import Frame, Numerics

Send = Callable[[Frame, int], None]
"""Sends a frame, and says that so many messages of its room before it were skipped."""


class _Room:
    """One client's messages of one room. `sent` is the offset of the last of `epoch` that was sent."""

    __slots__ = ("epoch", "held", "interval", "opens", "sent", "timer")

    def __init__(self) -> None:
        self.interval: float | None = None
        self.opens = 0.0
        self.timer: asyncio.TimerHandle | None = None
        self.held: dict[Numerics, Frame] = {}
        self.epoch: str | None = None
        self.sent = 0


class Coalescer:
    """What waits for one client, `held_bytes` in all. `coalesced` is called with the number of messages that newer ones have replaced."""

    def __init__(self, send: Send, coalesced: Callable[[int], None], loop: asyncio.AbstractEventLoop) -> None:
        self._send = send
        self._coalesced = coalesced
        self._loop = loop
        self._rooms: dict[str, _Room] = {}
        self.behind = False
        self.held_bytes = 0

    @property
    def idle(self) -> bool:
        """Whether it would pass everything on at once, and has nothing to send."""
        return not self.behind and not any(room.held or room.interval for room in self._rooms.values())

    def limit(self, name: str, max_rate: float | None) -> None:
        """Send at most so many of each parameter's numerics of a room a second; None for all."""
        room = self._rooms.setdefault(name, _Room())
        self._release(room)
        room.interval = None if max_rate is None else 1 / max_rate
        room.opens = 0.0

    def offer(self, frame: Frame) -> None:
        """The next message of a room: sent now, or kept."""
        if (room := self._rooms.get(frame.message.room)) is None:
            room = self._rooms[frame.message.room] = _Room()
        numerics = frame.numerics
        if numerics is None:
            self._release(room)
            self._pass_on(room, frame)
        elif self.behind or self._waits(room):
            self._hold(room, numerics, frame)
        else:
            self._pass_on(room, frame)
            self._open_window(room)

    def catch_up(self) -> None:
        """The client takes messages again: send what waits, save where a room's rate holds it back."""
        self.behind = False
        for room in self._rooms.values():
            if room.timer is None:
                self._release(room)

    def release(self, name: str) -> None:
        """Send what waits in a room: something else is to be said of it."""
        if (room := self._rooms.get(name)) is not None:
            self._release(room)
            room.epoch = None

    def forget(self, name: str) -> None:
        """The client has left a room."""
        if (room := self._rooms.pop(name, None)) is None:
            return
        self.held_bytes -= sum(frame.size for frame in room.held.values())
        if room.timer is not None:
            room.timer.cancel()

    def close(self) -> None:
        for name in tuple(self._rooms):
            self.forget(name)

    def _waits(self, room: _Room) -> bool:
        return room.interval is not None and (room.timer is not None or self._loop.time() < room.opens)

    def _hold(self, room: _Room, numerics: Numerics, frame: Frame) -> None:
        if room.epoch is None:
            self._begin(room, frame)
        # Popped and put at the end, so that what is held stays in order.
        if (replaced := room.held.pop(numerics, None)) is not None:
            self._coalesced(1)
            self.held_bytes -= replaced.size
        room.held[numerics] = frame
        self.held_bytes += frame.size
        if room.interval is not None and room.timer is None:
            room.timer = self._loop.call_at(room.opens, self._opened, room)

    def _opened(self, room: _Room) -> None:
        room.timer = None
        if not self.behind and room.held:
            self._release(room)
            self._open_window(room)

    def _open_window(self, room: _Room) -> None:
        if room.interval is not None:
            room.opens = self._loop.time() + room.interval

    def _release(self, room: _Room) -> None:
        if room.timer is not None:
            room.timer.cancel()
            room.timer = None
        if not room.held:
            return
        held, room.held = room.held, {}
        for frame in held.values():
            self.held_bytes -= frame.size
            self._pass_on(room, frame)
        self._open_window(room)

    def _begin(self, room: _Room, frame: Frame) -> None:
        message = frame.message
        room.epoch, room.sent = message.epoch, message.offset - 1

    def _pass_on(self, room: _Room, frame: Frame) -> None:
        message = frame.message
        if room.epoch != message.epoch or message.offset <= room.sent:
            self._begin(room, frame)
        skipped = message.offset - room.sent - 1
        room.sent = message.offset
        self._send(frame, skipped)
