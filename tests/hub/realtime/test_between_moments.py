"""What happens between two moments at which a hub looks: rights that end while a client enters, and what comes into a scope later."""

import asyncio
import json
import signal
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis import Redis as RedisClient

from bedside.services.redis import Redis
from hub.auth.access import ChangeKind
from tests.hub.realtime.sockets import ask, closed, refused, send
from tests.hub.realtime.test_credentials import own, session
from tests.support.hub import HOSPITAL, PATIENT, WARD, LiveHub, PatientPlace, receive, running_hub
from tests.support.sse import events
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.pure]

ROOM = f"patient:{PATIENT}"
SOCKET = f"/realtime/ws/patient/{PATIENT}"
STREAM = f"/realtime/events/patient/{PATIENT}"
WAIT_SECONDS = 30


class SlowDoor:
    """Lets nobody have a place until told to. `waiting` says that somebody waits for one."""

    def __init__(self, hub: LiveHub, monkeypatch: pytest.MonkeyPatch) -> None:
        self.waiting, self.opens = asyncio.Event(), asyncio.Event()
        quotas = hub.live.shared.admission._quotas
        may_have = quotas.may_have

        async def slowly(*arguments: Any, **options: Any) -> Any:
            self.waiting.set()
            await self.opens.wait()
            return await may_have(*arguments, **options)

        monkeypatch.setattr(quotas, "may_have", slowly)


async def revoke(hub: LiveHub, subject: str) -> None:
    answer = await hub.http.post(
        "/auth/revocations", json={"subject": subject}, headers=hub.headers("admin", hospitals=["*"])
    )
    assert answer.status_code == 201
    await hub.live.oversight.look()
    await hub.live.oversight.look()  # a change is gone through twice; who is still waiting was there for neither


async def test_a_token_that_is_revoked_while_a_websocket_is_opened_opens_none(hub: LiveHub, monkeypatch):
    door = SlowDoor(hub, monkeypatch)
    authorization = {"Authorization": f"Bearer {hub.token(subject='stolen')}"}
    opening = asyncio.create_task(refused(hub, SOCKET, additional_headers=authorization, open_timeout=WAIT_SECONDS))
    await door.waiting.wait()
    await revoke(hub, "stolen")
    door.opens.set()
    status, problem = await opening
    assert (status, problem["detail"]) == (401, "the token was revoked")


async def test_a_token_that_is_revoked_while_a_stream_is_opened_opens_none(hub: LiveHub, monkeypatch):
    door = SlowDoor(hub, monkeypatch)
    opening = asyncio.create_task(hub.http.get(STREAM, headers=hub.headers(subject="stolen")))
    await door.waiting.wait()
    await revoke(hub, "stolen")
    door.opens.set()
    assert (await opening).status_code == 401


async def test_a_ticket_does_not_outlive_the_session_it_came_from(hub: LiveHub):
    page = await session(hub) | {"Origin": own(hub)}
    ticket = (await hub.http.post("/realtime/ticket", headers=page)).json()["data"]["ticket"]
    assert (await hub.http.delete("/realtime/session", headers=page)).status_code == 200
    status, problem = await refused(hub, f"{SOCKET}?ticket={ticket}")
    assert (status, problem["detail"]) == (401, "the session was ended")


async def test_revoking_a_user_holds_for_tokens_of_a_clock_that_is_ahead(tmp_path, redis_server: Redis):
    async with running_hub(tmp_path, redis_server.url, auth={"leeway_seconds": 60}) as hub:
        token = hub.token(subject="ann", hospitals=[HOSPITAL], now=datetime.now(UTC) + timedelta(seconds=30))
        async with hub.connect(SOCKET, token=token) as client:
            await revoke(hub, "ann")
            assert (await closed(client)).rcvd.code == 4501


async def test_the_global_stream_follows_a_patient_who_is_admitted_later(hub: LiveHub):
    async with events(hub.http, "/realtime/events", hub.headers()) as stream:
        assert (await stream.next()).name == "connected"
        hub.registry.places["new"] = PatientPlace(patient_id="new", hospital_id=HOSPITAL, ward_id=WARD, bed_id="b7")
        hub.live.oversight._access._record.note(ChangeKind.PATIENT, "new")
        await eventually(
            lambda: any("patient:new:vitals" in client.rooms for client in hub.live.clients.everyone()),
            seconds=WAIT_SECONDS,
        )

        async def publish_until_heard() -> None:
            while True:  # the room holds a moment after it was asked for
                await hub.owner.publish(HOSPITAL, ["patient:new:vitals"], {"patient_id": "new", "heart_rate": 71})
                await asyncio.sleep(0.1)

        publishing = asyncio.create_task(publish_until_heard())
        heard = await stream.next()
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)
    assert (heard.name, heard.data["patient_id"]) == ("patient.vitals.update", "new")


async def test_a_room_that_is_named_many_times_is_looked_up_once(hub: LiveHub, monkeypatch):
    asked: list[str] = []
    patient = hub.registry.patient

    async def counted(patient_id: str) -> Any:
        asked.append(patient_id)
        return await patient(patient_id)

    monkeypatch.setattr(hub.registry, "patient", counted)
    async with hub.connect("/realtime/ws") as client:
        await send(client, type="subscribe", rooms=["patient:nobody"] * 3000)
        assert (await receive(client))["status"] == "denied"
        assert (await ask(client, type="ping"))["type"] == "pong"
    assert asked == ["nobody"]


@pytest.mark.parametrize(
    ("channel", "payload"),
    [
        (f"bedside:{{{HOSPITAL}}}:presence:{ROOM}", b"1\nbusy\nsomeone"),
        (f"bedside:{{{HOSPITAL}}}:presence:{ROOM}", b"\xff"),
        (f"bedside:{{{HOSPITAL}}}:room:{ROOM}", b"1\nx\n1\n1\n\xff\n{}\n{}"),
    ],
)
async def test_what_is_none_of_ours_in_redis_stops_no_node(
    hub: LiveHub, redis_server: Redis, monkeypatch, channel: str, payload: bytes
):
    signals: list[int] = []
    monkeypatch.setattr(signal, "raise_signal", signals.append)
    async with hub.connect("/realtime/ws") as client:
        await send(client, type="subscribe", room=ROOM, presence=True)
        await receive(client, until="presence")
        with RedisClient.from_url(redis_server.url) as redis:
            assert redis.publish(channel, payload) == 1
        await hub.owner.publish(HOSPITAL, [ROOM], {"patient_id": PATIENT})
        assert (await receive(client, until="vitals_update"))["room"] == ROOM
        async with hub.connect(SOCKET, token=hub.token(subject="another")):
            assert (await receive(client, until="presence_change"))["user"] == "another"
    assert signals == []


async def test_an_offset_that_no_room_can_have_is_an_error(hub: LiveHub):
    offset = "9" * 4300
    async with hub.connect("/realtime/ws") as client:
        await client.send(f'{{"type": "subscribe", "room": "{ROOM}", "since": {{"epoch": "x", "offset": {offset}}}}}')
        assert (await receive(client))["code"] == "bad_message"
        assert (await ask(client, type="unsubscribe", room="nonsense", id=5))["id"] == 5


async def test_who_else_is_there_is_told_within_a_hospital_only(hub: LiveHub):
    elsewhere = {"hospitals": ["h2"]}
    async with hub.connect("/realtime/ws", token=hub.token(subject="dr-of-h2", **elsewhere)) as other:
        await other.send(json.dumps({"type": "subscribe", "room": "system:alerts"}))
        await receive(other)
        stats = await hub.http.get("/realtime/stats", headers=hub.headers(subject="me", hospitals=[HOSPITAL]))
        assert stats.json()["data"]["connections_by_user"] == {}
        presence = await hub.http.get("/realtime/presence/system:alerts", headers=hub.headers(subject="me"))
        assert presence.status_code == 403
