"""Break-glass and revocation on the whole hub, as their users see them: over REST, WebSocket and SSE, in the record, and on `admin:updates`."""

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import websockets
from sqlalchemy import select

from hub.auth.tokens import Role, mint
from hub.record.engine import Engine
from hub.record.schema import audit
from tests.hub.realtime.sockets import ask, closed
from tests.hub.rest.conftest import WholeHub, whole_hub
from tests.support.hub import HOSPITAL, PATIENT, receive
from tests.support.sse import events

pytestmark = [pytest.mark.slow, pytest.mark.pure]

PATH = f"/patients/{PATIENT}/break-glass"
HISTORY = f"/realtime/history/patient:{PATIENT}"
NEXT_WARD: dict[str, Any] = {"wards": [f"{HOSPITAL}:w9"]}
REASON = {"reason": "found collapsed in the corridor"}


async def test_break_glass_opens_a_patient_everywhere_and_is_recorded_and_shown(hub: WholeHub):
    async with hub.connect("/realtime/ws", "admin") as admin:
        await ask(admin, type="subscribe", room="admin:updates")
        assert (await hub.get(HISTORY, **NEXT_WARD)).status_code == 403
        opened = await hub.post(PATH, REASON, **NEXT_WARD)
        assert opened.status_code == 201
        update = await receive(admin, until="admin_update")
    assert update["data"] == {
        "what": "break_glass",
        "id": opened.json()["data"]["opening_id"],
        "change": "opened",
        "by": "clinician",
    }
    until = datetime.fromisoformat(opened.json()["data"]["until"])
    assert timedelta(hours=3.9) < until - datetime.now(UTC) <= timedelta(hours=4)
    assert (await hub.get(HISTORY, **NEXT_WARD)).status_code == 200
    async with hub.connect(f"/realtime/ws/patient/{PATIENT}", **NEXT_WARD) as client:
        assert (await receive(client))["status"] == "subscribed"
    async with events(hub.http, f"/realtime/events/patient/{PATIENT}", hub.headers(**NEXT_WARD)) as stream:
        assert (await stream.next()).name == "connected"
    async with events(hub.http, "/realtime/events", hub.headers(**NEXT_WARD)) as stream:
        assert f"patient:{PATIENT}:vitals" in (await stream.next()).data["rooms"]
    (entry,) = await audited(hub)
    assert (entry.author, entry.action, entry.patient_id) == ("clinician", "break_glass", PATIENT)
    assert json.loads(entry.details)["reason"] == REASON["reason"]


async def test_it_opens_the_patient_alone_and_to_the_user_alone(hub: WholeHub):
    await hub.post(PATH, REASON, **NEXT_WARD)
    for room in (f"ward:{HOSPITAL}:w1", f"hospital:{HOSPITAL}", "patient:waiting"):
        assert (await hub.get(f"/realtime/history/{room}", **NEXT_WARD)).status_code == 403
    assert (await hub.get(HISTORY, "viewer", **NEXT_WARD)).status_code == 403
    assert (await hub.post(f"/patients/{PATIENT}/status", {"status": "stable"}, **NEXT_WARD)).status_code == 200


REFUSED: list[tuple[Role, dict[str, Any], str, Any, int]] = [
    *((role, NEXT_WARD, PATIENT, REASON, 403) for role in Role if role is not Role.CLINICIAN),
    (Role.CLINICIAN, {"hospitals": ["elsewhere"]}, PATIENT, REASON, 403),
    (Role.CLINICIAN, {"patients": ["waiting"]}, PATIENT, REASON, 403),
    (Role.CLINICIAN, NEXT_WARD, "nobody", REASON, 403),
    (Role.CLINICIAN, {"hospitals": [HOSPITAL]}, "nobody", REASON, 404),
    (Role.CLINICIAN, {"hospitals": [HOSPITAL]}, "a b", REASON, 404),
    (Role.CLINICIAN, {"hospitals": [HOSPITAL]}, PATIENT, REASON, 409),
    (Role.CLINICIAN, NEXT_WARD, PATIENT, {}, 422),
    (Role.CLINICIAN, NEXT_WARD, PATIENT, {"reason": "   "}, 422),
    (Role.CLINICIAN, NEXT_WARD, PATIENT, {"reason": "x" * 501}, 422),
    (Role.CLINICIAN, NEXT_WARD, PATIENT, REASON | {"until": "2099-01-01T00:00:00Z"}, 422),
]


async def test_who_may_not_opens_nothing(hub: WholeHub):
    for role, scope, patient, body, expected in REFUSED:
        answer = await hub.post(f"/patients/{patient}/break-glass", body, role, **scope)
        assert answer.status_code == expected, (role, scope, patient, body)
    assert await audited(hub) == []


async def test_it_can_be_ended_early_by_its_user_or_an_admin_and_then_rooms_are_taken_away(hub: WholeHub):
    for ends in (hub.headers(**NEXT_WARD), hub.headers("admin")):
        assert (await hub.post(PATH, REASON, **NEXT_WARD)).status_code == 201
        async with hub.connect(f"/realtime/ws/patient/{PATIENT}", **NEXT_WARD) as client:
            assert [(await receive(client))["status"] for _ in range(3)] == ["subscribed"] * 3
            assert (await hub.http.delete(f"{PATH}?subject=clinician", headers=ends)).status_code == 200
            assert [(await receive(client))["status"] for _ in range(3)] == ["revoked"] * 3
        assert (await hub.get(HISTORY, **NEXT_WARD)).status_code == 403
        assert (await hub.http.delete(f"{PATH}?subject=clinician", headers=ends)).status_code == 404
    assert (await hub.http.delete(f"{PATH}?subject=clinician", headers=hub.headers("viewer"))).status_code == 403
    assert [entry.author for entry in await audited(hub)] == ["clinician", "clinician", "clinician", "admin"]


async def test_admins_see_what_stands_open(hub: WholeHub):
    path = f"/hospitals/{HOSPITAL}/break-glass"
    await hub.post(PATH, REASON, **NEXT_WARD)
    (shown,) = (await hub.get(path, "admin")).json()["data"]
    assert (shown["by"], shown["patient_id"], shown["reason"]) == ("clinician", PATIENT, REASON["reason"])
    statuses = {role: (await hub.get(path, role)).status_code for role in Role}
    assert statuses == {role: 200 if role is Role.ADMIN else 403 for role in Role}
    assert (await hub.get(path, "admin", hospitals=["elsewhere"])).status_code == 403


async def test_break_glass_ends_by_itself(tmp_path, redis_server, mosquitto_server):
    async with whole_hub(tmp_path, redis_server, mosquitto_server, break_glass_seconds=1) as hub:
        await hub.post(PATH, REASON, **NEXT_WARD)
        async with hub.connect(f"/realtime/ws/patient/{PATIENT}", **NEXT_WARD) as client:
            assert [(await receive(client))["status"] for _ in range(3)] == ["subscribed"] * 3
            assert [(await receive(client))["status"] for _ in range(3)] == ["revoked"] * 3
        assert (await hub.get(HISTORY, **NEXT_WARD)).status_code == 403


async def test_a_revoked_token_is_refused_by_rest_at_once_and_its_socket_is_closed(hub: WholeHub):
    token, other = (token_of(hub, token_id) for token_id in ("t1", "t2"))
    async with hub.connect("/realtime/ws", "viewer") as _, connected(hub, token) as client:
        began = time.monotonic()
        answer = await hub.post("/auth/revocations", {"token_id": "t1", "reason": "lost badge"}, "admin")
        assert answer.status_code == 201
        assert (await closed(client)).rcvd.code == 4501
        assert time.monotonic() - began < 2
    statuses = [(await hub.http.get(HISTORY, headers=headers)).status_code for headers in (token, other)]
    assert statuses == [401, 200]


async def test_a_revocation_outlives_redis_and_the_hub(tmp_path, redis_server, mosquitto_server):
    async with whole_hub(tmp_path, redis_server, mosquitto_server) as hub:
        await hub.post("/auth/revocations", {"subject": "nurse1"}, "admin")
        await hub.app.state.live.rooms.client.flushall()
        assert (await hub.http.get("/hospitals", headers=token_of(hub, "t1"))).status_code == 401
    async with whole_hub(tmp_path, redis_server, mosquitto_server) as hub:
        refused = await hub.http.get("/hospitals", headers=token_of(hub, "t1", ago=60))
        assert (refused.status_code, refused.json()["detail"]) == (401, "the token was revoked")


async def test_a_revocation_of_nothing_is_refused(hub: WholeHub):
    asked: list[Any] = [{}, {"token_id": "a", "subject": "b"}, {"token_id": ""}, {"token": "x"}]
    assert {(await hub.post("/auth/revocations", body, "admin")).status_code for body in asked} == {422}


async def test_only_admins_revoke(hub: WholeHub):
    statuses = {role: (await hub.post("/auth/revocations", {"token_id": "x"}, role)).status_code for role in Role}
    assert statuses == {role: 201 if role is Role.ADMIN else 403 for role in Role}


async def test_a_real_discharge_takes_the_ward_their_rooms(hub: WholeHub):
    ward = {"wards": [f"{HOSPITAL}:w1"]}
    device = "device:blood_pressure_monitor:cuff-1"
    async with hub.connect(f"/realtime/ws/patient/{PATIENT}", "viewer", **ward) as client:
        await ask_until_held(client, device)
        began = time.monotonic()
        assert (await hub.post(f"/patients/{PATIENT}/discharge", {})).status_code == 200
        taken = {}
        async with asyncio.timeout(10):
            while len(taken) < 4:
                message = await receive(client)
                taken |= {message["room"]: message["reason"]} if message.get("status") == "revoked" else {}
        assert time.monotonic() - began < 2
    assert taken == {f"patient:{PATIENT}{part}": "discharged" for part in ("", ":vitals", ":alerts")} | {
        device: "rights"
    }


async def ask_until_held(client: Any, room: str) -> None:
    await client.send(json.dumps({"type": "subscribe", "room": room}))
    while (message := await receive(client)).get("room") != room:
        pass
    assert message["status"] == "subscribed"


def token_of(hub: WholeHub, token_id: str, *, ago: float = 0) -> dict[str, str]:
    issued = datetime.now(UTC) - timedelta(seconds=ago)
    token = mint(
        hub.secret, subject="nurse1", role="viewer", ttl=timedelta(hours=1), now=issued,
        hospitals=[HOSPITAL], token_id=token_id,
    )  # fmt: skip
    return {"Authorization": f"Bearer {token}"}


def connected(hub: WholeHub, headers: dict[str, str]) -> Any:
    return websockets.connect(f"ws://127.0.0.1:{hub.settings.port}/realtime/ws", additional_headers=headers)


async def audited(hub: WholeHub) -> list[Any]:
    engine = Engine(hub.settings.database_url)
    try:
        async with engine.reading() as connection:
            return list((await connection.execute(select(audit).order_by(audit.c.audit_id))).all())
    finally:
        await engine.close()
