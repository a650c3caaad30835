"""How the servers are spoken to: addresses, bounded pools, one server or several."""

import asyncio

import pytest

from bedside.services.redis import Redis
from hub.errors import ConfigurationError, RoomsUnavailable
from hub.limits import Limits
from hub.rooms.connections import Address, addresses
from hub.rooms.layout import Layout, Shard
from hub.rooms.rooms import Rooms
from hub.settings import RedisSettings
from tests.hub.rooms.publications import HOSPITAL, fence, publication


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("redis-1", Address("redis-1", 6379)),
        ("redis-1:7000", Address("redis-1", 7000)),
        ("[::1]:7000", Address("::1", 7000)),
        ("[::1]", Address("::1", 6379)),
    ],
)
def test_a_server_is_a_host_and_perhaps_a_port(name: str, address: Address):
    assert addresses("redis.cluster", (name,), 6379) == (address,)


@pytest.mark.parametrize("name", ["", ":1", "host:", "host:x", "host:0", "host:70000"])
def test_what_is_no_address_is_refused_by_its_key(name: str):
    with pytest.raises(ConfigurationError, match=r"redis\.cluster: .* is no HOST:PORT"):
        addresses("redis.cluster", (name,), 6379)


def test_a_name_can_be_found_on_each_shard():
    halves = (range(8192), range(8192, 16384))
    shards = tuple(Shard(master=Address("h", port), slots=(half,)) for port, half in enumerate(halves))
    layout = Layout(shards=shards)
    assert [layout.shard_of(layout.name_on(shard, "canary")) for shard in shards] == list(shards)


async def test_a_pool_that_is_used_up_makes_callers_wait_and_never_grows(redis_server: Redis):
    """A hundred calls at once over two connections: all are answered."""
    rooms = Rooms.connect(redis_server.url, Limits(redis_connections=2))
    await rooms.publish(fence(), [publication(1)], new_epoch="e1")
    tops = await asyncio.gather(*(rooms.top(HOSPITAL) for _ in range(100)))
    assert {top.n for top in tops if top} == {1}
    names = [client["addr"] for client in await rooms.client.client_list() if "evalsha" in client["cmd"]]
    assert len(names) <= 2
    await rooms.close()


async def test_whoever_waits_too_long_for_a_connection_is_told(redis_server: Redis):
    rooms = Rooms.connect(redis_server.url, Limits(redis_connections=1, redis_wait_seconds=0.1))
    await rooms.ping()
    blocking = asyncio.create_task(rooms.client.blpop(["nobody-pushes"], timeout=1))
    await asyncio.sleep(0)  # it has the only connection from here on
    with pytest.raises(RoomsUnavailable, match="does not answer"):
        await rooms.ping()
    await blocking
    await rooms.close()


async def test_user_and_password_may_stand_apart_from_the_address(redis_server: Redis, tmp_path):
    password = tmp_path / "password"
    password.write_text(f"{redis_server.password}\n")
    address = f"redis://127.0.0.1:{redis_server.port}/0"
    rooms = Rooms.connect(RedisSettings(url=address, password_file=password))
    await rooms.ping()
    await rooms.close()
    without = Rooms.connect(RedisSettings(url=address))
    with pytest.raises(RoomsUnavailable, match="refuses the user or the password"):
        await without.ping()
    await without.close()


async def test_replicas_that_were_asked_for_and_are_not_there_keep_a_publication_from_counting(redis_server: Redis):
    """On a single server nobody tells how many there are: what is asked for is owed."""
    rooms = Rooms.connect(RedisSettings(url=redis_server.url, acknowledged_replicas=1))
    with pytest.raises(RoomsUnavailable, match="no replica"):
        await rooms.publish(fence(), [publication(1)], new_epoch="e1")
    await rooms.close()
