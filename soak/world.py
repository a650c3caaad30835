"""Two serving nodes, a record and its owner on one real Redis, and everything that can happen to them."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib import resources
from random import Random
from typing import Final

from bedside.services.redis import Redis
from hub.errors import RoomsUnavailable
from hub.limits import Limits
from hub.rooms.feed import Feed
from hub.rooms.messages import Message, Position, RoomAddress
from hub.rooms.rooms import Rooms, room_key, state_key
from hub.rooms.watched import Joined, Wanted
from soak.record import HOSPITAL, ROOMS, Record, publish
from soak.subscriber import Subscriber

QUIET_SECONDS = 60.0
"""How long it may take until everyone stands where the rooms stand; far more than it ever should."""
START_SECONDS: Final = 60.0
"""What a node gets to follow its rooms for the first time."""
_LIMITS: Final = Limits(top_check_seconds=0.05, retry_seconds=0.02, canary_seconds=5)


class PromiseBroken(AssertionError):
    """What did not hold, in sentences."""


class Node:
    """A serving node, and who is connected to it."""

    def __init__(self, name: str, redis_url: str, record: Record) -> None:
        self.rooms = Rooms.connect(redis_url, _LIMITS)
        self.feed: Feed[Message] = Feed(
            self.rooms, _LIMITS, record, frame=lambda message: message, node=name, random=Random(1)
        )
        self.subscribers: dict[str, Subscriber] = {}
        self._task = asyncio.create_task(self.feed.run(), name=f"node {name}")

    async def end(self) -> None:
        """As a killed process ends: nobody is told anything."""
        for subscriber in self.subscribers.values():
            subscriber.joined.clear()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self.rooms.close()


class World:
    """Its methods are the steps of a run. After `settle` every promise has been looked at."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.record = Record()
        self.subscribers: dict[str, Subscriber] = {}
        self._rooms = Rooms.connect(redis.url, _LIMITS)
        self._quiet = Rooms.connect(redis.url, _LIMITS)
        self._nodes: dict[str, Node] = {}

    async def begin(self) -> None:
        await self._rooms.client.config_set("appendfsync", "always")  # a life before this one must not come back
        await self._rooms.client.flushall()
        await self._rooms.client.config_set("appendfsync", "everysec")
        text = resources.files("hub.rooms").joinpath("publish.lua").read_text(encoding="utf-8")
        silent = text.replace("redis.call('PUBLISH', stream,", "assert(")
        assert silent != text
        self._quiet._publish = self._quiet.client.register_script(silent)
        await publish(self.record, self._rooms)
        for name in ("a", "b"):
            await self.start_node(name)

    async def end(self) -> None:
        for node in self._nodes.values():
            await node.end()
        await self._rooms.close()
        await self._quiet.close()

    # The record and its owner

    async def commit(self, rooms: Sequence[RoomAddress], count: int) -> None:
        for _ in range(count):
            self.record.commit(rooms)

    async def publish(self, *, coalesced: bool = False, silently: bool = False) -> None:
        """`silently`: nobody's live side hears of it."""
        with contextlib.suppress(RoomsUnavailable):
            await publish(self.record, self._quiet if silently else self._rooms, coalesced=coalesced)

    async def restore(self, lost: int) -> None:
        self.record.restore(lost)
        await self.publish()

    # Redis

    async def trim(self, address: RoomAddress, left: int) -> None:
        await self._rooms.client.xtrim(room_key(address), maxlen=left, approximate=False)

    async def lose_state(self) -> None:
        await self._rooms.client.delete(state_key(HOSPITAL))

    async def flush(self) -> None:
        await self._rooms.client.flushall()

    async def forget_scripts(self) -> None:
        await self._rooms.client.script_flush()

    async def cut_live_sides(self) -> None:
        await self._rooms.client.client_kill_filter(_type="pubsub")

    async def restart(self) -> None:
        """Kill -9, and start on the file as it is: the last second may be lost.

        Not in a thread of the loop's: services die with the thread that started them.
        """
        self.redis.kill()
        self.redis.start()

    # Nodes and subscribers

    async def start_node(self, name: str) -> None:
        node = self._nodes[name] = Node(name, self.redis.url, self.record)
        async with asyncio.timeout(START_SECONDS):
            await node.feed.wait_healthy()

    async def replace_node(self, name: str) -> None:
        await self._nodes.pop(name).end()
        await self.start_node(name)

    def leave(self, who: str, rooms: Sequence[RoomAddress]) -> None:
        """The subscriber goes away, and keeps its positions."""
        for node in self._nodes.values():
            if (subscriber := node.subscribers.get(who)) is not None:
                node.feed.leave(rooms, subscriber)
                subscriber.joined.difference_update(rooms)

    async def come(
        self, who: str, name: str, rooms: Sequence[RoomAddress], *, resume: bool, snapshot: bool, meanwhile: int
    ) -> None:
        """Subscribe on a node, from known positions on where `resume`, while so many more messages are published."""
        subscriber = self.subscribers.setdefault(who, Subscriber(who))
        self.leave(who, ROOMS)
        for other in self._nodes.values():
            other.subscribers.pop(who, None)
        node = self._nodes[name]
        node.subscribers[who] = subscriber
        since = {address: view.position for address, view in subscriber.views.items() if resume}
        wanted = [Wanted(address=address, since=since.get(address), snapshot=snapshot) for address in rooms]
        joining = asyncio.create_task(self._join(node, subscriber, wanted, await self._complete(since)))
        for _ in range(meanwhile):
            await asyncio.sleep(0)
            self.record.commit(rooms)
            await self.publish()
        await joining

    async def _complete(self, since: Mapping[RoomAddress, Position]) -> frozenset[RoomAddress]:
        """The rooms of which everything after these positions is there, so that a gap would be a lie."""
        tops = await self._rooms.room_tops([*since])
        return frozenset(
            address
            for address, position in since.items()
            if (top := tops[address]) is not None
            and top.epoch == position.epoch
            and (position.offset == top.offset or 0 < top.oldest <= position.offset + 1 <= top.offset)
        )

    async def _join(
        self, node: Node, subscriber: Subscriber, wanted: Sequence[Wanted], complete: frozenset[RoomAddress]
    ) -> None:
        since = {each.address: each.since for each in wanted}

        def announce(joined: Joined) -> None:
            if joined.gap is not None and joined.address in complete:
                subscriber.faults.append(f"{subscriber.name}: a gap of {joined.address.room}, which had everything")
            subscriber.announce(joined, since[joined.address])

        with contextlib.suppress(RoomsUnavailable):
            await node.feed.join(wanted, subscriber, announce)

    # Promises

    async def settle(self) -> None:
        """Let everything come to rest; then each subscriber stands at its rooms' tops, and has seen all that it was owed."""
        self.record.away = False
        await self._until(self._published, "the rooms did not reach the record's N")
        await self._until(self._all_stand, "not everyone reached the rooms' tops: something was missed in silence")
        for subscriber in self.subscribers.values():
            for address, top in (await self._tops(subscriber)).items():
                due = self.record.of_room(address.room, after=subscriber.views[address].floor)
                subscriber.check(address, top, due)

    def faults(self) -> list[str]:
        return [fault for subscriber in self.subscribers.values() for fault in subscriber.faults]

    async def _until(self, holds: Callable[[], Awaitable[bool]], otherwise: str) -> None:
        deadline = time.monotonic() + QUIET_SECONDS
        while not await holds():
            if time.monotonic() > deadline:
                raise PromiseBroken(otherwise)
            await asyncio.sleep(0.002)

    async def _published(self) -> bool:
        await self.publish()
        with contextlib.suppress(RoomsUnavailable):
            top = await self._rooms.top(HOSPITAL)
            return top is not None and (top.record_epoch, top.n) == (self.record.record_epoch, self.record.n)
        return False

    async def _all_stand(self) -> bool:
        for subscriber in self.subscribers.values():
            for address, top in (await self._tops(subscriber)).items():
                if subscriber.views[address].position != top:
                    return False
        return True

    async def _tops(self, subscriber: Subscriber) -> dict[RoomAddress, Position]:
        """Where the rooms stand that a subscriber follows."""
        tops = await self._rooms.room_tops(sorted(subscriber.joined))
        return {address: top.position for address, top in tops.items() if top is not None}
