"""The feed against a real Redis: nothing is passed over in silence, whatever the live side loses."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bedside.services.redis import Redis, redis
from hub.errors import RoomsUnavailable
from hub.limits import Limits
from hub.rooms.feed import Feed
from hub.rooms.messages import Message, Position, RoomAddress
from hub.rooms.rooms import Rooms, room_key, state_key
from hub.rooms.watched import Wanted
from tests.hub.rooms.publications import ALERTS, HOSPITAL, VITALS, fence
from tests.hub.rooms.watchers import WAIT_SECONDS, Watcher, join, make_feed, publish
from tests.support.waiting import eventually

ROOM = RoomAddress(hospital_id=HOSPITAL, room=VITALS)
OTHER = RoomAddress(hospital_id=HOSPITAL, room=ALERTS)


@pytest.fixture
async def feed(rooms: Rooms) -> AsyncIterator[Feed[Message]]:
    following = make_feed(rooms)
    task = asyncio.create_task(following.run())
    await asyncio.wait_for(following.wait_healthy(), WAIT_SECONDS)
    await rooms.begin_epoch(HOSPITAL, fence(), new_epoch="e1", from_n=0)
    yield following
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def lose(rooms: Rooms, n: int) -> None:
    """Publish message `n` so that its live copy is lost: it is in the Stream, and nobody was told."""
    loud = rooms._publish
    text = (Path(__file__).parents[3] / "hub/rooms/publish.lua").read_text()
    quiet = text.replace("redis.call('PUBLISH', stream,", "assert(")
    assert quiet != text
    rooms._publish = rooms.client.register_script(quiet)
    await publish(rooms, n)
    rooms._publish = loud


async def test_a_joined_room_is_followed_in_order(rooms: Rooms, feed: Feed[Message]):
    watcher = await join(feed, ROOM)
    assert watcher.joined[0].position == Position(epoch="e1", offset=0)
    await publish(rooms, 1, 2, 3)
    assert await watcher.numbers(3) == [(1, 1), (2, 2), (3, 3)]


async def test_a_room_that_nobody_watches_is_not_subscribed_in_redis(rooms: Rooms, feed: Feed[Message]):
    watcher = await join(feed, ROOM)
    assert await rooms.client.pubsub_channels("bedside:{*") == [room_key(ROOM).encode()]
    feed.leave([ROOM], watcher)
    await join(feed, OTHER)
    assert await rooms.client.pubsub_channels("bedside:{*") == [room_key(OTHER).encode()]


async def test_a_lost_live_message_is_read_from_the_stream_when_the_next_one_comes(rooms: Rooms, feed: Feed[Message]):
    """Delivery rule 24."""
    watcher = await join(feed, ROOM)
    await publish(rooms, 1)
    await lose(rooms, 2)
    await lose(rooms, 3)
    await publish(rooms, 4)
    assert await watcher.numbers(4) == [(1, 1), (2, 2), (3, 3), (4, 4)]


async def test_a_lost_last_message_is_found_by_the_check_of_the_top(rooms: Rooms):
    """Delivery rule 24."""
    following = make_feed(rooms, top_check_seconds=0.1)
    task = asyncio.create_task(following.run())
    await asyncio.wait_for(following.wait_healthy(), WAIT_SECONDS)
    await rooms.begin_epoch(HOSPITAL, fence(), new_epoch="e1", from_n=0)
    watcher = await join(following, ROOM)
    await publish(rooms, 1)
    await lose(rooms, 2)
    assert await watcher.numbers(2) == [(1, 1), (2, 2)]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_new_epoch_in_which_nothing_has_happened_is_found_by_the_check_of_the_top(rooms: Rooms):
    """Delivery rule 24: the check compares the epoch too; its offset is lower than the watcher's."""
    following = make_feed(rooms, top_check_seconds=0.1)
    task = asyncio.create_task(following.run())
    await asyncio.wait_for(following.wait_healthy(), WAIT_SECONDS)
    await rooms.begin_epoch(HOSPITAL, fence(), new_epoch="e1", from_n=0)
    watcher = await join(following, ROOM)
    await publish(rooms, 1, 2)
    assert await watcher.numbers(2) == [(1, 1), (2, 2)]
    await rooms.begin_epoch(HOSPITAL, fence(), new_epoch="e2", from_n=7)
    gap, position = await watcher.next()
    assert (gap.top.epoch, position) == ("e2", Position(epoch="e2", offset=0))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_what_the_stream_has_no_more_is_told_as_a_gap(rooms: Rooms, feed: Feed[Message]):
    watcher = await join(feed, ROOM)
    await publish(rooms, 1)
    await lose(rooms, 2)
    await lose(rooms, 3)
    await rooms.client.xdel(room_key(ROOM), "2-0")
    await publish(rooms, 4)
    assert await watcher.numbers(1) == [(1, 1)]
    gap, position = await watcher.next()
    assert (gap.first, gap.last, position.offset) == (2, 2, 2)
    assert await watcher.numbers(2) == [(3, 3), (4, 4)]


async def test_a_repeat_on_the_live_side_is_skipped(rooms: Rooms, feed: Feed[Message]):
    watcher = await join(feed, ROOM)
    await publish(rooms, 1)
    (entry,) = await rooms.client.xrange(room_key(ROOM))
    await rooms.client.publish(room_key(ROOM), b"1\ne1\n1\n1\n" + entry[1][b"m"])
    await publish(rooms, 2)
    assert await watcher.numbers(2) == [(1, 1), (2, 2)]


async def test_a_straggler_of_an_old_epoch_changes_nothing(rooms: Rooms, feed: Feed[Message]):
    """Delivery rule 24: epoch first, then offset."""
    watcher = await join(feed, ROOM)
    await publish(rooms, 1)
    (entry,) = await rooms.client.xrange(room_key(ROOM))
    await rooms.client.publish(room_key(ROOM), b"1\ne0\n2\n9\n" + entry[1][b"m"])
    await publish(rooms, 2)
    assert await watcher.numbers(2) == [(1, 1), (2, 2)]


async def test_a_new_epoch_is_a_gap_and_then_all_that_it_has(rooms: Rooms, feed: Feed[Message]):
    """Delivery rule 24: epoch first, then offset."""
    watcher = await join(feed, ROOM)
    await publish(rooms, 1)
    await rooms.client.delete(state_key(HOSPITAL))
    await publish(rooms, 2, 3, epoch="e2")
    assert await watcher.numbers(1) == [(1, 1)]
    gap, position = await watcher.next()
    assert (gap.top.epoch, position) == ("e2", Position(epoch="e2", offset=0))
    assert await watcher.numbers(2) == [(1, 2), (2, 3)]


async def test_resuming_while_messages_come_leaves_no_hole_and_no_repeat(rooms: Rooms, feed: Feed[Message]):
    await publish(rooms, 1, 2, 3)
    staying = await join(feed, ROOM)
    stop = asyncio.Event()

    async def flow() -> None:
        n = 3
        while not stop.is_set():
            n += 1
            await publish(rooms, n)

    flowing = asyncio.create_task(flow())
    for start in range(20):
        watcher = Watcher()
        since = Position(epoch="e1", offset=start % 3)
        await feed.join([Wanted(address=ROOM, since=since)], watcher, watcher.joined.append)
        replayed = [message.offset for message in watcher.joined[0].messages]
        assert replayed == list(range(start % 3 + 1, watcher.joined[0].position.offset + 1))
        after = [offset for offset, _ in await watcher.numbers(3)]
        assert after == [watcher.joined[0].position.offset + more for more in (1, 2, 3)]
        feed.leave([ROOM], watcher)
    stop.set()
    await flowing
    count = staying.told.qsize()
    assert [offset for offset, _ in await staying.numbers(count)] == list(range(4, count + 4))


async def test_resuming_ahead_of_what_this_node_has_seen_waits_for_nothing_and_misses_nothing(
    rooms: Rooms, feed: Feed[Message]
):
    """A client comes from a node that was quicker."""
    slow = await join(feed, ROOM)
    for n in (1, 2, 3):
        await lose(rooms, n)
    quick = Watcher()
    since = Position(epoch="e1", offset=2)
    await feed.join([Wanted(address=ROOM, since=since)], quick, quick.joined.append)
    assert [message.offset for message in quick.joined[0].messages] == [3]
    await publish(rooms, 4)
    assert await quick.numbers(1) == [(4, 4)]
    assert await slow.numbers(4) == [(1, 1), (2, 2), (3, 3), (4, 4)]


async def test_a_room_of_a_hospital_without_an_epoch_is_not_joined(feed: Feed[Message]):
    watcher = Watcher()
    nowhere = RoomAddress(hospital_id="h9", room="hospital:h9")
    wanted = [Wanted(address=nowhere), Wanted(address=ROOM)]
    assert await feed.join(wanted, watcher, watcher.joined.append) == (nowhere,)
    assert [joined.address for joined in watcher.joined] == [ROOM]


async def test_the_log_names_the_server_that_is_not_there_and_neither_user_nor_password(
    caplog: pytest.LogCaptureFixture,
):
    with socket.socket() as closed:  # bound and not listening: connections are refused
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        rooms = Rooms.connect(f"redis://someone:hidden@127.0.0.1:{port}/0", Limits())
        task = asyncio.create_task(make_feed(rooms).run())
        await eventually(lambda: "live rooms are lost" in caplog.text)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await rooms.close()
    said = f"live rooms are lost: can't connect to Redis at 127.0.0.1:{port} (ConnectionError)"
    assert caplog.messages.count(said) == 1
    assert "someone" not in caplog.text
    assert "hidden" not in caplog.text


@pytest.fixture
def mortal_redis(services_folder: Path, tmp_path: Path) -> "AsyncIterator[Redis]":
    service = redis(services_folder / f"redis-{tmp_path.name}")
    service.start()
    yield service
    service.stop()


async def test_after_redis_was_killed_everything_is_read_again_before_it_counts_as_healthy(mortal_redis: Redis):
    rooms = Rooms.connect(mortal_redis.url, Limits())
    following = make_feed(rooms)
    task = asyncio.create_task(following.run())
    await asyncio.wait_for(following.wait_healthy(), WAIT_SECONDS)
    await rooms.begin_epoch(HOSPITAL, fence(), new_epoch="e1", from_n=0)
    watcher = await join(following, ROOM)
    await publish(rooms, 1)
    assert await watcher.numbers(1) == [(1, 1)]
    await asyncio.to_thread(mortal_redis.kill)
    await eventually(lambda: not following.healthy)
    with pytest.raises(RoomsUnavailable):
        await following.join([Wanted(address=OTHER)], watcher, watcher.joined.append)
    await asyncio.to_thread(mortal_redis.start)
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            try:
                await publish(rooms, 2, epoch="e2")
                break
            except RoomsUnavailable:
                continue
    await asyncio.wait_for(following.wait_healthy(), WAIT_SECONDS)
    await publish(rooms, 3, epoch="e3")
    seen: list[int] = []
    while 3 not in seen:
        told = await watcher.next()
        if isinstance(told, Message):
            seen.append(told.n)
    assert seen[-2:] == [2, 3]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await rooms.close()


async def test_a_connection_that_passes_nothing_on_is_given_up(rooms: Rooms):
    """A listener that died silently: the canary does not come back."""
    following = make_feed(rooms, canary_seconds=0.2)
    task = asyncio.create_task(following.run())
    await asyncio.wait_for(following.wait_healthy(), WAIT_SECONDS)
    await rooms.begin_epoch(HOSPITAL, fence(), new_epoch="e1", from_n=0)
    watcher = await join(following, ROOM)
    subscription = following._subscription
    assert subscription is not None
    subscription._lines[0].take = lambda _: None  # deaf from here on
    await publish(rooms, 1)
    assert await watcher.numbers(1) == [(1, 1)]
    assert following._subscription is not subscription
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
