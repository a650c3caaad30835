"""The contract of the publishing and reading scripts, on a real Redis."""

import asyncio

import msgspec
import pytest
from redis.asyncio import Redis as Client

from hub.errors import Fenced, RoomsUnavailable
from hub.limits import Limits
from hub.rooms.messages import Gap, Message, Position, Recovered, RoomAddress, body_of
from hub.rooms.rooms import MAX_MESSAGES, Rooms, room_key, state_key
from tests.hub.rooms.publications import ALERTS, HOSPITAL, VITALS, fence, publication

ROOM = RoomAddress(hospital_id=HOSPITAL, room=VITALS)
ALERT_ROOM = RoomAddress(hospital_id=HOSPITAL, room=ALERTS)


def offsets(messages: tuple[Message, ...]) -> list[tuple[int, int]]:
    return [(message.offset, message.n) for message in messages]


async def everything(rooms: Rooms, address: RoomAddress = ROOM) -> tuple[Message, ...]:
    outcome = await rooms.history(address, since=None, limit=1000)
    assert isinstance(outcome, Recovered)
    return outcome.messages


async def test_messages_get_offsets_from_one_in_the_order_of_n(rooms: Rooms):
    top = await rooms.publish(fence(), [publication(1), publication(2), publication(3, ALERTS)], new_epoch="e1")
    assert (top.record_epoch, top.epoch, top.n) == (1, "e1", 3)
    assert offsets(await everything(rooms)) == [(1, 1), (2, 2)]
    assert offsets(await everything(rooms, ALERT_ROOM)) == [(1, 3)]


async def test_one_event_goes_to_all_its_rooms_under_one_n(rooms: Rooms):
    await rooms.publish(fence(), [publication(1, VITALS, ALERTS)], new_epoch="e1")
    (first,), (second,) = await everything(rooms), await everything(rooms, ALERT_ROOM)
    assert first.members == second.members
    assert (first.n, first.room, second.n, second.room) == (1, VITALS, 1, ALERTS)


async def test_a_repeat_returns_and_changes_nothing(rooms: Rooms):
    """Delivery rule 16: N names the message, so the same N again is the same message."""
    await rooms.publish(fence(), [publication(1), publication(2)], new_epoch="e1")
    top = await rooms.publish(fence(), [publication(1), publication(2)], new_epoch="e2")
    assert (top.epoch, top.n) == ("e1", 2)
    assert offsets(await everything(rooms)) == [(1, 1), (2, 2)]


async def test_the_rest_of_a_batch_that_partly_repeats_is_published(rooms: Rooms):
    await rooms.publish(fence(), [publication(1), publication(2)], new_epoch="e1")
    await rooms.publish(fence(), [publication(2), publication(3)], new_epoch="e2")
    assert offsets(await everything(rooms)) == [(1, 1), (2, 2), (3, 3)]


async def test_a_jump_of_n_begins_a_new_stream_epoch(rooms: Rooms):
    """Delivery rule 19."""
    await rooms.publish(fence(), [publication(1)], new_epoch="e1")
    top = await rooms.publish(fence(), [publication(3)], new_epoch="e2")
    assert (top.epoch, top.n) == ("e2", 3)
    assert offsets(await everything(rooms)) == [(1, 3)]


async def test_a_jump_behind_a_repeat_begins_a_new_stream_epoch_too(rooms: Rooms):
    """Else a subscriber of the old epoch would miss N 2 without a sign."""
    await rooms.publish(fence(), [publication(1)], new_epoch="e1")
    top = await rooms.publish(fence(), [publication(1), publication(3)], new_epoch="e2")
    assert (top.epoch, top.n) == ("e2", 3)


async def test_a_newer_record_epoch_begins_a_new_stream_epoch(rooms: Rooms):
    """Delivery rules 5 and 20: N is compared only within one record epoch."""
    await rooms.publish(fence(), [publication(1), publication(2)], new_epoch="e1")
    top = await rooms.publish(fence(record_epoch=2), [publication(1, record_epoch=2)], new_epoch="e2")
    assert (top.record_epoch, top.epoch, top.n) == (2, "e2", 1)


async def test_an_older_record_epoch_is_refused(rooms: Rooms):
    """Delivery rule 20."""
    await rooms.publish(fence(record_epoch=2), [publication(1, record_epoch=2)], new_epoch="e1")
    with pytest.raises(Fenced, match="record epoch 2"):
        await rooms.publish(fence(record_epoch=1), [publication(9)], new_epoch="e2")
    assert offsets(await everything(rooms)) == [(1, 1)]


async def test_an_owner_whose_lease_has_ended_is_refused_by_rediss_clock(rooms: Rooms):
    """Delivery rule 21."""
    with pytest.raises(Fenced, match="lease"):
        await rooms.publish(fence(lease_seconds=-1), [publication(1)], new_epoch="e1")
    assert await rooms.top(HOSPITAL) is None


async def test_the_last_moments_of_a_lease_are_refused_for_clocks_that_differ(rooms: Rooms):
    """Delivery rule 21."""
    with pytest.raises(Fenced, match="lease"):
        await rooms.begin_epoch(
            HOSPITAL, fence(lease_seconds=Limits().lease_margin_seconds / 2), new_epoch="e", from_n=0
        )


async def test_a_lost_key_begins_a_new_stream_epoch_and_forgets_old_history(rooms: Rooms):
    """Delivery rules 17 and 18."""
    await rooms.publish(fence(), [publication(1), publication(2)], new_epoch="e1")
    await rooms.client.delete(state_key(HOSPITAL))
    top = await rooms.publish(fence(), [publication(2)], new_epoch="e2")
    assert (top.epoch, top.n) == ("e2", 2)
    assert offsets(await everything(rooms)) == [(1, 2)]


async def test_what_an_earlier_epoch_left_in_a_room_is_never_read(rooms: Rooms):
    """Delivery rule 17: a room's top is in the hospital's hash, whatever its Stream holds."""
    await rooms.publish(fence(), [publication(1), publication(2)], new_epoch="e1")
    await rooms.begin_epoch(HOSPITAL, fence(), new_epoch="e2", from_n=5)
    outcome = await rooms.read(ROOM, Position(epoch="e2", offset=0))
    assert outcome == Recovered(top=outcome.top, messages=())
    assert outcome.top.offset == 0


async def test_the_hash_of_a_hospital_never_expires(rooms: Rooms):
    """Delivery rule 17."""
    await rooms.publish(fence(), [publication(1)], new_epoch="e1")
    assert await rooms.client.ttl(state_key(HOSPITAL)) == -1
    assert 0 < await rooms.client.ttl(room_key(ROOM)) <= Limits().history_seconds


async def test_an_epoch_in_use_is_not_begun_again(rooms: Rooms):
    """Delivery rule 18: else an offset would be used twice."""
    await rooms.publish(fence(), [publication(1)], new_epoch="e1")
    with pytest.raises(ValueError, match="random"):
        await rooms.publish(fence(), [publication(5)], new_epoch="e1")


async def test_an_epoch_is_begun_where_there_is_none_and_only_there(rooms: Rooms):
    """Delivery rule 22: it starts from what SQL knows to be published."""
    begun = await rooms.begin_epoch(HOSPITAL, fence(), new_epoch="e1", from_n=7)
    assert (begun.epoch, begun.n) == ("e1", 7)
    again = await rooms.begin_epoch(HOSPITAL, fence(), new_epoch="e2", from_n=7)
    assert (again.epoch, again.n) == ("e1", 7)
    assert (await rooms.publish(fence(), [publication(8)], new_epoch="e3")).epoch == "e1"


async def test_all_messages_of_a_call_are_there_or_none(rooms: Rooms):
    """A batch of 64 is seen whole at every read that runs beside it."""
    batch = [publication(n, VITALS, ALERTS) for n in range(1, MAX_MESSAGES + 1)]
    await rooms.begin_epoch(HOSPITAL, fence(), new_epoch="e1", from_n=0)
    async with rooms.client.pipeline(transaction=False) as pipeline:
        for _ in range(20):
            pipeline.xlen(room_key(ROOM))
        _, lengths = await asyncio.gather(rooms.publish(fence(), batch, new_epoch="e2"), pipeline.execute())
    assert set(lengths) <= {0, MAX_MESSAGES}


@pytest.mark.parametrize(
    "batch",
    [
        [],
        [publication(n) for n in range(1, MAX_MESSAGES + 2)],
        [publication(2), publication(1)],
        [publication(1), publication(1)],
        [publication(1), publication(2, hospital_id="h2")],
        [publication(1), publication(2, record_epoch=2)],
    ],
    ids=["none", "too many", "falling", "same n", "two hospitals", "two record epochs"],
)
async def test_a_wrong_batch_is_refused_before_redis_sees_it(rooms: Rooms, batch):
    with pytest.raises(ValueError, match="call"):
        await rooms.publish(fence(), batch, new_epoch="e1")


async def test_test_events_take_an_n_like_any_other(rooms: Rooms):
    """Delivery rule 16."""
    top = await rooms.publish(fence(), [publication(1, test=True), publication(2)], new_epoch="e1")
    assert top.n == 2
    assert b'"test":true' in (await everything(rooms))[0].members


async def test_reading_from_a_position_gives_exactly_what_came_after_it(rooms: Rooms):
    """Delivery rule 25."""
    await rooms.publish(fence(), [publication(n) for n in range(1, 6)], new_epoch="e1")
    outcome = await rooms.read(ROOM, Position(epoch="e1", offset=3))
    assert isinstance(outcome, Recovered)
    assert offsets(outcome.messages) == [(4, 4), (5, 5)]
    assert (outcome.top.epoch, outcome.top.offset, outcome.top.n, outcome.top.oldest) == ("e1", 5, 5, 1)


async def test_a_position_of_another_epoch_or_of_the_future_is_a_gap(rooms: Rooms):
    """Delivery rule 24: epoch first, then offset."""
    await rooms.publish(fence(), [publication(1), publication(2)], new_epoch="e1")
    for position in (Position(epoch="e0", offset=1), Position(epoch="e1", offset=3), Position(epoch="", offset=0)):
        outcome = await rooms.read(ROOM, position)
        assert isinstance(outcome, Gap)
        assert (outcome.first, outcome.top.offset) == (None, 2)


async def test_after_a_change_of_epoch_the_gap_carries_all_that_the_new_epoch_has(rooms: Rooms):
    await rooms.publish(fence(), [publication(n) for n in range(1, 4)], new_epoch="e1")
    await rooms.publish(fence(), [publication(9), publication(10)], new_epoch="e2")
    outcome = await rooms.read(ROOM, Position(epoch="e1", offset=3))
    assert isinstance(outcome, Gap)
    assert offsets(outcome.messages) == [(1, 9), (2, 10)]


async def test_history_is_bounded_in_bytes_and_what_was_cut_is_a_named_gap(redis_server):
    rooms = Rooms.connect(redis_server.url, Limits(history_bytes=10_000))
    for n in range(1, 41):
        await rooms.publish(fence(), [publication(n, padding=1000)], new_epoch="e1")
    kept = await everything(rooms)
    assert 8 <= len(kept) <= 10
    assert kept[-1].offset == 40
    outcome = await rooms.read(ROOM, Position(epoch="e1", offset=1))
    assert isinstance(outcome, Gap)
    assert (outcome.first, outcome.last) == (2, kept[0].offset - 1)
    await rooms.close()


async def test_history_older_than_its_time_is_cut_as_new_messages_come(redis_server):
    rooms = Rooms.connect(redis_server.url, Limits(history_seconds=100))
    await rooms.publish(fence(), [publication(1)], new_epoch="e1")
    client: Client = rooms.client
    (entry,) = await client.xrange(room_key(ROOM))
    aged = {**entry[1], b"t": int(entry[1][b"t"]) - 101_000}
    await client.delete(room_key(ROOM))
    await client.xadd(room_key(ROOM), aged, id="1-0")
    await rooms.publish(fence(), [publication(2)], new_epoch="e1")
    assert offsets(await everything(rooms)) == [(2, 2)]
    await rooms.close()


async def test_a_history_that_expired_whole_is_a_gap(rooms: Rooms):
    """Delivery rule 17: the offsets outlive the Stream."""
    await rooms.publish(fence(), [publication(1), publication(2)], new_epoch="e1")
    await rooms.client.delete(room_key(ROOM))
    outcome = await rooms.read(ROOM, Position(epoch="e1", offset=0))
    assert isinstance(outcome, Gap)
    assert (outcome.first, outcome.last, outcome.messages) == (1, 2, ())


async def test_history_pages_forward_from_a_position(rooms: Rooms):
    await rooms.publish(fence(), [publication(n) for n in range(1, 10)], new_epoch="e1")
    page = await rooms.history(ROOM, since=Position(epoch="e1", offset=2), limit=3)
    assert isinstance(page, Recovered)
    assert offsets(page.messages) == [(3, 3), (4, 4), (5, 5)]
    newest = await rooms.history(ROOM, since=None, limit=2)
    assert isinstance(newest, Recovered)
    assert offsets(newest.messages) == [(8, 8), (9, 9)]


async def test_scripts_are_loaded_again_after_redis_forgot_them(rooms: Rooms):
    await rooms.publish(fence(), [publication(1)], new_epoch="e1")
    await rooms.client.script_flush()
    await rooms.publish(fence(), [publication(2)], new_epoch="e1")
    await rooms.client.script_flush()
    assert offsets(await everything(rooms)) == [(1, 1), (2, 2)]


async def test_all_keys_of_a_hospital_share_one_hash_slot(rooms: Rooms):
    await rooms.publish(fence(), [publication(1, VITALS, ALERTS)], new_epoch="e1")
    keys = [key async for key in rooms.client.scan_iter("bedside:*")]
    assert len(keys) == 3
    assert len({key.split(b"{")[1].split(b"}")[0] for key in keys}) == 1


async def test_an_unreachable_redis_is_an_error_of_ours():
    rooms = Rooms.connect("redis://127.0.0.1:1/0")
    with pytest.raises(RoomsUnavailable):
        await rooms.publish(fence(), [publication(1)], new_epoch="e1")
    with pytest.raises(RoomsUnavailable):
        await rooms.top(HOSPITAL)
    with pytest.raises(RoomsUnavailable):
        await rooms.ping()
    await rooms.close()


async def test_a_repeat_has_the_same_bytes(rooms: Rooms):
    """Delivery rule 19: content, event id and timestamp derive from the row."""
    assert body_of(publication(1)) == body_of(msgspec.structs.replace(publication(1)))
