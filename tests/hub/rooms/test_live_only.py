"""Rooms that remember nothing, on a real Redis: who is there is told, nothing is kept, and a stale owner tells nobody."""

from collections.abc import Callable, Mapping, Sequence

import pytest

from hub.errors import Fenced
from hub.publication import Fence
from hub.rooms.feed import Feed
from hub.rooms.live_only import LiveMessage
from hub.rooms.messages import NOWHERE, Message, Position, RoomAddress
from hub.rooms.rooms import Rooms, room_key, state_key
from hub.rooms.watched import Wanted
from tests.hub.ingest.support import now
from tests.hub.rooms.publications import HOSPITAL, VITALS, fence
from tests.hub.rooms.test_feed import ROOM, feed
from tests.hub.rooms.watchers import Watcher, join, publish
from tests.support.waiting import eventually
from vitals.events import EventName

__all__ = ["feed"]

NAME = "patient:p1:waveforms"
WAVEFORMS = RoomAddress(hospital_id=HOSPITAL, room=NAME)
MOMENT = now()


def message(number: int) -> LiveMessage:
    return LiveMessage(
        event=EventName.PATIENT_WAVEFORM, event_id=f"e{number}", data=b'{"samples": [%d]}' % number, timestamp=MOMENT
    )


async def tell(
    rooms: Rooms,
    *numbers: int,
    held: Fence | None = None,
    room: str = NAME,
    more: Mapping[str, Sequence[LiveMessage]] = {},
) -> int:
    return await rooms.publish_live(HOSPITAL, {room: [message(n) for n in numbers], **more}, fence=held or fence())


async def samples(watcher: Watcher, count: int) -> list[bytes]:
    told = [await watcher.next() for _ in range(count)]
    assert all(isinstance(one, Message) and one.is_live_only for one in told)
    return [one.data for one in told]


async def test_all_messages_of_a_tick_come_in_order_by_one_publication(rooms: Rooms, feed: Feed[Message]):
    watcher = await join(feed, WAVEFORMS)
    assert watcher.joined[0].position == NOWHERE
    assert await tell(rooms, 1, 2, 3) == 1
    assert await samples(watcher, 3) == [b'{"samples": [%d]}' % n for n in (1, 2, 3)]


async def test_a_room_that_nobody_watches_reaches_nobody_and_nothing_is_kept(rooms: Rooms, feed: Feed[Message]):
    assert await tell(rooms, 1) == 0
    watcher = await join(feed, WAVEFORMS)
    assert await tell(rooms, 2) == 1
    assert await samples(watcher, 1) == [b'{"samples": [2]}']
    assert await rooms.client.keys("*:room:*") == []
    assert await rooms.client.hgetall(state_key(HOSPITAL)) == {b"record_epoch": b"1", b"epoch": b"e1", b"n": b"0"}
    feed.leave([WAVEFORMS], watcher)

    async def unsubscribed() -> bool:
        return await rooms.client.pubsub_channels(room_key(WAVEFORMS)) == []

    await eventually(unsubscribed)


async def test_who_comes_back_misses_what_was_said_and_is_not_told_of_a_gap(rooms: Rooms, feed: Feed[Message]):
    watcher = Watcher()
    wanted = Wanted(address=WAVEFORMS, since=Position(epoch="e1", offset=7), snapshot=True)
    assert await feed.join([wanted], watcher, watcher.joined.append) == ()
    (joined,) = watcher.joined
    assert (joined.position, joined.messages, joined.gap) == (NOWHERE, (), None)
    await tell(rooms, 5)
    assert await samples(watcher, 1) == [b'{"samples": [5]}']


async def test_the_check_of_the_tops_leaves_it_alone(rooms: Rooms, feed: Feed[Message]):
    watcher = await join(feed, WAVEFORMS, ROOM)
    await publish(rooms, 1)
    await feed._check_tops()
    await tell(rooms, 1)
    first, second = await watcher.next(), await watcher.next()
    assert {first.room, second.room} == {VITALS, NAME}


@pytest.mark.parametrize(
    ("held", "said"),
    [
        (lambda: fence(lease_seconds=-1), "lease of h1 has ended"),
        (lambda: fence(record_epoch=0), "record epoch 1; an owner of epoch 0"),
    ],
)
async def test_a_stale_owner_tells_nobody(rooms: Rooms, feed: Feed[Message], held: Callable[[], Fence], said: str):
    """Delivery rules 20 and 21, P6."""
    watcher = await join(feed, WAVEFORMS)
    with pytest.raises(Fenced, match=said):
        await tell(rooms, 1, held=held())
    await tell(rooms, 2)
    assert await samples(watcher, 1) == [b'{"samples": [2]}']
