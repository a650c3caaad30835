"""Reading beside a writer: every answer is of one instant, on a real Redis."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from hub.limits import Limits
from hub.rooms.messages import Gap, Position, Recovered, RoomAddress
from hub.rooms.rooms import Rooms
from tests.hub.rooms.publications import HOSPITAL, VITALS, fence, publication

ROOM = RoomAddress(hospital_id=HOSPITAL, room=VITALS)
MESSAGES = 200
EPOCH_MESSAGES = 20


@pytest.fixture
async def writer(rooms: Rooms, redis_server) -> AsyncIterator[Rooms]:
    """Another process's connection."""
    opened = Rooms.connect(redis_server.url, Limits())
    yield opened
    await opened.close()


async def write(writer: Rooms, *, jump_every: int) -> None:
    """Message by message; after `jump_every` of them N jumps, and a new epoch begins."""
    n = 0
    for number in range(MESSAGES):
        n += 2 if number % jump_every == 0 else 1
        await writer.publish(fence(), [publication(n)], new_epoch=f"e{number}")


async def test_within_an_epoch_a_reader_never_sees_a_gap_that_is_none(rooms: Rooms, writer: Rooms):
    """Delivery rule 25: top and entries are of one instant, else what came between them would look lost."""
    await rooms.begin_epoch(HOSPITAL, fence(), new_epoch="e", from_n=1)
    writing = asyncio.create_task(write(writer, jump_every=MESSAGES))
    while not writing.done():
        found = await rooms.read(ROOM, Position(epoch="e", offset=0))
        assert isinstance(found, Recovered)
        assert [message.offset for message in found.messages] == list(range(1, found.top.offset + 1))
    await writing


async def test_messages_are_never_taken_for_those_of_another_epoch(rooms: Rooms, writer: Rooms):
    """Delivery rule 25: epoch, top and entries together; at every instant all of the present epoch is there."""
    await rooms.begin_epoch(HOSPITAL, fence(), new_epoch="e", from_n=0)
    writing = asyncio.create_task(write(writer, jump_every=EPOCH_MESSAGES))
    position = Position(epoch="e", offset=0)
    while not writing.done():
        found = await rooms.read(ROOM, position)
        after = 0 if isinstance(found, Gap) else position.offset
        assert [message.offset for message in found.messages] == list(range(after + 1, found.top.offset + 1))
        assert {message.epoch for message in found.messages} <= {found.top.epoch}
        assert [message.n for message in found.messages][-1:] in ([], [found.top.n])
        position = found.top.position
    await writing
