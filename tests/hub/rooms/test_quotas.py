"""The token bucket, the count of connections and the list of nodes, in a real Redis."""

import asyncio
import hashlib

import pytest

from hub.limits import Limits
from hub.rooms.nodes import Nodes
from hub.rooms.quotas import Quotas
from hub.rooms.rooms import Rooms

SLOW = Limits(user_messages_a_second=1, user_message_burst=10, user_connections=3)
"""So slow that no token comes back while a test runs."""


@pytest.fixture
def quotas(rooms: Rooms) -> tuple[Quotas, Quotas]:
    return Quotas(rooms.servers, SLOW, node="n1"), Quotas(rooms.servers, SLOW, node="n2")


def key(user: str, what: str) -> str:
    return f"bedside:{{user:{hashlib.blake2b(user.encode(), digest_size=12).hexdigest()}}}:{what}"


async def set_back(rooms: Rooms, user: str, seconds: float) -> None:
    """As if the time had passed."""
    full = int(await rooms.client.get(key(user, "rate")))
    await rooms.client.set(key(user, "rate"), str(int(full - seconds * 1_000_000)))


async def test_all_nodes_take_from_one_bucket(quotas: tuple[Quotas, Quotas]):
    first, second = quotas
    granted = await asyncio.gather(*(node.tokens("ann", 4) for node in (first, second) * 2))
    assert sum(each.tokens for each in granted) == 10
    assert (await second.tokens("bob", 1)).tokens == 1


async def test_an_empty_bucket_says_when_there_is_a_token(rooms: Rooms, quotas: tuple[Quotas, Quotas]):
    first, second = quotas
    await first.tokens("ann", 10)
    refused = await second.tokens("ann", 5)
    assert (refused.tokens, 0 < refused.wait_seconds <= 1) == (0, True)
    await set_back(rooms, "ann", refused.wait_seconds)
    assert (await second.tokens("ann", 5)).tokens == 1


async def test_a_bucket_never_holds_more_than_the_burst_and_ends_by_itself(rooms: Rooms, quotas: tuple[Quotas, Quotas]):
    first, _ = quotas
    await first.tokens("ann", 3)
    assert 0 < await rooms.client.pttl(key("ann", "rate")) <= 3000
    await set_back(rooms, "ann", 1000)
    assert (await first.tokens("ann", 50)).tokens == 10


async def test_a_redis_whose_clock_went_back_locks_nobody_out(rooms: Rooms, quotas: tuple[Quotas, Quotas]):
    first, _ = quotas
    await first.tokens("ann", 1)
    await set_back(rooms, "ann", -3600)
    assert (await first.tokens("ann", 1)).wait_seconds <= 1


async def test_connections_are_counted_over_all_nodes(quotas: tuple[Quotas, Quotas]):
    first, second = quotas
    assert await first.may_have("ann", 2)
    assert await second.may_have("ann", 1)
    assert not await second.may_have("ann", 2)
    assert not await first.may_have("ann", 3)
    assert await first.may_have("ann", 2), "what it has already"
    assert await second.may_have("bob", 3)
    await first.have("ann", 1)
    assert await second.may_have("ann", 2)


async def test_what_a_node_has_is_kept_though_it_be_too_many(quotas: tuple[Quotas, Quotas]):
    """After Redis was away there may be more than the limit: they are counted, and none comes on top."""
    first, second = quotas
    await first.have("ann", 3)
    await second.have("ann", 3)
    assert not await first.may_have("ann", 4)
    assert await first.may_have("ann", 2), "fewer are always allowed"


async def test_what_a_dead_node_left_does_not_count(rooms: Rooms, quotas: tuple[Quotas, Quotas]):
    first, second = quotas
    await first.have("ann", 3)
    assert not await second.may_have("ann", 1)
    assert not await second.may_have("ann", 1, living=["n1", "n2"])
    assert await second.may_have("ann", 1, living=["n2"])
    assert not await first.may_have("ann", 4)
    await rooms.client.hset(key("ann", "connections"), "n2", "3 1")  # a lease that has ended
    assert await first.may_have("ann", 3)
    assert 0 < await rooms.client.pttl(key("ann", "connections")) <= 60_000


async def test_keys_hold_no_users_name(rooms: Rooms, quotas: tuple[Quotas, Quotas]):
    await quotas[0].tokens("ann.private", 1)
    await quotas[0].have("ann.private", 1)
    assert not [name for name in await rooms.client.keys("*") if b"ann" in name]


async def test_nodes_live_while_they_say_so_and_are_known_by_their_figures(rooms: Rooms):
    first, second = (Nodes(rooms.servers, Limits(), name=name) for name in ("n1", "n2"))
    assert await first.live(b"one\ntwo")
    assert not await second.live(), "no figures yet"
    assert await first.live(), "figures are kept"
    assert sorted(await second.living()) == ["n1", "n2"]
    assert await second.figures() == {"n1": b"one\ntwo"}
    assert await first.figures() == {"n2": b""}
    await rooms.client.hset("bedside:{nodes}:figures", "n1", "1\nold")  # a lease that has ended
    assert await second.living() == ["n2"]
    await second.stop()
    assert await first.living() == []
