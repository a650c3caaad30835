"""Rooms on a Redis Cluster of six nodes: sharded channels follow their slots, and a killed master costs no client a message."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from random import Random

import pytest

from bedside.doctor.findings import Outcome
from bedside.doctor.redis import look
from bedside.doctor.subject import Subject
from bedside.services.redis import Redis
from bedside.services.redis_cluster import PASSWORD, RedisCluster, redis_cluster
from hub.errors import RoomsUnavailable
from hub.rooms import servers
from hub.rooms.feed import Feed
from hub.rooms.messages import Message, RoomAddress
from hub.rooms.nodes import Nodes
from hub.rooms.presence import Activity, Attending, PresenceStore
from hub.rooms.presence_feed import PresenceFeed
from hub.rooms.quotas import Quotas
from hub.rooms.rooms import Rooms, room_key, state_key
from hub.settings import AuthSettings, HubSettings, RedisSettings
from tests.hub.rooms.failover import QUICK, STREAM, WAIT_SECONDS, hanging, measured, seen, watched_hub
from tests.hub.rooms.presence_ear import Ear
from tests.hub.rooms.publications import HOSPITAL, VITALS, fence, publication
from tests.hub.rooms.test_live_only import WAVEFORMS, samples, tell
from tests.hub.rooms.watchers import Watcher, join, make_feed
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

ROOM = RoomAddress(hospital_id=HOSPITAL, room=VITALS)


@pytest.fixture(scope="module")
def cluster(services_folder: Path) -> Iterator[RedisCluster]:
    running = redis_cluster(services_folder / "cluster")
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture
def settings(cluster: RedisCluster, tmp_path: Path) -> RedisSettings:
    """Only one node is named: the others are found."""
    password = tmp_path / "redis-password"
    password.write_text(PASSWORD)
    return RedisSettings(cluster=cluster.addresses[1:2], password_file=password)


@pytest.fixture
async def rooms(cluster: RedisCluster, settings: RedisSettings) -> AsyncIterator[Rooms]:
    opened = Rooms.connect(settings, QUICK)
    yield opened
    await opened.client.delete(state_key(HOSPITAL))
    await opened.close()


@pytest.fixture
async def feed(rooms: Rooms) -> AsyncIterator[Feed[Message]]:
    following = make_feed(rooms, canary_seconds=1)
    task = asyncio.create_task(following.run())
    await asyncio.wait_for(following.wait_healthy(), WAIT_SECONDS)
    yield following
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def published(rooms: Rooms, *numbers: int) -> None:
    """As an owner does: again until it counts."""

    async def counts() -> bool:
        try:
            await rooms.publish(fence(), [publication(n) for n in numbers], new_epoch="e1")
        except RoomsUnavailable:
            return False
        return True

    await eventually(counts, seconds=WAIT_SECONDS)


async def watching(feed: Feed[Message]) -> Watcher:
    return await join(feed, ROOM)


async def test_messages_come_on_sharded_channels_of_watched_rooms_only(
    cluster: RedisCluster, rooms: Rooms, feed: Feed[Message]
):
    await published(rooms, 1)
    watcher = await watching(feed)
    await published(rooms, 2, 3)
    assert await watcher.numbers(2) == [(2, 2), (3, 3)]
    channels = [cluster.ask(node, "PUBSUB SHARDCHANNELS", "bedside:{*") for node in cluster.nodes]
    assert [channel for each in channels for channel in each] == [room_key(ROOM).encode()]
    assert not any(cluster.ask(node, "PUBSUB CHANNELS", "bedside:*") for node in cluster.nodes)


async def test_presence_and_limits_are_one_over_all_shards(rooms: Rooms):
    """What is of a hospital, of a user and of the nodes is on one shard each, and presence comes on sharded channels."""
    stores = [PresenceStore(rooms.servers, QUICK, node=node) for node in ("n1", "n2")]
    following = PresenceFeed(rooms.servers, stores[0], QUICK, node="n1", random=Random(1))
    task = asyncio.create_task(following.run())
    ear = Ear()
    following.watch(ROOM, ear)
    await eventually(lambda: ear.heard == [(VITALS, {})], seconds=WAIT_SECONDS)
    await stores[1].write([Attending(address=ROOM, user="ann", status=Activity.IDLE)])
    await eventually(lambda: ear.heard[1:] == [(VITALS, "ann", Activity.IDLE)], seconds=WAIT_SECONDS)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    first, second = (Quotas(rooms.servers, QUICK, node=node) for node in ("n1", "n2"))
    for user in ("ann", "bob", "eve"):
        assert [(await first.tokens(user, 30)).tokens, (await second.tokens(user, 30)).tokens] == [30, 10]
        await first.have(user, QUICK.user_connections)
        assert not await second.may_have(user, 1)
    assert await Nodes(rooms.servers, QUICK, name="n1").live(b"figures")
    assert await Nodes(rooms.servers, QUICK, name="n2").figures() == {"n1": b"figures"}


async def test_waveforms_come_on_sharded_channels_too(rooms: Rooms, feed: Feed[Message]):
    watcher = await join(feed, WAVEFORMS)
    assert await tell(rooms, 1, 2) == 1
    assert await samples(watcher, 2) == [b'{"samples": [1]}', b'{"samples": [2]}']


async def test_commands_of_one_key_and_scripts_find_its_master(rooms: Rooms):
    """What this package's other modules, and administrators' tools, ask for by `client`."""
    keys = [f"bedside:{{{hospital}}}:x" for hospital in ("h1", "h2", "h3", "h4")]
    for key in keys:
        await rooms.client.set(key, key)
    script = rooms.client.register_script("return redis.call('GETDEL', KEYS[1])")
    assert [await script(keys=[key]) for key in keys] == [key.encode() for key in keys]
    with pytest.raises(TypeError, match="no pipeline"):
        rooms.client.pipeline()


def test_the_doctor_looks_at_every_master(settings: RedisSettings):
    hub = HubSettings(database_url="x", auth=AuthSettings(secret_file=Path("x")), redis=settings)
    found = look(hub, Subject())
    assert (found.outcome, found.found.count("append-only file on")) == (Outcome.OK, 3), found


async def test_rooms_whose_slot_moves_to_another_master_are_followed_there(
    cluster: RedisCluster, rooms: Rooms, feed: Feed[Message]
):
    await published(rooms, 1)
    watcher = await watching(feed)
    await asyncio.to_thread(_move, cluster, state_key(HOSPITAL))
    await published(rooms, 2)
    assert (await watcher.numbers(1))[0] == (2, 2)


async def test_a_master_that_becomes_a_replica_is_left(cluster: RedisCluster, rooms: Rooms, feed: Feed[Message]):
    await published(rooms, 1)
    watcher = await watching(feed)
    old = await asyncio.to_thread(cluster.master_of, STREAM)
    await asyncio.to_thread(_hand_over, cluster, old)
    assert await eventually(lambda: cluster.master_of(STREAM) is not old, seconds=WAIT_SECONDS)
    for n in range(2, 6):
        await published(rooms, n)
    assert await watcher.numbers(4) == [(n, n) for n in range(2, 6)]
    await eventually(lambda: _address_of(rooms) != old.port, seconds=WAIT_SECONDS)


async def test_a_publication_that_no_replica_has_does_not_count(
    cluster: RedisCluster, rooms: Rooms, monkeypatch: pytest.MonkeyPatch
):
    """Else a partitioned master goes on to take what is lost when it is healed."""
    monkeypatch.setattr(servers, "REPLICA_SECONDS", 0.2)  # less than the Cluster needs to give the replica up
    await eventually(lambda: _replicas_known_to(rooms), seconds=WAIT_SECONDS)
    await published(rooms, 1)
    replica = await asyncio.to_thread(_replica_of, cluster, await asyncio.to_thread(cluster.master_of, STREAM))
    async with hanging(replica):
        writing = rooms.publish(fence(), [publication(2)], new_epoch="e1")
        confirming = rooms.begin_epoch(HOSPITAL, fence(), new_epoch="e1", from_n=1)  # as an owner does that repairs
        refused = await asyncio.gather(writing, confirming, return_exceptions=True)
        assert all("no replica of Redis has" in str(error) for error in refused), refused
    await published(rooms, 2)


async def test_a_killed_master_costs_a_client_nothing(
    cluster: RedisCluster, rooms: Rooms, settings: RedisSettings, sqlite_url: str, mosquitto_server, tmp_path: Path
):
    """Gateway, owner, rooms, feed and WebSocket: every reading of before, meanwhile and after arrives, once and in order.

    Who only asks now and then, and follows nothing, finds the new master too.
    """
    await rooms.ping()
    async with watched_hub(tmp_path, sqlite_url, settings, mosquitto_server.port) as hub:
        kill = lambda: cluster.master_of(STREAM).kill()  # noqa: E731
        _, pressures = await asyncio.gather(measured(hub.nurse, 100, at=50, then=kill), seen(hub.client, 100))
        assert pressures == list(range(1, 101))
    assert await rooms.top(HOSPITAL) is not None


async def _replicas_known_to(rooms: Rooms) -> int | None:
    """As the master says."""
    shard = (await rooms._servers.refresh()).shard_of(STREAM)
    return (await rooms._servers.refresh(shard.master)).shard_of(STREAM).replicas


def _address_of(rooms: Rooms) -> int:
    layout = rooms._servers._layout
    assert layout is not None
    return layout.shard_of(STREAM).master.port


def _replica_of(cluster: RedisCluster, master: Redis) -> Redis:
    port = cluster.ask(master, "ROLE")[2][0][1]
    return next(node for node in cluster.nodes if node.port == int(port))


def _hand_over(cluster: RedisCluster, master: Redis) -> None:
    cluster.ask(_replica_of(cluster, master), "CLUSTER FAILOVER")


def _move(cluster: RedisCluster, key: str) -> None:
    """Reshard the slot of a key, keys and all, to another master."""
    source = cluster.master_of(key)
    target = next(node for node in cluster.nodes if node is not source and cluster.ask(node, "ROLE")[0] == b"master")
    slot = cluster.ask(source, "CLUSTER KEYSLOT", key)
    ours, theirs = (cluster.ask(node, "CLUSTER MYID") for node in (source, target))
    cluster.ask(target, "CLUSTER SETSLOT", slot, "IMPORTING", ours)
    cluster.ask(source, "CLUSTER SETSLOT", slot, "MIGRATING", theirs)
    keys = cluster.ask(source, "CLUSTER GETKEYSINSLOT", slot, 1000)
    cluster.ask(source, "MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "AUTH", PASSWORD, "KEYS", *keys)
    for node in (target, source):
        cluster.ask(node, "CLUSTER SETSLOT", slot, "NODE", theirs)
