"""The live side of a serving node: one pub/sub connection to Redis, and for each watched room one position.

A live message is a hint; the Stream is the truth. A room's messages are passed on only in the order of their offsets: a repeat is
skipped, and on a jump, another epoch, a reconnection or a top that differs, the Stream is read from the room's position on.
What it no longer has is told as a gap, never passed over (delivery rule 24). The node subscribes in Redis only to rooms that
someone here watches. The connection counts as healthy only after a canary has come back through it and every watched
room has been read again.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Sequence
from random import Random
from typing import Final, Generic, Protocol, TypeVar

import msgspec

from hub.errors import RoomsUnavailable, Unreadable
from hub.limits import Limits
from hub.rooms.messages import NOWHERE, Gap, Message, Position, Recovered, RoomAddress
from hub.rooms.rooms import Rooms, room_key
from hub.rooms.subscription import Subscription
from vitals.rooms import is_live_only

log = logging.getLogger(__name__)

Frame_contra = TypeVar("Frame_contra", contravariant=True)
Frame = TypeVar("Frame")
MAX_PENDING: Final = 1000
ATTEMPTS: Final = 5


class Subscriber(Protocol[Frame_contra]):
    """One client. Its methods are called from the event loop and must neither wait nor raise."""

    def deliver(self, frame: Frame_contra) -> None:
        """The next message of a joined room."""

    def deliver_live(self, frame: Frame_contra) -> None:
        """A message of a joined room that remembers nothing; it may be left out."""

    def missed(self, address: RoomAddress, gap: Gap, position: Position) -> None:
        """Messages of a joined room are gone; the next delivered one is the one after `position`."""


class Joined(msgspec.Struct, frozen=True, kw_only=True):
    """A subscription that holds from now on: the next message delivered is the one after `position`, once `messages` are seen.

    `messages` are those after the `since` that was asked for, `gap` what of them is gone (then `messages` is empty).
    """

    address: RoomAddress
    position: Position
    n: int
    messages: tuple[Message, ...] = ()
    gap: Gap | None = None


Announce = Callable[[Joined], None]


class _Watched(Generic[Frame]):
    """A room that someone here watches. `joining` holds what came while each joiner's history was read."""

    def __init__(self, address: RoomAddress, frame: Callable[[Message], Frame]) -> None:
        self.address = address
        self.is_live_only = is_live_only(address.room)
        self.position: Position | None = NOWHERE if self.is_live_only else None
        self.n = 0
        self.subscribers: dict[Subscriber[Frame], None] = {}
        self.joining: dict[Subscriber[Frame], list[Message]] = {}
        self.pending: list[Message] = []
        self.behind = False
        self.reading = asyncio.Lock()
        self._frame = frame

    @property
    def idle(self) -> bool:
        return not self.subscribers and not self.joining

    def start(self, position: Position, n: int) -> None:
        """The first position; messages that came before it was known follow."""
        self.position, self.n = position, n
        pending, self.pending = self.pending, []
        for message in pending:
            self.accept(message)

    def accept(self, message: Message) -> None:
        """A message from either side. Sets `behind` when the Stream must be read."""
        if self.position is None:
            self.pending.append(message)
            self.behind = self.behind or len(self.pending) > MAX_PENDING
        elif message.epoch != self.position.epoch:  # delivery rule 24: epoch first
            self.behind = True
        elif message.offset == self.position.offset + 1:
            self.position, self.n = message.position, message.n
            self._pass_on(message)
        elif message.offset > self.position.offset:
            self.behind = True

    def skip(self, gap: Gap) -> None:
        """Go on after a gap, with what the history still has."""
        kept = gap.messages[0].offset - 1 if gap.messages else gap.top.offset
        self.position, self.n = Position(epoch=gap.top.epoch, offset=kept), gap.top.n
        for subscriber in tuple(self.subscribers):
            subscriber.missed(self.address, gap, self.position)
        for message in gap.messages:
            self.accept(message)

    def pass_on_live(self, message: Message) -> None:
        """Give a message without a place to everybody here."""
        frame = self._frame(message)
        for subscriber in tuple(self.subscribers):
            subscriber.deliver_live(frame)

    def _pass_on(self, message: Message) -> None:
        for buffer in self.joining.values():
            buffer.append(message)
        if self.subscribers:
            frame = self._frame(message)
            for subscriber in tuple(self.subscribers):
                subscriber.deliver(frame)


class Feed(Generic[Frame]):
    """All watched rooms of this node. `frame` makes of a message, once, what every subscriber is given."""

    def __init__(
        self, rooms: Rooms, limits: Limits, *, frame: Callable[[Message], Frame], node: str, random: Random
    ) -> None:
        self._rooms = rooms
        self._limits = limits
        self._frame = frame
        self._random = random
        self._canary = f"bedside:canary:{node}"
        self._watched: dict[str, _Watched[Frame]] = {}
        self._subscription: Subscription | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._healthy = asyncio.Event()
        self.recoveries: Counter[tuple[str, str]] = Counter()
        """Of clients that resume, and of rooms read again while they are followed: what became of it."""

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
        self, addresses: Sequence[RoomAddress], subscriber: Subscriber[Frame], announce: Announce
    ) -> tuple[RoomAddress, ...]:
        """Subscribe to rooms at their present positions. Calls `announce` for each at the instant from which it holds.

        Returns the rooms that can't be had now, because their hospital has no epoch. Raises RoomsUnavailable.
        """
        watched = self._enter(addresses, subscriber)
        try:
            await self._ready(watched)
        except BaseException:
            self._give_up(watched, subscriber)
            raise
        for room in watched:
            if room.position is not None and subscriber in room.joining:
                joined = Joined(address=room.address, position=room.position, n=room.n)
                self._complete(room, subscriber, joined, announce)
        failed = [room for room in watched if subscriber in room.joining]
        self._give_up(failed, subscriber)
        return tuple(room.address for room in failed)

    async def resume(
        self, address: RoomAddress, subscriber: Subscriber[Frame], since: Position, announce: Announce
    ) -> None:
        """Subscribe to a room from a position on; `announce` is given what was missed. Raises RoomsUnavailable."""
        if is_live_only(address.room):  # nothing is missed where nothing is kept
            await self.join([address], subscriber, announce)
            return
        (room,) = watched = self._enter([address], subscriber)
        try:
            await self._ready(watched)
            outcome = await self._missed_since(room, since)
        except BaseException:
            self._give_up(watched, subscriber)
            raise
        if (buffer := room.joining.get(subscriber)) is None or room.position is None:
            return  # left meanwhile
        joined = Joined(address=address, position=room.position, n=room.n)
        self.recoveries["resume", _result(outcome)] += 1
        if isinstance(outcome, Gap):
            joined = msgspec.structs.replace(joined, gap=outcome)
        else:
            after = since.offset
            later = [message for message in buffer if message.offset > outcome.top.offset]
            missed = [message for message in outcome.messages if message.offset > after]
            joined = msgspec.structs.replace(joined, messages=(*missed, *later))
        self._complete(room, subscriber, joined, announce)

    def leave(self, addresses: Iterable[RoomAddress], subscriber: Subscriber[Frame]) -> None:
        """End subscriptions, also those that are still being made."""
        rooms = [room for address in addresses if (room := self._watched.get(room_key(address)))]
        for room in rooms:
            room.subscribers.pop(subscriber, None)
        self._give_up(rooms, subscriber)

    def joined(self, address: RoomAddress, subscriber: Subscriber[Frame]) -> bool:
        """Whether a subscription holds."""
        room = self._watched.get(room_key(address))
        return room is not None and subscriber in room.subscribers

    def standing(self, address: RoomAddress) -> Joined | None:
        """Where a watched room stands for all its subscribers."""
        room = self._watched.get(room_key(address))
        if room is None or room.position is None:
            return None
        return Joined(address=address, position=room.position, n=room.n)

    # Joining

    def _enter(self, addresses: Sequence[RoomAddress], subscriber: Subscriber[Frame]) -> list[_Watched[Frame]]:
        subscription = self._subscription
        if subscription is None or not self.healthy:
            raise RoomsUnavailable("Redis does not answer; subscribe again when it does")
        fresh: list[str] = []
        entered: list[_Watched[Frame]] = []
        for address in dict.fromkeys(addresses):
            key = room_key(address)
            if key not in self._watched:
                self._watched[key] = _Watched(address, self._frame)
                fresh.append(key)
            room = self._watched[key]
            if subscriber not in room.subscribers:
                room.joining[subscriber] = []
                entered.append(room)
        subscription.request(fresh)
        return entered

    def _complete(
        self, room: _Watched[Frame], subscriber: Subscriber[Frame], joined: Joined, announce: Announce
    ) -> None:
        room.joining.pop(subscriber, None)
        announce(joined)
        room.subscribers[subscriber] = None

    def _give_up(self, rooms: Iterable[_Watched[Frame]], subscriber: Subscriber[Frame]) -> None:
        idle: list[str] = []
        for room in rooms:
            room.joining.pop(subscriber, None)
            key = room_key(room.address)
            if room.idle and key in self._watched:
                del self._watched[key]
                idle.append(key)
        if self._subscription and idle:
            self._subscription.withdraw(idle)

    async def _ready(self, watched: Sequence[_Watched[Frame]]) -> None:
        """Wait until Redis has confirmed the rooms, and read the positions of those that have none."""
        if (subscription := self._subscription) is None:
            raise RoomsUnavailable("the connection to Redis was lost; subscribe again")
        keys = [room_key(room.address) for room in watched]
        await _within(self._limits.canary_seconds, subscription.confirmed(keys))
        unplaced = [room for room in watched if room.position is None]
        if not unplaced:
            return
        tops = await self._rooms.room_tops([room.address for room in unplaced])
        for room in unplaced:
            if (top := tops[room.address]) and room.position is None:
                room.start(top.position, top.n)
                self._look(room)

    async def _missed_since(self, room: _Watched[Frame], since: Position) -> Recovered | Gap:
        """Everything after `since` up to where the room stands now, or the gap."""
        for _ in range(ATTEMPTS):
            if (position := room.position) is None:
                break
            ahead = since.epoch == position.epoch and since.offset > position.offset
            outcome = await self._rooms.read(room.address, position if ahead else since)
            if ahead and since.offset > outcome.top.offset:  # of a future that this room never had
                return Gap(top=outcome.top)
            stands = room.position or position
            if outcome.top.epoch == stands.epoch and isinstance(outcome, Recovered):
                for message in outcome.messages:
                    room.accept(message)
                if not room.behind:
                    return outcome
            elif outcome.top.epoch == stands.epoch and outcome.top.offset <= stands.offset:
                return outcome
            room.behind = True
            await self._catch_up(room)
        raise RoomsUnavailable(f"{room.address.room} can't be read at one instant now; try again")

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
                await self._watch_tops()  # in the group's body: only there Python 3.11 takes back its own cancellation
        except* RoomsUnavailable as group:
            raise RoomsUnavailable(str(group.exceptions[0])) from group
        finally:
            await subscription.close()

    async def _restore(self, subscription: Subscription) -> None:
        """Subscribe to everything watched, see a canary come back, read every room again."""
        self._subscription = subscription
        subscription.request([*self._watched])
        await _within(self._limits.canary_seconds, subscription.confirmed([*self._watched]))
        await self._echo(subscription)
        await self._check_tops()

    async def _watch_canary(self, subscription: Subscription) -> None:
        while True:
            await asyncio.sleep(self._limits.canary_seconds)
            await self._echo(subscription)

    async def _echo(self, subscription: Subscription) -> None:
        await _within(self._limits.canary_seconds, subscription.echo())

    async def _watch_tops(self) -> None:
        while True:
            await asyncio.sleep(self._limits.top_check_seconds)
            await self._check_tops()

    async def _check_tops(self) -> None:
        """Compare every watched room with its top, which finds also a lost last message (delivery rule 24)."""
        rooms = [room for room in self._watched.values() if room.position is not None and not room.is_live_only]
        tops = await self._rooms.room_tops([room.address for room in rooms])
        for room in rooms:
            top = tops[room.address]
            if top is None or room.position is None:
                continue
            room.behind |= top.epoch != room.position.epoch or top.offset > room.position.offset
            if room.behind:
                await self._catch_up(room)

    def _received(self, channel: str, payload: bytes) -> None:
        if (room := self._watched.get(channel)) is None:
            return
        try:
            self._take_in(room, payload)
        except Unreadable:
            room.behind = not room.is_live_only  # reading the Stream, which can't open it either, tells it as a gap
        self._look(room)

    def _take_in(self, room: _Watched[Frame], payload: bytes) -> None:
        if not room.is_live_only:
            room.accept(self._rooms.message_in(room.address, payload))
            return
        for told in self._rooms.live_messages_in(room.address, payload):
            room.pass_on_live(told)

    def _look(self, room: _Watched[Frame]) -> None:
        if room.behind and room.position is not None and self._tasks and not room.reading.locked():
            self._tasks.create_task(self._catch_up(room), name="rooms-catch-up")

    async def _catch_up(self, room: _Watched[Frame]) -> None:
        """Read the Stream from the room's position on, until nothing newer was announced meanwhile."""
        async with room.reading:
            while room.behind and room.position is not None:
                room.behind = False
                try:
                    outcome = await self._rooms.read(room.address, room.position)
                except RoomsUnavailable:
                    room.behind = True
                    raise
                self.recoveries["live", _result(outcome)] += 1
                if isinstance(outcome, Gap):
                    room.skip(outcome)
                    continue
                for message in outcome.messages:
                    room.accept(message)


def _result(outcome: Recovered | Gap) -> str:
    return "gap" if isinstance(outcome, Gap) else "recovered"


async def _within(seconds: float, waiting: Coroutine[object, object, None]) -> None:
    try:
        async with asyncio.timeout(seconds):
            await waiting
    except TimeoutError as error:
        raise RoomsUnavailable(f"Redis accepts connections but passes nothing on for {seconds:g} s") from error
