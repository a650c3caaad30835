"""Sealed rooms on a real Redis: nothing readable lies there, keys rotate without a gap, and what can't be opened is told, never passed over."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from bedside.deployment import make_secrets
from bedside.services.redis import Redis
from hub.errors import ConfigurationError, Unreadable
from hub.rooms.messages import Gap, Position, Recovered, RoomAddress, body_of
from hub.rooms.rooms import Rooms, room_key
from hub.rooms.sealing import SealedBodies, load_keys
from hub.settings import RedisSettings
from tests.hub.rooms.publications import ALERTS, HOSPITAL, VITALS, fence, publication
from tests.hub.rooms.watchers import WAIT_SECONDS, join, make_feed

ROOM = RoomAddress(hospital_id=HOSPITAL, room=VITALS)
START = Position(epoch="e1", offset=0)
OLD, NEW = b"o" * 32, b"n" * 32
Open = Callable[..., Rooms]


def keys_in(folder: Path, name: str = "secrets") -> Path:
    """One key more, made as an administrator makes it."""
    make_secrets(folder / name, [], payload_key=True)
    return folder / name / "payload-keys"


@pytest.fixture
async def opened(redis_server: Redis) -> AsyncIterator[Open]:
    """Opens rooms with the payload keys of a file, as they are now."""
    everything: list[Rooms] = []

    def opening(keys: Path | None = None) -> Rooms:
        rooms = Rooms.connect(RedisSettings(url=redis_server.url, payload_keys_file=keys))
        everything.append(rooms)
        return rooms

    yield opening
    for rooms in everything:
        await rooms.close()


async def numbers(rooms: Rooms) -> list[int]:
    outcome = await rooms.read(ROOM, START)
    assert isinstance(outcome, Recovered)
    return [message.n for message in outcome.messages]


async def test_nothing_of_a_message_can_be_read_in_redis(opened: Open, tmp_path: Path):
    rooms = opened(keys_in(tmp_path))
    async with rooms.client.pubsub() as channel:
        await channel.subscribe(room_key(ROOM))
        await channel.get_message(timeout=WAIT_SECONDS)
        await rooms.publish(fence(), [publication(1)], new_epoch="e1")
        live = await channel.get_message(timeout=WAIT_SECONDS)
    ((_, fields),) = await rooms.client.xrange(room_key(ROOM))
    assert live is not None
    for seen in (fields[b"m"], live["data"]):
        assert not any(word in seen for word in (b"heart_rate", b"padding", b"patient", b"timestamp"))
    outcome = await rooms.read(ROOM, START)
    assert b'"heart_rate":1' in outcome.messages[0].data


async def test_a_message_that_is_published_again_is_the_same_under_other_bytes(opened: Open, tmp_path: Path):
    """Delivery rule 19: the same content. No nonce is used twice, by this process or by another with the same keys."""
    keys = load_keys(keys_in(tmp_path))
    sealing = [SealedBodies(keys), SealedBodies(keys)]
    sealed = [bodies.of(publication(1)) for bodies in sealing for _ in range(1000)]
    heads = {body[: 3 + body[2] + 16 + 8] for body in sealed}
    assert len(heads) == len(sealed)
    opened_again = {sealing[0].opened(ROOM, record_epoch=1, n=1, body=body) for body in sealed}
    assert opened_again == {body_of(publication(1))}


async def test_keys_rotate_without_a_gap(opened: Open, tmp_path: Path):
    """First every reader gets the new key, then the owner: what the old key sealed can still be read."""
    keys = keys_in(tmp_path)
    owner, reader = opened(keys), opened(keys)
    await owner.publish(fence(), [publication(1)], new_epoch="e1")
    keys_in(tmp_path)
    reader = opened(keys)
    await owner.publish(fence(), [publication(2)], new_epoch="e1")
    await opened(keys).publish(fence(), [publication(3)], new_epoch="e1")
    assert await numbers(reader) == [1, 2, 3]
    used = [fields[b"m"][3 : 3 + fields[b"m"][2]].decode() for _, fields in await owner.client.xrange(room_key(ROOM))]
    first, second = load_keys(keys)
    assert used == [first, first, second]


async def test_an_unknown_key_is_a_gap_that_is_counted(opened: Open, tmp_path: Path):
    await opened(keys_in(tmp_path, "other")).publish(fence(), [publication(1), publication(2)], new_epoch="e1")
    keys = keys_in(tmp_path)
    rooms = opened(keys)
    await rooms.publish(fence(), [publication(3)], new_epoch="e1")
    outcome = await rooms.read(ROOM, START)
    assert isinstance(outcome, Gap)
    assert (outcome.first, outcome.last, [message.n for message in outcome.messages]) == (1, 2, [3])
    assert rooms.unreadable == Counter({"unknown_key": 2})
    page = await rooms.history(ROOM, since=None, limit=10)
    assert isinstance(page, Gap)
    assert (page.first, page.last, [message.n for message in page.messages]) == (1, 2, [3])


async def test_messages_that_are_not_sealed_are_not_believed_by_who_has_keys(opened: Open, tmp_path: Path):
    await opened().publish(fence(), [publication(1)], new_epoch="e1")
    rooms = opened(keys_in(tmp_path))
    assert isinstance(await rooms.read(ROOM, START), Gap)
    assert rooms.unreadable == Counter({"not_sealed": 1})


async def test_sealed_messages_are_a_gap_for_who_has_no_keys(opened: Open, tmp_path: Path):
    await opened(keys_in(tmp_path)).publish(fence(), [publication(1)], new_epoch="e1")
    rooms = opened()
    assert isinstance(await rooms.read(ROOM, START), Gap)
    assert rooms.unreadable == Counter({"no_keys": 1})


def test_every_changed_bit_is_noticed():
    bodies = SealedBodies({"k": OLD})
    body = bodies.of(publication(1))
    for place in range(len(body)):
        for bit in (1, 128):
            changed = bytearray(body)
            changed[place] ^= bit
            with pytest.raises(Unreadable):
                bodies.opened(ROOM, record_epoch=1, n=1, body=bytes(changed))
    for length in range(len(body)):
        with pytest.raises(Unreadable):
            bodies.opened(ROOM, record_epoch=1, n=1, body=body[:length])


@pytest.mark.parametrize(
    ("hospital", "room", "record_epoch", "n"),
    [("h2", VITALS, 1, 1), (HOSPITAL, ALERTS, 1, 1), (HOSPITAL, VITALS, 2, 1), (HOSPITAL, VITALS, 1, 2)],
    ids=["hospital", "room", "record epoch", "N"],
)
def test_a_body_opens_only_in_its_own_place(hospital: str, room: str, record_epoch: int, n: int):
    bodies = SealedBodies({"k": OLD})
    body = bodies.of(publication(1))
    assert bodies.opened(ROOM, record_epoch=1, n=1, body=body) == body_of(publication(1))
    with pytest.raises(Unreadable):
        bodies.opened(RoomAddress(hospital_id=hospital, room=room), record_epoch=record_epoch, n=n, body=body)


async def test_a_live_message_that_was_tampered_with_is_told_as_a_gap_and_the_next_one_comes(
    opened: Open, tmp_path: Path
):
    """Watchers are told which message they miss, and go on."""
    rooms = opened(keys_in(tmp_path))
    following = make_feed(rooms)
    task = asyncio.create_task(following.run())
    await asyncio.wait_for(following.wait_healthy(), WAIT_SECONDS)
    await rooms.publish(fence(), [publication(1)], new_epoch="e1")
    watcher = await join(following, ROOM)
    good, rooms._bodies.of = rooms._bodies.of, lambda publication: SealedBodies({"k": NEW}).of(publication)
    await rooms.publish(fence(), [publication(2)], new_epoch="e1")
    gap, position = await watcher.next()
    assert (gap.first, gap.last, position) == (2, 2, Position(epoch="e1", offset=2))
    rooms._bodies.of = good
    await rooms.publish(fence(), [publication(3)], new_epoch="e1")
    assert await watcher.numbers(1) == [(3, 3)]
    assert rooms.unreadable["unknown_key"] >= 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_what_goes_to_a_live_only_room_is_sealed_for_that_room():
    bodies = SealedBodies({"k": OLD})
    room = RoomAddress(hospital_id=HOSPITAL, room="patient:p1:waveforms")
    payload = bodies.of_live(room, b"samples")
    assert b"samples" not in payload
    assert bodies.opened_live(room, payload) == b"samples"
    for other in (RoomAddress(hospital_id=HOSPITAL, room="patient:p2:waveforms"), ROOM):
        with pytest.raises(Unreadable):
            bodies.opened_live(other, payload)


@pytest.mark.parametrize(
    "text",
    ["", "# nothing\n", "k\n", "k AAAA\n", f"k {'A' * 44}x\n", f"k k {'A' * 43}=\n", f"k {'A' * 43}=\nk {'B' * 43}=\n"],
    ids=["empty", "no key", "no bytes", "too short", "no base64", "no id", "twice"],
)
def test_a_file_of_keys_that_can_not_be_used_is_refused_and_no_key_is_told(tmp_path: Path, text: str):
    file = tmp_path / "keys"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=r"^redis\.payload_keys_file: ") as refused:
        load_keys(file)
    assert "AAAA" not in str(refused.value)
