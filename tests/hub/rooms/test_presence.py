"""Presence in a real Redis: several nodes' words, combined, announced once, and ended where a node died."""

import asyncio
from collections.abc import AsyncIterator
from random import Random

import pytest
from redis.asyncio import Redis as Client

from bedside.services.redis import Redis
from hub.errors import RoomsUnavailable
from hub.limits import Limits
from hub.rooms.messages import RoomAddress
from hub.rooms.presence import Activity, Attending, PresenceStore, change_from, presence_key
from hub.rooms.presence_feed import PresenceFeed
from hub.rooms.rooms import Rooms
from tests.hub.rooms.presence_ear import Ear
from tests.support.waiting import eventually

VITALS = RoomAddress(hospital_id="h1", room="patient:p1:vitals")
ALERTS = RoomAddress(hospital_id="h1", room="patient:p1:alerts")
ELSEWHERE = RoomAddress(hospital_id="h2", room="patient:p9")
LEASES = "bedside:{h1}:presence"
ACTIVE, IDLE, AWAY = Activity


@pytest.fixture
def first(rooms: Rooms) -> PresenceStore:
    return PresenceStore(rooms.servers, Limits(), node="n1")


@pytest.fixture
def second(rooms: Rooms) -> PresenceStore:
    return PresenceStore(rooms.servers, Limits(), node="n2")


@pytest.fixture
async def heard(redis_server: Redis) -> AsyncIterator[asyncio.Queue]:
    """What is announced of VITALS."""
    async with Client.from_url(redis_server.url) as client, client.pubsub(ignore_subscribe_messages=True) as channel:
        await channel.subscribe(presence_key(VITALS))
        changes: asyncio.Queue = asyncio.Queue()

        async def listen() -> None:
            async for message in channel.listen():
                change = change_from(message["data"])
                changes.put_nowait((change.user, change.status))

        task = asyncio.create_task(listen())
        yield changes
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def attending(user: str, status: Activity | None, address: RoomAddress = VITALS) -> Attending:
    return Attending(address=address, user=user, status=status)


async def users(store: PresenceStore, address: RoomAddress = VITALS) -> dict[str, Activity]:
    return dict((await store.read([address]))[address].users)


async def end_leases(rooms: Rooms, node: str) -> None:
    """As if the time of a node that has died had passed."""
    members = [member for member in await rooms.client.zrange(LEASES, 0, -1) if member.decode().endswith(f"\n{node}")]
    assert members
    await rooms.client.zadd(LEASES, dict.fromkeys(members, 1))


async def drained(heard: asyncio.Queue, count: int) -> list[tuple[str, Activity | None]]:
    async with asyncio.timeout(10):
        return [await heard.get() for _ in range(count)]


async def test_the_most_active_of_all_nodes_counts(first: PresenceStore, second: PresenceStore):
    await first.write([attending("ann", IDLE), attending("bob", AWAY)])
    await second.write([attending("ann", ACTIVE), attending("bob", AWAY), attending("eve", ACTIVE, ALERTS)])
    assert await users(first) == {"ann": ACTIVE, "bob": AWAY}
    await second.write([attending("ann", None)])
    assert await users(second) == {"ann": IDLE, "bob": AWAY}
    assert await users(second, ALERTS) == {"eve": ACTIVE}
    await first.write([attending("ann", None)])
    assert await users(second) == {"bob": AWAY}


async def test_a_change_is_announced_once_and_only_where_it_shows(
    first: PresenceStore, second: PresenceStore, heard: asyncio.Queue
):
    await first.write([attending("ann", ACTIVE)])
    await second.write([attending("ann", ACTIVE)])  # a second connection shows nothing new
    await first.write([attending("ann", ACTIVE)])  # nor does renewing
    await second.write([attending("ann", IDLE)])
    await first.write([attending("ann", None)])
    await second.write([attending("ann", None)])
    await second.write([attending("ann", None)])
    assert await drained(heard, 3) == [("ann", ACTIVE), ("ann", IDLE), ("ann", None)]
    await first.write([attending("end", ACTIVE)])
    assert await drained(heard, 1) == [("end", ACTIVE)]


async def test_a_dead_nodes_leases_end_and_are_announced_once_by_whichever_node_looks(
    rooms: Rooms, second: PresenceStore, heard: asyncio.Queue
):
    dying = PresenceStore(rooms.servers, Limits(), node="dying")
    await dying.write([attending("ann", ACTIVE), attending("bob", ACTIVE)])
    await second.write([attending("bob", IDLE)])
    assert await drained(heard, 2) == [("ann", ACTIVE), ("bob", ACTIVE)]
    assert await second.reap("h1") == 0, "a lease that lasts was ended"
    third = PresenceStore(rooms.servers, Limits(), node="n3")
    await end_leases(rooms, "dying")
    assert sum(await asyncio.gather(second.reap("h1"), third.reap("h1"))) == 2
    assert sorted(await drained(heard, 2), key=str) == [("ann", None), ("bob", IDLE)]
    assert await users(third) == {"bob": IDLE}
    await second.write([attending("end", ACTIVE)])
    assert await drained(heard, 1) == [("end", ACTIVE)]


async def test_reading_never_shows_whose_lease_has_ended(rooms: Rooms, second: PresenceStore):
    await PresenceStore(rooms.servers, Limits(), node="dying").write([attending("ann", ACTIVE)])
    assert await users(second) == {"ann": ACTIVE}
    await end_leases(rooms, "dying")
    assert await users(second) == {}


async def test_renewing_moves_the_leases_end_and_announces_nothing(
    rooms: Rooms, first: PresenceStore, heard: asyncio.Queue
):
    await first.write([attending("ann", ACTIVE)])
    await end_leases(rooms, "n1")
    await first.write([attending("ann", ACTIVE)])  # late, but before anybody has looked
    seconds, _ = await rooms.client.time()
    assert await rooms.client.zscore(LEASES, f"{VITALS.room}\nann\nn1") > (seconds + 50) * 1000
    await first.write([attending("end", ACTIVE)])
    assert await drained(heard, 2) == [("ann", ACTIVE), ("end", ACTIVE)]


async def test_hospitals_and_many_rooms_go_in_calls_of_their_own(first: PresenceStore):
    many = [RoomAddress(hospital_id="h1", room=f"patient:{number}") for number in range(150)]
    await first.write([attending("ann", ACTIVE, address) for address in (*many, ELSEWHERE)])
    found = await first.read([*many, ELSEWHERE])
    assert {tuple(present.users.items()) for present in found.values()} == {(("ann", ACTIVE),)}
    assert len(found) == 151


async def test_keys_end_by_themselves(rooms: Rooms, first: PresenceStore):
    await first.write([attending("ann", ACTIVE)])
    keys = await rooms.client.keys("bedside:{h1}:presence*")
    assert len(keys) == 2
    assert all([0 < await rooms.client.pttl(key) <= 600_000 for key in keys])


async def test_users_names_may_hold_anything_but_control_characters(first: PresenceStore):
    names = {"a b", 'q"u\\ote', "ünïcode-☃", "a:b{c}d", "x" * 200, "%s"}
    await first.write([attending(name, ACTIVE) for name in names])
    assert set(await users(first)) == names


async def test_without_redis_it_says_so(redis_server: Redis):
    gone = Rooms.connect("redis://127.0.0.1:1/0")
    with pytest.raises(RoomsUnavailable, match="does not answer"):
        await PresenceStore(gone.servers, Limits(), node="n1").reap("h1")
    await gone.close()


async def test_what_was_missed_without_a_connection_is_told_as_differences(
    rooms: Rooms, first: PresenceStore, redis_server: Redis
):
    feed = PresenceFeed(rooms.servers, first, Limits(retry_seconds=0.05), node="n1", random=Random(1))
    running = asyncio.create_task(feed.run())
    ear, late = Ear(), Ear()
    await first.write([attending("ann", ACTIVE), attending("bob", ACTIVE)])
    feed.watch(VITALS, ear)
    await eventually(lambda: len(ear.heard) == 1, seconds=30)
    async with Client.from_url(redis_server.url) as client:
        await client.client_kill_filter(_type="pubsub")
        await client.hdel(presence_key(VITALS), "ann")  # as if it was lost
        await client.hset(presence_key(VITALS), "eve", '{"n2":"idle"}')
    await eventually(lambda: len(ear.heard) == 3, seconds=30)
    room = VITALS.room
    assert ear.heard[0] == (room, {"ann": ACTIVE, "bob": ACTIVE})
    assert set(ear.heard[1:]) == {(room, "ann", None), (room, "eve", IDLE)}
    feed.watch(VITALS, late)
    assert late.heard == [(room, {"bob": ACTIVE, "eve": IDLE})]
    feed.unwatch(VITALS, ear)
    feed.unwatch(VITALS, late)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
