"""Subscribers of a feed that keep what they are told, and feeds that are quick to notice."""

import asyncio
from dataclasses import dataclass, field
from random import Random

from hub.latest import LatestReader
from hub.limits import Limits
from hub.rooms.feed import Feed
from hub.rooms.messages import Gap, Message, Position, RoomAddress
from hub.rooms.rooms import Rooms
from hub.rooms.watched import Joined, Wanted
from tests.hub.rooms.publications import VITALS, NoStates, fence, publication

WAIT_SECONDS = 30


@dataclass(eq=False)
class Watcher:
    """A subscriber that keeps what it is told."""

    told: "asyncio.Queue[Message | tuple[Gap, Position]]" = field(default_factory=asyncio.Queue)
    joined: list[Joined] = field(default_factory=list)
    gaps: list[Joined] = field(default_factory=list)

    def deliver(self, frame: Message) -> None:
        self.told.put_nowait(frame)

    def deliver_live(self, frame: Message) -> None:
        self.told.put_nowait(frame)

    def missed(self, joined: Joined) -> None:
        assert joined.gap is not None
        self.gaps.append(joined)
        self.told.put_nowait((joined.gap, joined.position))

    async def next(self) -> "Message | tuple[Gap, Position]":
        return await asyncio.wait_for(self.told.get(), WAIT_SECONDS)

    async def numbers(self, count: int) -> list[tuple[int, int]]:
        """Offset and N of the next messages."""
        messages = [await self.next() for _ in range(count)]
        assert all(isinstance(message, Message) for message in messages), messages
        return [(message.offset, message.n) for message in messages]


def make_feed(rooms: Rooms, latest: LatestReader | None = None, **limits: float) -> Feed[Message]:
    quick = {"retry_seconds": 0.05, "canary_seconds": 2} | limits
    return Feed(
        rooms, Limits(**quick), latest or NoStates(), frame=lambda message: message, node="test", random=Random(1)
    )


async def join(feed: Feed[Message], *addresses: RoomAddress) -> Watcher:
    watcher = Watcher()
    wanted = [Wanted(address=address) for address in addresses]
    assert await feed.join(wanted, watcher, watcher.joined.append) == ()
    return watcher


async def publish(rooms: Rooms, *numbers: int, epoch: str = "unused", room: str = VITALS) -> None:
    await rooms.publish(fence(), [publication(n, room) for n in numbers], new_epoch=epoch)
