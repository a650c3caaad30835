"""Rates and connections of one user over several nodes, over WebSocket, SSE and REST, with and without Redis."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import websockets

from bedside.services.redis import Redis, redis
from hub.errors import RoomsUnavailable
from hub.limits import Limits
from hub.realtime.admission import Admission
from hub.realtime.attendance import Attendance
from hub.realtime.rates import ASK_AGAIN_SECONDS, TOKEN_SECONDS, TOKENS_AT_ONCE, Fallback, Rates
from hub.rooms.quotas import Granted
from tests.hub.realtime.sockets import ask, closed, send
from tests.support.hub import HOSPITAL, PATIENT, LiveHub, receive, running_hub
from tests.support.node import other_node
from tests.support.sse import events
from tests.support.waiting import eventually

VITALS = f"patient:{PATIENT}:vitals"
WAIT_SECONDS = 30
SLOW = {"user_messages_a_second": 0.01, "user_message_burst": 10}
"""So slow that no token comes back while a test runs."""

pytestmark = [pytest.mark.slow, pytest.mark.pure]


@pytest.fixture
async def nodes(tmp_path: Path, redis_server: Redis) -> AsyncIterator[tuple[LiveHub, LiveHub]]:
    """Two nodes, ten messages and three connections a user."""
    limits = SLOW | {"user_connections": 3}
    (tmp_path / "second").mkdir()
    async with (
        running_hub(tmp_path, redis_server.url, **limits) as first,
        running_hub(tmp_path / "second", redis_server.url, begin=False, secret=first.secret, **limits) as second,
    ):
        yield first, second


async def answers(client: websockets.ClientConnection, count: int) -> list[str]:
    """What became of so many pings."""
    for number in range(count):
        await send(client, type="ping", id=number)
    received = [await receive(client) for _ in range(count)]
    assert [message["id"] for message in received] == list(range(count))
    return [message.get("code", message["type"]) for message in received]


async def test_answers_to_the_hubs_own_pings_are_not_counted_and_others_are(tmp_path: Path, redis_server: Redis):
    async with (
        running_hub(tmp_path, redis_server.url, **SLOW, ping_seconds=0.05) as hub,
        hub.connect("/realtime/ws") as client,
    ):
        for _ in range(SLOW["user_message_burst"] + 5):
            assert (await receive(client, until="ping"))["type"] == "ping"
            await send(client, type="pong")
        await send(client, type="ping", id=1)
        assert (await receive(client, until="pong"))["id"] == 1
        for _ in range(2 * SLOW["user_message_burst"]):
            await send(client, type="pong")
        assert (await receive(client, until="error"))["code"] == "rate_limited"


async def test_a_users_connections_on_all_nodes_share_one_rate(nodes: tuple[LiveHub, LiveHub]):
    first, second = nodes
    async with (
        first.connect("/realtime/ws", token=first.token(subject="ann")) as one,
        second.connect("/realtime/ws", token=first.token(subject="ann")) as other,
        second.connect("/realtime/ws", token=first.token(subject="bob")) as somebody_else,
    ):
        answered = await answers(one, 8) + await answers(other, 8) + await answers(one, 3)
        assert 10 - TOKENS_AT_ONCE < answered.count("pong") <= 10
        assert answered.count("pong") + answered.count("rate_limited") == 19
        assert await answers(somebody_else, 5) == ["pong"] * 5


async def test_publishing_over_rest_shares_the_rate(nodes: tuple[LiveHub, LiveHub]):
    hub, second = nodes
    async with second.connect("/realtime/ws", token=hub.token("tester")) as client:
        await answers(client, 10)
    answer = await hub.test_publish(event_type="system.alert", message="m")
    assert (answer.status_code, answer.headers["content-type"]) == (429, "application/problem+json")
    assert 90 < int(answer.headers["retry-after"]) <= 100


async def test_retry_after_is_long_enough(tmp_path: Path, redis_server: Redis):
    event = {"event_type": "patient.vitals.update", "patient_id": PATIENT, "vitals": {"heart_rate": 70}}
    limits = {"user_messages_a_second": 0.5, "user_message_burst": 1}
    async with running_hub(tmp_path, redis_server.url, **limits) as hub:
        assert (await hub.test_publish(**event)).status_code == 200
        refused = await hub.test_publish(**event)
        assert refused.status_code == 429
        await asyncio.sleep(int(refused.headers["retry-after"]))  # the promise under test
        assert (await hub.test_publish(**event)).status_code == 200


async def test_acknowledging_is_never_limited(nodes: tuple[LiveHub, LiveHub]):
    hub, _ = nodes
    async with hub.connect("/realtime/ws") as client:
        await answers(client, 12)
        codes = [(await ask(client, type=kind, id=1))["code"] for kind in ("acknowledge", "pause") * 8]
    assert "rate_limited" not in codes


async def test_who_goes_on_sending_too_much_is_closed(tmp_path: Path, redis_server: Redis):
    async with (
        running_hub(tmp_path, redis_server.url, **SLOW, rate_errors=5) as hub,
        hub.connect("/realtime/ws") as client,
    ):
        for _ in range(10 + 5 + 40):
            await send(client, type="pong")
        assert (await closed(client)).rcvd.code == 4429


async def test_connections_are_counted_over_nodes_and_transports(nodes: tuple[LiveHub, LiveHub]):
    first, second = nodes
    token = first.token(subject="ann")
    path, headers = f"/realtime/events/patient/{PATIENT}", {"Authorization": f"Bearer {token}"}
    async with (
        first.connect("/realtime/ws", token=token),
        second.connect("/realtime/ws", token=token) as leaving,
        events(first.http, path, headers),
    ):
        assert not await _lets_in(second, token)
        refused = await second.http.get(path, headers=headers)
        assert (refused.status_code, "retry-after" in refused.headers) == (429, True)
        assert await _lets_in(second, first.token(subject="bob"))
        await leaving.close()
        await eventually(lambda: _lets_in(first, token), seconds=WAIT_SECONDS)


async def test_of_too_many_at_once_as_many_as_allowed_are_let_in(nodes: tuple[LiveHub, LiveHub]):
    """Six handshakes of one user on each of two nodes at the same time: three get in, on whichever node."""
    token = nodes[0].token(subject="ann")
    async with contextlib.AsyncExitStack() as stack:
        clients = await asyncio.gather(
            *(stack.enter_async_context(hub.connect("/realtime/ws", token=token)) for hub in nodes * 6)
        )

        assert sum(await asyncio.gather(*(_is_in(client) for client in clients))) == 3


async def _lets_in(hub: LiveHub, token: str) -> bool:
    """Whether one more connection is let in."""
    async with hub.connect("/realtime/ws", token=token) as client:
        return await _is_in(client)


async def _is_in(client: websockets.ClientConnection) -> bool:
    """Whether a client is answered; one that was refused is closed with 1013."""
    try:
        await send(client, type="ping")
        return (await receive(client))["type"] == "pong"
    except websockets.ConnectionClosed:
        assert client.close_code == 1013
        return False


async def test_a_killed_nodes_connections_lock_nobody_out(tmp_path: Path, redis_server: Redis):
    """kill -9 of a real process: long before the lease of its connections ends, its user may come to another node."""
    limits = {"user_connections": 1, "node_lease_seconds": 2, "presence_lease_seconds": 600}
    async with running_hub(tmp_path, redis_server.url, **limits) as hub:
        async with other_node(tmp_path / "other", hub, **limits) as other:
            token = hub.token(subject="ann")
            client = await other.connect("/realtime/ws", token)
            assert (await ask(client, type="ping"))["type"] == "pong"
            assert not await _lets_in(hub, token)
            await other.kill()
        await eventually(lambda: _lets_in(hub, token), seconds=WAIT_SECONDS)


async def test_without_redis_each_node_holds_the_limits_by_itself(tmp_path: Path, services_folder: Path):
    server = redis(services_folder / f"own-{tmp_path.name}")
    server.start()
    try:
        async with running_hub(tmp_path, server.url, **SLOW, user_connections=2) as hub:
            token = hub.token()
            async with hub.connect("/realtime/ws", token=token) as client:
                server.stop()
                passed = (await answers(client, 14)).count("pong")
                assert 10 <= passed < 14
                assert hub.live.shared.fallback.is_in_force
                assert hub.live.shared.fallback.times >= 14 - TOKENS_AT_ONCE
                async with hub.connect("/realtime/ws", token=token), hub.connect("/realtime/ws", token=token) as third:
                    assert (await closed(third)).rcvd.code == 1013
                body = (await hub.http.get("/realtime/stats", headers=hub.headers())).json()
                assert "this node alone" in body["partial"]
                assert body["data"]["total_connections"] == 1
    finally:
        server.stop()


async def test_statistics_are_of_all_nodes(tmp_path: Path, redis_server: Redis):
    (tmp_path / "second").mkdir()
    async with (
        running_hub(tmp_path, redis_server.url, node_lease_seconds=1) as first,
        running_hub(
            tmp_path / "second", redis_server.url, begin=False, secret=first.secret, node_lease_seconds=1
        ) as second,
        first.connect(f"/realtime/ws/patient/{PATIENT}", token=first.token(subject="ann")),
        second.connect("/realtime/ws", token=first.token(subject="ann")) as other,
        second.connect("/realtime/ws", token=first.token(subject="bob")),
    ):
        await ask(other, type="subscribe", room=VITALS)
        expected = {
            "total_connections": 3,
            "unique_users": 2,
            "active_rooms": 3,
            "connections_by_room": {f"patient:{PATIENT}": 1, VITALS: 2, f"patient:{PATIENT}:alerts": 1},
            "connections_by_user": {"ann": 2, "bob": 1},
        }
        for node in (first, second):
            await eventually(lambda node=node: _has(node, expected, "admin", hospitals=["*"]), seconds=WAIT_SECONDS)
        scoped = {"patients": [PATIENT]}
        assert await _has(first, expected | {"connections_by_user": {"ann": 2}}, "viewer", subject="ann", **scoped)
        nothing = {"connections_by_room": {}, "connections_by_user": {}}
        assert await _has(first, expected | nothing, "viewer", hospitals=["elsewhere"])
        assert await _has(first, expected | nothing, "technician", hospitals=[HOSPITAL])


async def _has(hub: LiveHub, expected: dict[str, Any], role: str = "clinician", **scope: Any) -> bool:
    answer = await hub.http.get("/realtime/stats", headers=hub.headers(role, **scope))
    return answer.json()["data"] == expected


class Bucket:
    """A bucket that gives what the test says, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.gives: list[Granted | RoomsUnavailable] = []

    async def tokens(self, user: str, most: int) -> Granted:
        self.asked += 1
        given = self.gives.pop(0)
        if isinstance(given, RoomsUnavailable):
            raise given
        return given


@pytest.fixture
def clock() -> list[float]:
    return [100.0]


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


@pytest.fixture
def rates(bucket: Bucket, clock: list[float]) -> Rates:
    limits = Limits(user_messages_a_second=1, user_message_burst=3)
    return Rates(bucket, limits, Fallback(lambda: clock[0]), clock=lambda: clock[0])


async def test_tokens_are_spent_without_asking_and_only_for_a_moment(rates: Rates, bucket: Bucket, clock: list[float]):
    bucket.gives = [Granted(tokens=5, wait_seconds=0), Granted(tokens=1, wait_seconds=0)]
    assert [await rates.wait_seconds("ann") for _ in range(3)] == [0, 0, 0]
    assert bucket.asked == 1
    clock[0] += TOKEN_SECONDS
    assert await rates.wait_seconds("ann") == 0
    assert bucket.asked == 2


async def test_until_a_token_is_there_nobody_asks_for_it(rates: Rates, bucket: Bucket, clock: list[float]):
    bucket.gives = [Granted(tokens=0, wait_seconds=0.5), Granted(tokens=1, wait_seconds=0)]
    assert [await rates.wait_seconds("ann") for _ in range(100)] == [0.5] * 100
    assert (bucket.asked, rates.refused) == (1, 100)
    clock[0] += 0.5
    assert await rates.wait_seconds("ann") == 0


async def test_a_node_alone_has_the_same_bucket_and_asks_again_after_a_while(
    rates: Rates, bucket: Bucket, clock: list[float]
):
    bucket.gives = [RoomsUnavailable("away"), Granted(tokens=1, wait_seconds=0)]
    assert [await rates.wait_seconds("ann") for _ in range(5)] == [0, 0, 0, 1, 1]
    clock[0] += 1
    assert [await rates.wait_seconds("ann") for _ in range(2)] == [0, 1]
    clock[0] += ASK_AGAIN_SECONDS
    assert await rates.wait_seconds("ann") == 0
    assert bucket.asked == 2


async def test_who_is_quiet_costs_no_memory(rates: Rates, bucket: Bucket, clock: list[float]):
    bucket.gives = [Granted(tokens=1, wait_seconds=0) for _ in range(3)]
    for user in ("ann", "bob"):
        await rates.wait_seconds(user)
    clock[0] += TOKEN_SECONDS
    await rates.wait_seconds("ann")
    rates.forget()
    assert rates._purses.keys() == {"ann"}


class ThreeAtMost:
    """Quotas of a user who has nothing elsewhere; an answer takes a turn of the loop."""

    def __init__(self) -> None:
        self.said: list[int] = []

    async def may_have(self, user: str, count: int, *, living: Sequence[str] = ()) -> bool:
        await asyncio.sleep(0)
        return count <= 3

    async def have(self, user: str, count: int) -> None:
        self.said.append(count)

    async def living(self) -> list[str]:
        return ["n1"]


async def test_places_are_given_one_after_the_other_and_given_back(clock: list[float]):
    quotas, attendance = ThreeAtMost(), Attendance()
    admission = Admission(quotas, quotas, attendance, Limits(), Fallback(lambda: clock[0]))
    saying = asyncio.create_task(admission.say())
    all_asked = asyncio.Barrier(6)

    async def come() -> bool:
        async with admission.place("ann") as allowed:
            await all_asked.wait()
        return allowed

    assert sorted(await asyncio.gather(*(come() for _ in range(6)))) == [False] * 3 + [True] * 3
    assert admission.refused == 3
    await eventually(lambda: quotas.said[-1:] == [0], seconds=30)  # nobody has taken the place
    saying.cancel()
    await asyncio.gather(saying, return_exceptions=True)
