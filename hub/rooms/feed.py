"""The live side of a serving node: one pub/sub connection to Redis, and for each watched room one position.

A live message is a hint; the Stream is the truth. A room's messages are passed on only in the order of their offsets: a repeat is
skipped, and on a jump, another epoch, a reconnection or a top that differs, the Stream is read from the room's position on.
What it no longer has is told as a gap, with the room's latest state, never passed over (delivery rules 24, 26 and 27). The node
subscribes in Redis only to rooms that someone here watches. The connection counts as healthy only after a canary has come back
through it and every watched room has been read again.
"""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Generic

from hub.errors import RoomsUnavailable, Unreadable
from hub.latest import LatestReader
from hub.limits import Limits
from hub.rooms.joining import ATTEMPTS, settle
from hub.rooms.messages import Gap, Message, Recovered, RoomAddress
from hub.rooms.rooms import ROOMS_A_CALL, Rooms, room_key
from hub.rooms.states import read_states
from hub.rooms.subscription import Subscription
from hub.rooms.waiting import within
from hub.rooms.watched import Announce, Entrant, Frame, Joined, Subscriber, Wanted, Watched

log = logging.getLogger(__name__)


class Feed(Generic[Frame]):
    """All watched rooms of this node. `frame` makes of a message, once, what every subscriber is given."""

    def __init__(
        self,
        rooms: Rooms,
        limits: Limits,
        latest: LatestReader,
        *,
        frame: Callable[[Message], Frame],
        node: str,
        random: Random,
    ) -> None:
        self._rooms = rooms
        self._latest = latest
        self._limits = limits
        self._frame = frame
        self._random = random
        self._canary = f"bedside:canary:{node}"
        self._watched: dict[str, Watched[Frame]] = {}
        self._subscription: Subscription | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._healthy = asyncio.Event()
        self._gaps = asyncio.Event()
        self.recoveries: Counter[tuple[str, str]] = Counter()

    @property
    def healthy(self) -> bool:
        """Whether live messages arrive and nothing is known to be missing."""
        return self._healthy.is_set()

    async def wait_healthy(self) -> None:
        await self._healthy.wait()

    async def run(self) -> None:
        """Keep the connection up, until cancelled."""
        failing = False
        while True:
            try:
                await self._one_connection()
            except RoomsUnavailable as error:
                if (task := asyncio.current_task()) and task.cancelling():
                    raise asyncio.CancelledError from error  # a group that fails while it is cancelled tells only the failure
                if self.healthy or not failing:
                    log.warning("live rooms are lost: %s", error)
                failing = True
            finally:
                self._healthy.clear()
                self._subscription = self._tasks = None
            await asyncio.sleep(self._limits.retry_seconds * self._random.uniform(0.5, 1.0))

    async def join(
        self, wanted: Sequence[Wanted], subscriber: Subscriber[Frame], announce: Announce
    ) -> tuple[RoomAddress, ...]:
        """Subscribe to rooms, each from where it is wanted. Calls `announce` for each at the instant from which it holds.

        Returns the rooms that can't be had now: their hospital has no epoch, or the record does not tell their state. Raises
        RoomsUnavailable; rooms that were announced before that hold nevertheless.
        """
        entering = self._enter(wanted, subscriber)
        try:
            await self._ready([room for room, _ in entering])
            placed = [(room, entrant) for room, entrant in entering if room.position is not None]
            replay_bytes = self._limits.replay_bytes
            resumed = frozenset(each.address for each in wanted if each.since is not None)
            await settle(
                self._rooms,
                self._latest,
                placed,
                self._counted(announce, resumed),
                self._catch_up,
                replay_bytes=replay_bytes,
            )
            return tuple(room.address for room, entrant in entering if entrant in room.entering)
        finally:
            for room, entrant in entering:
                room.entering.pop(entrant, None)
            self._forget([room for room, _ in entering])

    def _counted(self, announce: Announce, resumed: frozenset[RoomAddress]) -> Announce:
        def counted(joined: Joined) -> None:
            if joined.address in resumed:
                self.recoveries["resume", "recovered" if joined.gap is None else "gap"] += 1
            announce(joined)

        return counted

    def leave(self, addresses: Iterable[RoomAddress], subscriber: Subscriber[Frame]) -> None:
        """End subscriptions, also those that are still being made."""
        rooms = [room for address in addresses if (room := self._watched.get(room_key(address)))]
        for room in rooms:
            room.drop(subscriber)
        self._forget(rooms)

    def joined(self, address: RoomAddress, subscriber: Subscriber[Frame]) -> bool:
        """Whether a subscription holds."""
        room = self._watched.get(room_key(address))
        return room is not None and room.holds(subscriber)

    def standing(self, address: RoomAddress) -> Joined | None:
        """Where a watched room stands for all its subscribers."""
        room = self._watched.get(room_key(address))
        return None if room is None or room.position is None else room.joined()

    # Joining

    def _enter(
        self, wanted: Sequence[Wanted], subscriber: Subscriber[Frame]
    ) -> list[tuple[Watched[Frame], Entrant[Frame]]]:
        subscription = self._subscription
        if subscription is None or not self.healthy:
            raise RoomsUnavailable("Redis does not answer; subscribe again when it does")
        fresh: list[str] = []
        entering: list[tuple[Watched[Frame], Entrant[Frame]]] = []
        for each in {each.address: each for each in wanted}.values():
            key = room_key(each.address)
            if key not in self._watched:
                self._watched[key] = Watched(each.address, self._frame)
                fresh.append(key)
            room = self._watched[key]
            entrant = Entrant(each, subscriber)
            room.entering[entrant] = None
            entering.append((room, entrant))
        subscription.request(fresh)
        return entering

    def _forget(self, rooms: Iterable[Watched[Frame]]) -> None:
        """Watch no more what nobody here watches."""
        idle: list[str] = []
        for room in rooms:
            key = room_key(room.address)
            if room.idle and self._watched.get(key) is room:
                del self._watched[key]
                idle.append(key)
        if self._subscription and idle:
            self._subscription.withdraw(idle)

    async def _ready(self, watched: Sequence[Watched[Frame]]) -> None:
        """Wait until Redis has confirmed the rooms, and read the positions of those that have none."""
        if (subscription := self._subscription) is None:
            raise RoomsUnavailable("the connection to Redis was lost; subscribe again")
        keys = [room_key(room.address) for room in watched]
        await within(self._limits.canary_seconds, subscription.confirmed(keys))
        unplaced = [room for room in watched if room.position is None]
        tops = await self._rooms.room_tops([room.address for room in unplaced])
        for room in unplaced:
            if (top := tops[room.address]) and room.position is None:
                room.start(top)
                self._look(room)

    # The connection

    async def _one_connection(self) -> None:
        subscription = self._rooms.subscription(self._received, canary=self._canary)
        try:
            async with asyncio.TaskGroup() as tasks:
                await subscription.connect()
                for name, work in subscription.works():
                    tasks.create_task(work, name=name)
                self._tasks = tasks
                await self._restore(subscription)
                log.info("live rooms are followed (%d watched)", len(self._watched))
                self._healthy.set()
                tasks.create_task(self._watch_canary(subscription), name="rooms-canary")
                tasks.create_task(self._mend_gaps(), name="rooms-gaps")
                await self._watch_tops()  # in the group's body: only there Python 3.11 takes back its own cancellation
        except* RoomsUnavailable as group:
            raise RoomsUnavailable(str(group.exceptions[0])) from group
        finally:
            await subscription.close()

    async def _restore(self, subscription: Subscription) -> None:
        """Subscribe to everything watched, see a canary come back, read every room again."""
        self._subscription = subscription
        subscription.request([*self._watched])
        await within(self._limits.canary_seconds, subscription.confirmed([*self._watched]))
        await self._echo(subscription)
        await self._check_tops()

    async def _watch_canary(self, subscription: Subscription) -> None:
        while True:
            await asyncio.sleep(self._limits.canary_seconds)
            await self._echo(subscription)

    async def _echo(self, subscription: Subscription) -> None:
        await within(self._limits.canary_seconds, subscription.echo())

    async def _watch_tops(self) -> None:
        while True:
            await asyncio.sleep(self._limits.top_check_seconds)
            await self._check_tops()

    async def _check_tops(self) -> None:
        """Compare every watched room with its top, which finds also a lost last message (delivery rule 24)."""
        rooms = [room for room in self._watched.values() if room.position is not None and not room.is_live_only]
        tops = await self._rooms.room_tops([room.address for room in rooms])
        for room in rooms:
            if (top := tops[room.address]) is not None and room.position is not None:
                room.behind |= top.epoch != room.position.epoch or top.offset > room.position.offset
        await self._catch_up([room for room in rooms if room.behind])

    def _received(self, channel: str, payload: bytes) -> None:
        if (room := self._watched.get(channel)) is None:
            return
        try:
            self._take_in(room, payload)
        except Unreadable:
            room.behind = not room.is_live_only  # reading the Stream, which can't open it either, tells it as a gap
        self._look(room)

    def _take_in(self, room: Watched[Frame], payload: bytes) -> None:
        if not room.is_live_only:
            room.accept(self._rooms.message_in(room.address, payload))
            return
        for told in self._rooms.live_messages_in(room.address, payload):
            room.pass_on_live(told)

    def _look(self, room: Watched[Frame]) -> None:
        if room.behind and room.position is not None and self._tasks and not room.reading.locked():
            self._tasks.create_task(self._catch_up([room]), name="rooms-catch-up")

    async def _catch_up(self, rooms: Sequence[Watched[Frame]]) -> None:
        """Read the Streams from the rooms' positions on, until nothing newer was announced meanwhile."""
        async with contextlib.AsyncExitStack() as reading:
            for room in sorted(set(rooms), key=lambda room: room.address):  # all take the locks in one order
                await reading.enter_async_context(room.reading)
            while due := {room.address: room for room in rooms if room.behind and room.position is not None}:
                for room in due.values():
                    room.behind = False
                try:
                    since = {address: room.position for address, room in due.items() if room.position}
                    outcomes = await self._rooms.read_many(since)
                except RoomsUnavailable:
                    for room in due.values():
                        room.behind = True
                    raise
                for address, outcome in outcomes.items():
                    self._take(due[address], outcome)

    def _take(self, room: Watched[Frame], outcome: Recovered | Gap) -> None:
        self.recoveries["live", outcome.result] += 1
        if isinstance(outcome, Recovered):
            for message in outcome.messages:
                room.accept(message)
            return
        room.skip(outcome)
        if room.cut_off:
            self._gaps.set()

    # Gaps

    async def _mend_gaps(self) -> None:
        """Give those whom a gap has cut off the latest state of their rooms, many rooms at a time."""
        self._gaps.set()  # an earlier connection may have ended before it came to some
        while True:
            await self._gaps.wait()
            self._gaps.clear()
            cut = [room for room in self._watched.values() if room.cut_off]
            for start in range(0, len(cut), ROOMS_A_CALL):
                await self._mend(cut[start : start + ROOMS_A_CALL])

    async def _mend(self, rooms: Sequence[Watched[Frame]]) -> None:
        for _ in range(ATTEMPTS):
            marks = {room: room.mark() for room in rooms if room.cut_off}
            if not marks:
                return
            states = await read_states(self._latest, [room.address for room in marks])
            for room, mark in marks.items():
                if not room.stands_since(mark):
                    continue
                if states.covers(room.address, mark):
                    room.mend(states.snapshot(room.address, mark))
                elif not states.known(room.address):
                    room.mend(None)
        for room in rooms:
            room.mend(None)
