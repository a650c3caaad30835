"""Latest states on the way to subscribers, against a real Redis: in one piece with what follows, and never older than what was shown."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import msgspec
import pytest

from hub.errors import RecordUnavailable, RoomsUnavailable
from hub.latest import LatestStates
from hub.limits import Limits
from hub.rooms.feed import Feed
from hub.rooms.messages import Message, Position, RoomAddress
from hub.rooms.rooms import Rooms, room_key, state_key
from hub.rooms.watched import Joined, Wanted
from tests.hub.rooms.publications import ALERTS, HOSPITAL, VITALS, fence, publication
from tests.hub.rooms.watchers import WAIT_SECONDS, Watcher, join, make_feed, publish
from tests.support.waiting import eventually

ROOM = RoomAddress(hospital_id=HOSPITAL, room=VITALS)
OTHER = RoomAddress(hospital_id=HOSPITAL, room=ALERTS)
LIVE_ONLY = RoomAddress(hospital_id=HOSPITAL, room="patient:p1")


class Record:
    """Answers from `n` on request; `answering` holds it up, `reads` says for which rooms it was asked."""

    def __init__(self) -> None:
        self.n = 0
        self.record_epoch = 1
        self.away = False
        self.reads: list[list[str]] = []
        self.answering = asyncio.Event()
        self.answering.set()
        self.asked: Callable[[], None] = lambda: None

    async def states(self, hospital_id: str, rooms: Sequence[str]) -> LatestStates:
        self.reads.append([*rooms])
        self.asked()
        n, record_epoch = self.n, self.record_epoch
        await self.answering.wait()
        if self.away:
            raise RecordUnavailable("away, for this test")
        state = msgspec.Raw(msgspec.json.encode({"as_of": n}))
        known = {room: None if room == LIVE_ONLY.room else state for room in rooms}
        return LatestStates(record_epoch=record_epoch, n=n, states=known)


@pytest.fixture
def record() -> Record:
    return Record()


@pytest.fixture
async def feed(rooms: Rooms, record: Record) -> AsyncIterator[Feed[Message]]:
    following = make_feed(rooms, record)
    task = asyncio.create_task(following.run())
    await asyncio.wait_for(following.wait_healthy(), WAIT_SECONDS)
    await rooms.begin_epoch(HOSPITAL, fence(), new_epoch="e1", from_n=0)
    yield following
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def snapshot_of(joined: Joined) -> tuple[int, int, int]:
    """Offset and N of a snapshot, and the N that its state says."""
    assert joined.snapshot is not None
    return joined.snapshot.position.offset, joined.snapshot.n, msgspec.json.decode(joined.snapshot.state)["as_of"]


async def enter(feed: Feed[Message], *wanted: Wanted) -> Watcher:
    watcher = Watcher()
    async with asyncio.timeout(WAIT_SECONDS):
        await feed.join(wanted, watcher, watcher.joined.append)
    return watcher


async def test_what_comes_while_the_record_is_read_follows_the_state_unless_it_is_in_it(
    rooms: Rooms, feed: Feed[Message], record: Record
):
    """Delivery rule 27: of N 3 to 5, which are published meanwhile, 3 and 4 are in the state; only 5 is delivered."""
    await publish(rooms, 1, 2)
    record.n = 4
    record.answering.clear()
    entering = asyncio.create_task(enter(feed, Wanted(address=ROOM, snapshot=True)))
    await eventually(lambda: record.reads, seconds=WAIT_SECONDS)
    staying = await join(feed, ROOM)
    await publish(rooms, 3, 4, 5)
    assert await staying.numbers(3) == [(3, 3), (4, 4), (5, 5)]
    record.answering.set()
    watcher = await entering
    (joined,) = watcher.joined
    assert (snapshot_of(joined), joined.position.offset, joined.messages) == ((2, 4, 4), 4, ())
    await publish(rooms, 6)
    assert await watcher.numbers(2) == [(5, 5), (6, 6)]


async def test_a_record_behind_the_rooms_is_read_again(rooms: Rooms, feed: Feed[Message], record: Record):
    """Delivery rule 26: a state holds only at the top's N or beyond."""
    await publish(rooms, 1, 2, 3)
    record.n = 1

    def catches_up() -> None:
        record.n = min(3, record.n + 1)

    record.asked = catches_up
    watcher = await enter(feed, Wanted(address=ROOM, snapshot=True))
    assert (snapshot_of(watcher.joined[0]), len(record.reads)) == ((3, 3, 3), 2)


@pytest.mark.parametrize(("n", "record_epoch"), [(2, 1), (9, 2), (9, 0)], ids=["behind", "restored", "older"])
async def test_a_record_that_never_agrees_gives_no_state(
    rooms: Rooms, feed: Feed[Message], record: Record, n: int, record_epoch: int
):
    """Delivery rule 26: after a restore the two record epochs differ until an owner has begun a new stream epoch."""
    await publish(rooms, 1, 2, 3)
    record.n, record.record_epoch = n, record_epoch
    with pytest.raises(RoomsUnavailable):
        await enter(feed, Wanted(address=ROOM, snapshot=True))
    assert len(record.reads) > 1


async def test_whoever_missed_too_much_gets_the_range_and_the_state(rooms: Rooms, feed: Feed[Message], record: Record):
    await publish(rooms, 1, 2, 3, 4)
    await rooms.client.xtrim(room_key(ROOM), maxlen=1, approximate=False)
    record.n = 4
    watcher = await enter(feed, Wanted(address=ROOM, since=Position(epoch="e1", offset=1)))
    (joined,) = watcher.joined
    assert joined.gap is not None
    assert (joined.gap.first, joined.gap.last) == (2, 3)
    assert (snapshot_of(joined), joined.position.offset) == ((4, 4, 4), 4)
    await publish(rooms, 5)
    assert await watcher.numbers(1) == [(5, 5)]


async def test_a_room_without_a_state_is_given_what_is_left_after_the_gap(
    rooms: Rooms, feed: Feed[Message], record: Record
):
    for n in (1, 2, 3):
        await publish(rooms, n, room=LIVE_ONLY.room)
    await rooms.client.xtrim(room_key(LIVE_ONLY), maxlen=2, approximate=False)
    record.n = 3
    watcher = await enter(feed, Wanted(address=LIVE_ONLY, since=Position(epoch="e1", offset=0)))
    (joined,) = watcher.joined
    assert joined.gap is not None
    assert (joined.gap.first, joined.gap.last, joined.position.offset, joined.snapshot) == (1, 1, 1, None)
    assert await watcher.numbers(2) == [(2, 2), (3, 3)]


async def test_rooms_of_one_request_are_resumed_in_one_call_fresh_and_lost_ones_among_them(
    rooms: Rooms, feed: Feed[Message], record: Record, monkeypatch: pytest.MonkeyPatch
):
    many = [RoomAddress(hospital_id=HOSPITAL, room=f"patient:p{number}:vitals") for number in range(40)]
    await rooms.publish(fence(), [publication(1, *(address.room for address in many))], new_epoch="e1")
    record.n = 1
    calls: list[int] = []
    read = Rooms._read_rooms

    async def counted(self: Rooms, group: Sequence[RoomAddress], *rest: object) -> list[object]:
        calls.append(len(group))
        return await read(self, group, *rest)

    monkeypatch.setattr(Rooms, "_read_rooms", counted)
    wanted = [Wanted(address=address, since=Position(epoch="e1", offset=0)) for address in many[:30]]
    wanted += [Wanted(address=address, since=Position(epoch="e0", offset=7)) for address in many[30:35]]
    wanted += [Wanted(address=address) for address in many[35:]]
    watcher = await enter(feed, *wanted)
    assert (calls, len(record.reads)) == ([35], 1)
    assert [joined.address for joined in watcher.joined] == many
    kinds = [(len(joined.messages), joined.gap is not None, joined.snapshot is not None) for joined in watcher.joined]
    assert kinds == [(1, False, False)] * 30 + [(0, True, True)] * 5 + [(0, False, False)] * 5


async def test_a_call_leaves_what_it_has_no_place_for_to_the_next(redis_server, record: Record):
    rooms = Rooms.connect(redis_server.url, Limits(replay_messages=10))
    others = [RoomAddress(hospital_id=HOSPITAL, room=f"patient:q{number}") for number in range(4)]
    for n in range(1, 8):
        await rooms.publish(fence(), [publication(n, *(address.room for address in others))], new_epoch="e1")
    read = await rooms.read_many({address: Position(epoch="e1", offset=0) for address in others})
    assert [[message.offset for message in read[address].messages] for address in others] == [[*range(1, 8)]] * 4
    await rooms.close()


async def test_more_than_a_connection_holds_is_a_gap_of_the_longest_rooms(rooms: Rooms, record: Record):
    following = make_feed(rooms, record, replay_bytes=3000)
    task = asyncio.create_task(following.run())
    await asyncio.wait_for(following.wait_healthy(), WAIT_SECONDS)
    for n in range(1, 11):
        await rooms.publish(
            fence(), [publication(n, *((VITALS, ALERTS) if n == 1 else (VITALS,)), padding=300)], new_epoch="e1"
        )
    record.n = 10
    start = Position(epoch="e1", offset=0)
    watcher = await enter(following, Wanted(address=ROOM, since=start), Wanted(address=OTHER, since=start))
    vitals, alerts = watcher.joined
    assert vitals.gap is not None
    assert (vitals.gap.first, vitals.gap.last, vitals.position.offset) == (1, 10, 10)
    assert snapshot_of(vitals) == (10, 10, 10)
    assert ([message.offset for message in alerts.messages], alerts.gap) == ([1], None)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_gap_of_an_open_subscription_comes_with_the_state_read_once_for_all(
    rooms: Rooms, feed: Feed[Message], record: Record
):
    watchers = [await join(feed, ROOM) for _ in range(3)]
    await publish(rooms, 1)
    await rooms.client.delete(state_key(HOSPITAL))
    record.n = 6
    record.answering.clear()
    await publish(rooms, 5, 6, epoch="e2")
    await eventually(lambda: record.reads, seconds=WAIT_SECONDS)
    await publish(rooms, 7)
    await eventually(lambda: feed.standing(ROOM).position.offset == 3, seconds=WAIT_SECONDS)
    record.answering.set()
    for watcher in watchers:
        assert await watcher.numbers(1) == [(1, 1)]
        gap, position = await watcher.next()
        assert (gap.first, position) == (None, Position(epoch="e2", offset=2))
        assert snapshot_of(watcher.gaps[0])[1:] == (6, 6)
        assert await watcher.numbers(1) == [(3, 7)]
    assert record.reads == [[VITALS]]


async def test_a_gap_is_told_alone_while_the_record_is_away_and_a_new_subscription_is_not_made(
    rooms: Rooms, feed: Feed[Message], record: Record
):
    watcher = await join(feed, ROOM)
    record.away = True
    await publish(rooms, 5, epoch="e2")
    gap, position = await watcher.next()
    assert (gap.top.epoch, position, watcher.gaps[0].snapshot) == ("e2", Position(epoch="e2", offset=0), None)
    assert await watcher.numbers(1) == [(1, 5)]
    late = Watcher()
    wanted = Wanted(address=ROOM, since=Position(epoch="e1", offset=0))
    assert await feed.join([wanted], late, late.joined.append) == (ROOM,)
    assert (late.joined, feed.joined(ROOM, late)) == ([], False)


async def test_a_subscriber_who_leaves_while_the_state_is_read_is_told_nothing(
    rooms: Rooms, feed: Feed[Message], record: Record
):
    staying, leaving = await join(feed, ROOM), await join(feed, ROOM)
    record.answering.clear()
    await publish(rooms, 5, epoch="e2")
    await eventually(lambda: record.reads, seconds=WAIT_SECONDS)
    feed.leave([ROOM], leaving)
    record.n = 5
    record.answering.set()
    await staying.next()
    assert leaving.told.empty()
    assert not feed.joined(ROOM, leaving)


async def test_a_second_gap_before_the_first_was_told_covers_both(rooms: Rooms, feed: Feed[Message], record: Record):
    watcher = await join(feed, ROOM)
    record.answering.clear()
    await publish(rooms, 5, epoch="e2")
    await eventually(lambda: record.reads, seconds=WAIT_SECONDS)
    await publish(rooms, 9, epoch="e3")
    record.n = 9
    await eventually(lambda: feed.standing(ROOM).position.epoch == "e3", seconds=WAIT_SECONDS)
    record.answering.set()
    gap, position = await watcher.next()
    assert (gap.first, position) == (None, Position(epoch="e3", offset=1))
    await publish(rooms, 10)
    assert await watcher.numbers(1) == [(2, 10)]
    assert len(watcher.gaps) == 1


async def test_a_redis_that_went_back_is_not_taken_for_the_truth(rooms: Rooms, feed: Feed[Message], record: Record):
    """After a failover that lost writes: what was read does not reach what had arrived, so nobody is let in over the hole."""
    staying = await join(feed, ROOM)
    await publish(rooms, 1)
    older = {key: await rooms.client.dump(key) for key in (state_key(HOSPITAL), room_key(ROOM))}
    await publish(rooms, 2, 3)
    assert len(await staying.numbers(3)) == 3
    for key, content in older.items():
        await rooms.client.restore(key, 0, content, replace=True)
    with pytest.raises(RoomsUnavailable):
        await enter(feed, Wanted(address=ROOM, since=Position(epoch="e1", offset=0)))
    await publish(rooms, 2, 3)  # its owner brings it on again
    watcher = await enter(feed, Wanted(address=ROOM, since=Position(epoch="e1", offset=0)))
    assert [message.n for message in watcher.joined[0].messages] == [1, 2, 3]
    assert staying.told.empty()
