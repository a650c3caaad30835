"""What is done on one node is known on the other within two seconds: two hubs on one PostgreSQL and one Redis, one of them takes readings in."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import websockets

from bedside.services.mosquitto import Mosquitto
from bedside.services.redis import Redis
from hub.auth.tokens import mint, new_secret
from hub.components import open_components
from hub.settings import AuthSettings, HubSettings, MqttSettings, Role
from tests.conftest import HUB_PASSWORD
from tests.hub.realtime.sockets import closed
from tests.hub.rest.conftest import REGISTRY, WholeHub, published, ready
from tests.support.hub import HOSPITAL, PATIENT, receive, serving
from tests.support.net import free_port
from tests.support.sse import events
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

WAIT_SECONDS = 30
KNOWN_WITHIN = 2.0
"""Seconds, by the contract."""
WARD = {"wards": [f"{HOSPITAL}:w1"]}
SUBJECT = f"/realtime/ws/patient/{PATIENT}"
HISTORY = f"/realtime/history/patient:{PATIENT}"


@contextlib.asynccontextmanager
async def node(
    folder: Path, database_url: str, redis: Redis, mosquitto: Mosquitto, secret: bytes, role: Role
) -> AsyncIterator[WholeHub]:
    write(folder, {"secret": secret, "password": HUB_PASSWORD.encode(), "registry": REGISTRY.encode()})
    settings = HubSettings(
        database_url=database_url,
        auth=AuthSettings(secret_file=folder / "secret"),
        port=free_port(),
        redis_url=redis.url,
        mqtt=MqttSettings(port=mosquitto.port, username="hub", password_file=folder / "password"),
        registry_file=folder / "registry",
        role=role,
    )
    async with serving(settings, open_components) as (app, http):
        yield WholeHub(settings=settings, secret=secret, app=app, http=http)


def write(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)


@pytest.fixture
async def nodes(
    tmp_path: Path, postgres_url: str, redis_server: Redis, mosquitto_server: Mosquitto
) -> AsyncIterator[tuple[WholeHub, WholeHub]]:
    place, secret = (postgres_url, redis_server, mosquitto_server), new_secret()
    async with (
        node(tmp_path / "one", *place, secret, Role.ALL) as one,
        node(tmp_path / "two", *place, secret, Role.SERVE) as two,
    ):
        for hub in (one, two):
            await eventually(lambda hub=hub: ready(hub.http), seconds=WAIT_SECONDS)
        await eventually(lambda: published(one.app), seconds=WAIT_SECONDS)
        yield one, two


def bearing(hub: WholeHub, token_id: str, **scope: Any) -> dict[str, str]:
    token = mint(
        hub.secret, subject="nurse1", role="clinician", ttl=timedelta(hours=1), now=datetime.now(UTC), token_id=token_id,
        **(scope or {"hospitals": [HOSPITAL]}),
    )  # fmt: skip
    return {"Authorization": f"Bearer {token}"}


def connected(hub: WholeHub, headers: dict[str, str]) -> Any:
    return websockets.connect(f"ws://127.0.0.1:{hub.settings.port}{SUBJECT}", additional_headers=headers)


async def test_a_token_that_is_revoked_on_one_node_ends_on_the_other(nodes: tuple[WholeHub, WholeHub]):
    one, two = nodes
    headers = bearing(two, "t1")
    async with connected(two, headers) as client, events(two.http, "/realtime/events", headers) as stream:
        assert (await stream.next()).name == "connected"
        began = time.monotonic()
        assert (await one.post("/auth/revocations", {"token_id": "t1"}, "admin")).status_code == 201
        assert (await closed(client)).rcvd.code == 4501
        async with asyncio.timeout(WAIT_SECONDS):
            while (event := await stream.next()).name != "closing":
                pass
        assert event.data["code"] == 4501
        assert time.monotonic() - began < KNOWN_WITHIN
    assert [(await hub.http.get(HISTORY, headers=headers)).status_code for hub in nodes] == [401, 401]


async def test_a_session_and_a_ticket_of_one_node_are_good_on_the_other_and_end_there(nodes: tuple[WholeHub, WholeHub]):
    one, two = nodes
    headers = bearing(one, "t1")
    ticket = (await one.http.post("/realtime/ticket", headers=headers)).json()["data"]["ticket"]
    async with websockets.connect(f"ws://127.0.0.1:{two.settings.port}{SUBJECT}?ticket={ticket}") as client:
        assert (await receive(client))["status"] == "subscribed"
    session = await one.http.post("/realtime/session", headers=headers)
    one.http.cookies.clear()
    cookie = {"Cookie": session.headers["set-cookie"].partition(";")[0]}
    origin = f"http://127.0.0.1:{two.settings.port}"
    address = f"ws://127.0.0.1:{two.settings.port}{SUBJECT}"
    async with websockets.connect(address, additional_headers=cookie, origin=origin) as client:
        began = time.monotonic()
        here = {"Origin": f"http://127.0.0.1:{one.settings.port}"}
        assert (await one.http.delete("/realtime/session", headers=cookie | here)).status_code == 200
        assert (await closed(client)).rcvd.code == 4501
        assert time.monotonic() - began < KNOWN_WITHIN
    assert (await two.http.get(HISTORY, headers=cookie | {"Origin": origin})).status_code == 401


async def test_break_glass_on_one_node_opens_on_the_other_and_its_end_takes_away_there(
    nodes: tuple[WholeHub, WholeHub],
):
    one, two = nodes
    headers = bearing(one, "t1", wards=[f"{HOSPITAL}:w9"])
    path = f"/patients/{PATIENT}/break-glass"
    assert (await two.http.get(HISTORY, headers=headers)).status_code == 403
    assert (await one.http.post(path, json={"reason": "collapsed"}, headers=headers)).status_code == 201

    async def open_there() -> bool:
        return (await two.http.get(HISTORY, headers=headers)).status_code == 200

    began = time.monotonic()
    await eventually(open_there, seconds=WAIT_SECONDS)
    assert time.monotonic() - began < KNOWN_WITHIN
    async with connected(two, headers) as client:
        assert [(await receive(client))["status"] for _ in range(3)] == ["subscribed"] * 3
        began = time.monotonic()
        assert (await one.http.delete(path, headers=headers)).status_code == 200
        assert [(await receive(client))["status"] for _ in range(3)] == ["revoked"] * 3
        assert time.monotonic() - began < KNOWN_WITHIN


async def test_a_discharge_on_one_node_takes_the_wards_rooms_on_the_other(nodes: tuple[WholeHub, WholeHub]):
    one, two = nodes
    async with connected(two, bearing(two, "t1", **WARD)) as client:
        assert [(await receive(client))["status"] for _ in range(3)] == ["subscribed"] * 3
        began = time.monotonic()
        assert (await one.post(f"/patients/{PATIENT}/discharge", {})).status_code == 200
        taken: set[tuple[str, str]] = set()
        while len(taken) < 3:
            message = await receive(client)
            taken |= {(message["room"], message["reason"])} if message.get("status") == "revoked" else set()
        assert time.monotonic() - began < KNOWN_WITHIN
        await client.send(json.dumps({"type": "ping"}))
        assert (await receive(client, until="pong"))["upstream"] == "ok"
    assert taken == {(f"patient:{PATIENT}{part}", "discharged") for part in ("", ":vitals", ":alerts")}
