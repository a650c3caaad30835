"""Presence as clients see it: over WebSocket, SSE and REST, over several nodes, and after one of them has died."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import websockets
from redis.asyncio import Redis as Client

from bedside.services.redis import Redis
from tests.hub.realtime.sockets import ask, send
from tests.support.hub import HOSPITAL, OTHER_PATIENT, PATIENT, LiveHub, receive, running_hub
from tests.support.node import other_node
from tests.support.sse import events
from tests.support.waiting import eventually

GENERAL, VITALS = f"patient:{PATIENT}", f"patient:{PATIENT}:vitals"
WAIT_SECONDS = 30

pytestmark = [pytest.mark.slow, pytest.mark.pure]


@pytest.fixture
async def second(hub: LiveHub, tmp_path: Path) -> AsyncIterator[LiveHub]:
    """Another node beside `hub`."""
    folder = tmp_path / "second"
    folder.mkdir()
    async with running_hub(folder, hub.settings.redis_url, begin=False, secret=hub.secret) as running:
        yield running


async def present(hub: LiveHub, room: str = VITALS) -> dict[str, str]:
    answer = await hub.http.get(f"/realtime/presence/{room}", headers=hub.headers())
    assert answer.status_code == 200, answer.text
    return {each["user"]: each["status"] for each in answer.json()["data"]["users"]}


async def until_present(hub: LiveHub, expected: dict[str, str], room: str = VITALS) -> None:
    async def look() -> bool:
        return await present(hub, room) == expected

    await eventually(look, seconds=WAIT_SECONDS)


async def changes(client: websockets.ClientConnection, count: int) -> list[tuple[str, str]]:
    heard = []
    async with asyncio.timeout(WAIT_SECONDS):
        while len(heard) < count:
            message = msgspec.json.decode(await client.recv())
            if message["type"] == "presence_change":
                heard.append(message)
    assert {change["room"] for change in heard} == {VITALS}
    return [(change["user"], change["status"]) for change in heard]


async def heard(client: websockets.ClientConnection, user: str, status: str) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while await changes(client, 1) != [(user, status)]:
            pass


async def watching(hub: LiveHub, user: str, **fields: Any) -> tuple[Any, dict[str, Any]]:
    """A client of `user` that watches VITALS and its presence, and the first `presence`."""
    client = await hub.connect("/realtime/ws", token=hub.token(subject=user))
    await send(client, type="subscribe", room=VITALS, presence=True, **fields)
    return client, await receive(client, until="presence")


async def test_a_watcher_is_told_who_is_there_and_then_what_changes_on_every_node(hub: LiveHub, second: LiveHub):
    watcher, first = await watching(hub, "ann")
    if first["users"] == []:  # asked before its own coming was said
        assert await changes(watcher, 1) == [("ann", "active")]
    else:
        assert first == {"type": "presence", "room": VITALS, "users": [{"user": "ann", "status": "active"}]}
    async with second.connect("/realtime/ws", token=second.token(subject="bob")) as bob:
        await ask(bob, type="subscribe", room=VITALS)
        assert await changes(watcher, 1) == [("bob", "active")]
        await send(bob, type="activity", status="idle")
        assert await changes(watcher, 1) == [("bob", "idle")]
        await ask(bob, type="unsubscribe", room=VITALS)
        assert await changes(watcher, 1) == [("bob", "left")]
        await ask(bob, type="subscribe", room=VITALS)
        assert await changes(watcher, 1) == [("bob", "idle")]
    assert await changes(watcher, 1) == [("bob", "left")]
    await watcher.close()
    await until_present(second, {})


async def test_a_user_with_several_connections_counts_once_and_most_active_wins(hub: LiveHub, second: LiveHub):
    tokens = {"token": hub.token(subject="ann")}
    async with hub.connect("/realtime/ws", **tokens) as one, second.connect("/realtime/ws", **tokens) as other:
        for client, status in ((one, "away"), (other, "idle")):
            await send(client, type="activity", status=status)
            await ask(client, type="subscribe", room=VITALS)
        await until_present(hub, {"ann": "idle"})
        await send(other, type="activity", status="away")
        await until_present(hub, {"ann": "away"})
        await send(one, type="activity", status="active")
        await until_present(second, {"ann": "active"})


async def test_a_question_is_answered_with_its_id(hub: LiveHub):
    async with hub.connect(f"/realtime/ws/patient/{PATIENT}", token=hub.token(subject="ann")) as client:
        await until_present(hub, {"ann": "active"}, GENERAL)
        await send(client, type="presence", room=GENERAL, id=7)
        answer = await receive(client, until="presence")
    assert answer == {"type": "presence", "room": GENERAL, "users": [{"user": "ann", "status": "active"}], "id": 7}


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"type": "presence", "room": "nonsense"}, "unknown_room"),
        ({"type": "presence"}, "bad_message"),
        ({"type": "activity", "status": "asleep"}, "bad_message"),
        ({"type": "activity"}, "bad_message"),
        ({"type": "subscribe", "room": VITALS, "presence": "yes"}, "bad_message"),
    ],
)
async def test_a_wrong_message_is_an_error(hub: LiveHub, message: dict[str, Any], code: str):
    async with hub.connect("/realtime/ws") as client:
        assert (await ask(client, **message))["code"] == code


async def test_only_who_may_watch_a_room_sees_who_is_in_it(hub: LiveHub):
    other = f"patient:{OTHER_PATIENT}"
    async with hub.connect("/realtime/ws") as client:
        assert (await ask(client, type="presence", room=other))["status"] == "denied"
        assert (await ask(client, type="presence", room="admin:updates"))["status"] == "denied"
    statuses = {
        room: (await hub.http.get(f"/realtime/presence/{room}", headers=hub.headers(role))).status_code
        for room, role in ((other, "clinician"), (VITALS, "technician"), ("nonsense", "clinician"))
    }
    assert statuses == {other: 403, VITALS: 403, "nonsense": 422}
    assert (await hub.http.get(f"/realtime/presence/{VITALS}")).status_code == 401


async def test_who_listens_over_sse_is_present_too(hub: LiveHub):
    headers = hub.headers("viewer", subject="ann", hospitals=[HOSPITAL])
    async with events(hub.http, f"/realtime/events/patient/{PATIENT}", headers) as stream:
        assert (await stream.next()).name == "connected"
        await until_present(hub, {"ann": "active"})
    await until_present(hub, {})


async def test_the_global_stream_is_in_wards_and_not_at_every_patient(hub: LiveHub):
    headers = hub.headers("viewer", subject="ann", hospitals=[HOSPITAL])
    async with events(hub.http, "/realtime/events", headers) as stream:
        assert (await stream.next()).name == "connected"
        await until_present(hub, {"ann": "active"}, f"hospital:{HOSPITAL}")
        assert await present(hub, f"ward:{HOSPITAL}:w1") == {"ann": "active"}
        assert await present(hub) == {}


async def test_presence_comes_back_after_redis_has_lost_it(tmp_path: Path, redis_server: Redis):
    async with running_hub(tmp_path, redis_server.url, presence_refresh_seconds=0.2) as hub:
        watcher, _ = await watching(hub, "ann")
        await until_present(hub, {"ann": "active"})
        async with Client.from_url(redis_server.url) as client:
            await client.delete(f"bedside:{{{HOSPITAL}}}:presence", f"bedside:{{{HOSPITAL}}}:presence:{VITALS}")
        await until_present(hub, {"ann": "active"})
        await watcher.close()


async def test_a_killed_node_leaves_no_ghosts(tmp_path: Path, redis_server: Redis):
    """kill -9 of a real process: its user is gone when the lease ends, for REST and for who watches."""
    leases = {"presence_lease_seconds": 3, "presence_refresh_seconds": 0.5}
    async with (
        running_hub(tmp_path, redis_server.url, **leases) as hub,
        other_node(tmp_path / "other", hub, **leases) as other,
    ):
        watcher, _ = await watching(hub, "ann")
        client = await other.connect("/realtime/ws", hub.token(subject="ghost"))
        await ask(client, type="subscribe", room=VITALS)
        await heard(watcher, "ghost", "active")
        await until_present(hub, {"ann": "active", "ghost": "active"})
        await other.kill()
        await heard(watcher, "ghost", "left")
        await until_present(hub, {"ann": "active"})
        await watcher.close()
