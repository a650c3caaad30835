"""What a screen follows: the client's events, with what was before and who lies where, in order, told to one function.

The client (`bedside.client`) keeps the link, resumes rooms and drops repeats. Here its rooms follow the beds: those are read at the beginning,
after each reconnection, in time, and when a patient has moved.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import msgspec

from bedside import client
from bedside.client import Client, Link, RoomRequest, Timings
from bedside.watch.answers import View
from bedside.watch.asking import Asking, Target
from bedside.watch.errors import HubLost, HubRefused
from bedside.watch.happenings import (
    BedsRead,
    Happening,
    HistoryRead,
    LinkLive,
    LinkLost,
    Missed,
    ReadingsRead,
    Received,
)
from bedside.watch.messages import Event, InvalidMessage, Message, Pong, decode_message, message_of

__all__ = ["Follower", "Target"]

TIMINGS: Final = Timings(
    longest_wait_seconds=10,
    open_seconds=5,
    ping_seconds=2,  # so often the road behind the hub is asked for
    silence_seconds=6,  # three pings have gone unanswered
)
LOOK_AGAIN_SECONDS: Final = 60.0
"""How often beds and devices are read again: a change of the registry need not be an event."""
TRY_AGAIN_SECONDS: Final = 5.0
"""How soon, where they could not be read."""
REJOIN_SECONDS: Final = 1.0
"""Rooms that don't hold after so long are told: the hub can't follow them now."""
_MOVEMENTS: Final = frozenset({"patient.admission", "patient.discharge"})


class Follower:
    """Follows one target. `random` gives numbers from 0 up to 1."""

    def __init__(
        self,
        target: Target,
        tell: Callable[[Happening], None],
        *,
        random: Callable[[], float],
        timings: Timings = TIMINGS,
    ) -> None:
        self._target = target
        self._tell = tell
        self._random = random
        self._timings = timings
        self._asking = Asking(target)
        self._begun = False
        self._live = False
        self._was_live = False
        self._rooms: set[str] = set()
        self._waiting: set[str] = set()
        self._held = asyncio.Event()
        self._stirred = asyncio.Event()
        self._history: set[str] = set()

    async def run(self) -> None:
        """Until cancelled. Raises HubRefused and NotThere; HubLost only while there has been no link yet."""
        self._asking.token = self._target.token()
        view = await self._asking.view()
        self._tell(BedsRead(view=view))
        async with Client(self._target.url, token=self._token, timings=self._timings, random=self._random) as following:
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._settle(following, view), name="watch-settle")
                    await self._follow(following)
            except* Exception as group:
                raise _worst(group) from group

    def _token(self) -> str:
        """The token by which the beds were read at first, then a new one each time."""
        if self._begun:
            self._asking.token = self._target.token()
        self._begun = True
        return self._asking.token

    # What the client says

    async def _follow(self, following: Client) -> None:
        try:
            async for event in following:
                self._take(event)
        except client.ConnectionEnded as end:
            raise HubRefused(end.reason) from end

    def _take(self, event: client.ClientEvent) -> None:
        match event:
            case client.Event():
                self._received(event.raw)
            case client.Subscribed() | client.Recovered() | client.Gap():
                self._joined(event)
            case client.Denied(room=room):
                raise HubRefused(f"the token may not watch {room}")
            case client.Revoked(room=room):
                self._rooms.discard(room)
                self._stirred.set()
                self._wait_for(self._waiting - {room})
            case client.Closed() if not event.terminal:
                self._lost(event)
            case client.Reconnected():
                self._wait_for(self._rooms)
                self._stirred.set()
            case client.Condition():
                self._tell(Received(text="", message=Pong(time=event.time, upstream=event.upstream)))
            case client.Unreadable():
                self._tell(Received(text="", message=None))
            case _:
                pass

    def _received(self, raw: bytes) -> None:
        message = _read(raw)
        if isinstance(message, Event) and message.event in _MOVEMENTS and not message.test:
            self._stirred.set()
        self._tell(Received(text=raw.decode(), message=message))

    def _joined(self, answer: client.Subscribed | client.Recovered | client.Gap) -> None:
        if isinstance(answer, client.Gap):
            self._tell(Missed(what=f"messages were missed while the link was down ({answer.room})"))
        self._tell(Received(text=answer.raw.decode(), message=_read(answer.raw)))
        self._wait_for(self._waiting - {answer.room})

    def _lost(self, closed: client.Closed) -> None:
        if not self._was_live:
            raise HubLost(f"{self._target.url}: {closed.reason}")
        self._live = False
        self._tell(LinkLost(problem=closed.reason, silent_seconds=closed.silent_seconds))
        self._held.clear()

    def _wait_for(self, rooms: Iterable[str]) -> None:
        """These don't hold yet."""
        self._waiting = set(rooms)
        if self._waiting:
            self._held.clear()
        else:
            self._held.set()

    # Settling

    async def _settle(self, following: Client, view: View) -> None:
        """Join all rooms, read what was before, and from then on look again in time, after a reconnection, and when a patient has moved."""
        await self._join(following, view)
        self._stirred.set()
        problem: str | None = None
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_AGAIN_SECONDS if problem is None else TRY_AGAIN_SECONDS):
                    await self._stirred.wait()
            self._stirred.clear()
            await self._all_hold()
            problem, before = await self._looked(following), problem
            if problem is not None and before is None:
                self._tell(Missed(what=f"beds and devices can't be read again: {problem}"))

    async def _looked(self, following: Client) -> str | None:
        """Look again; why that can't be done now. A token that ends while it is used is the link's affair."""
        try:
            await self._look(following)
        except HubLost as lost:
            return str(lost)
        except HubRefused as refused:
            if following.link is Link.OPEN:
                raise
            return str(refused)
        return None

    async def _look(self, following: Client) -> None:
        view = await self._asking.view()
        self._tell(BedsRead(view=view))
        await self._join(following, view)
        self._tell(ReadingsRead(signs=await self._asking.last_readings(view)))

    async def _join(self, following: Client, view: View) -> None:
        """Subscribe to every room of the view, and leave those that it does not have."""
        gone = self._rooms.difference(view.rooms)
        following.unsubscribe(*gone)
        fresh = [room for room in view.rooms if room not in self._rooms]
        requests = [await self._request(room) for room in fresh]
        self._rooms = set(view.rooms)
        self._wait_for((self._waiting - gone).union(fresh))
        following.subscribe(*requests)
        await self._all_hold()

    async def _all_hold(self) -> None:
        """Until every room holds; where that takes long, it is told."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(REJOIN_SECONDS):
                await self._held.wait()
        if not self._held.is_set():
            self._live = False
            self._tell(LinkLost(problem="the hub can't follow its rooms now"))
            await self._held.wait()
        if not self._live:
            self._live = self._was_live = True
            self._tell(LinkLive())

    async def _request(self, room: str) -> RoomRequest:
        """Where to begin: for alerts after what the history has, which is told; else at the present."""
        if not room.endswith(":alerts"):
            return RoomRequest(room=room)
        history = await self._asking.history(room)
        events = [message for raw in history.messages if isinstance(message := message_of(raw), Event)]
        told = [event for event in events if event.event_id not in self._history]
        self._history.update(event.event_id for event in told)
        self._tell(HistoryRead(events=tuple(told)))
        return RoomRequest(room=room, since=msgspec.convert(history.next, client.Position))


def _read(raw: bytes) -> Message | None:
    """A message as screens take it; None for one that can't be read."""
    try:
        return decode_message(raw)
    except InvalidMessage:
        return None


def _worst(group: BaseExceptionGroup[Exception]) -> Exception:
    """The one error of a group that decides: a lost link may come back, nothing else does."""
    return min(_leaves(group), key=lambda error: isinstance(error, HubLost))


def _leaves(group: BaseExceptionGroup[Exception]) -> Iterator[Exception]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
