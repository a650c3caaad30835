"""A connection goes on as long as its token is good and no longer; its rights are those of now. Over WebSocket and SSE alike."""

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from hub.auth.access import ChangeKind, Opening, Revocation
from tests.hub.realtime.sockets import ask
from tests.support.hub import (
    CUFF,
    HOSPITAL,
    OTHER_HOSPITAL,
    OTHER_PATIENT,
    PATIENT,
    WAIT_SECONDS,
    LiveHub,
    receive,
    running_hub,
)
from tests.support.sse import Reader, events
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

ROOM = f"patient:{PATIENT}:vitals"
SOCKET = f"/realtime/ws/patient/{PATIENT}"
STREAM = f"/realtime/events/patient/{PATIENT}"
WARD = {"wards": [f"{HOSPITAL}:w1"]}
ROOMY: dict[str, Any] = {"max_queue": None}
"""For clients that don't read all that comes, or their closing would wait for it."""
CLOSED_WITHIN = 2.0
"""Seconds, by the contract."""


@pytest.fixture
async def access(hub: LiveHub) -> Any:
    return hub.app.state.components.access


@contextlib.asynccontextmanager
async def publishing(hub: LiveHub) -> AsyncIterator[None]:
    """Vitals of the patient, fifty a second."""

    async def publish() -> None:
        while True:
            await hub.owner.publish(HOSPITAL, [ROOM], {"patient_id": PATIENT})
            await asyncio.sleep(0.02)

    task = asyncio.create_task(publish())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def everything(client: Any) -> list[dict[str, Any]]:
    """All messages to the connection's end."""
    messages = []
    with contextlib.suppress(Exception):
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                messages.append(json.loads(await client.recv()))
    return messages


async def to_the_end(stream: Reader) -> list[Any]:
    """All events to the stream's end."""
    seen = []
    with contextlib.suppress(StopAsyncIteration):
        while True:
            seen.append(await stream.next())
    return seen


def published(messages: list[dict[str, Any]]) -> list[datetime]:
    return [datetime.fromisoformat(message["timestamp"]) for message in messages if message["type"] == "vitals_update"]


class TestTheEndOfAToken:
    async def test_a_websocket_is_warned_and_ends_at_the_tokens_end_with_nothing_after(self, hub: LiveHub):
        token = hub.token(hospitals=[HOSPITAL], ttl=timedelta(seconds=3))
        ends = msgspec.json.decode(_payload(token))["exp"]
        async with publishing(hub), hub.connect(SOCKET, token=token) as client:
            messages = await everything(client)
            ended = time.time()
        (warning,) = [message for message in messages if message["type"] == "expiring"]
        assert datetime.fromisoformat(warning["expires"]).timestamp() == ends
        assert client.close_code == 4501
        assert -0.01 < ended - ends < CLOSED_WITHIN
        assert published(messages)
        assert max(published(messages)).timestamp() < ends

    async def test_a_stream_is_warned_says_why_it_closes_and_ends_with_nothing_after(self, hub: LiveHub):
        headers = hub.headers(hospitals=[HOSPITAL], ttl=timedelta(seconds=3))
        ends = msgspec.json.decode(_payload(headers["Authorization"]))["exp"]
        async with publishing(hub), events(hub.http, STREAM, headers) as stream:
            seen = await to_the_end(stream)
            ended = time.time()
        assert [event.name for event in seen][-1] == "closing"
        assert seen[-1].data == {"code": 4501, "reason": "the token has expired"}
        assert [event.name for event in seen].count("expiring") == 1
        assert -0.01 < ended - ends < CLOSED_WITHIN
        told = [event.data["meta"]["timestamp"] for event in seen if event.name == "patient.vitals.update"]
        assert max(datetime.fromisoformat(one).timestamp() for one in told) < ends

    async def test_the_warning_comes_in_time(self, tmp_path, redis_server):
        async with running_hub(tmp_path, redis_server.url, expiring_seconds=3600 - 1) as hub:
            async with hub.connect(SOCKET) as client:
                warning = await receive(client, until="expiring")
            assert 3595 < warning["seconds"] <= 3600


class TestRefresh:
    async def test_a_new_token_of_the_same_subject_carries_the_connection_on(self, hub: LiveHub):
        short = hub.token(hospitals=[HOSPITAL], ttl=timedelta(seconds=2))
        longer = hub.token(hospitals=[HOSPITAL], ttl=timedelta(hours=1))
        async with hub.connect("/realtime/ws", token=short) as client:
            await receive(client, until="expiring")
            answer = await ask(client, type="refresh", token=longer, id=7)
            assert (answer["type"], answer["id"]) == ("refreshed", 7)
            ends = datetime.fromisoformat(answer["expires"])
            assert timedelta(minutes=59) < ends - datetime.now(UTC) < timedelta(minutes=61)
            with pytest.raises(TimeoutError):  # the first token's end passes
                async with asyncio.timeout(3):
                    await client.recv()
            assert (await ask(client, type="ping"))["type"] == "pong"

    async def test_another_subjects_token_is_refused_and_the_old_one_stands(self, hub: LiveHub):
        async with hub.connect("/realtime/ws", token=hub.token(subject="nurse1")) as client:
            answer = await ask(client, type="refresh", token=hub.token(subject="nurse2"))
            assert (answer["type"], answer["code"]) == ("error", "forbidden")
            assert (await ask(client, type="ping"))["type"] == "pong"

    async def test_rooms_that_the_new_token_does_not_allow_are_taken_away_and_stay_silent(self, hub: LiveHub):
        other = f"patient:{OTHER_PATIENT}:vitals"
        both = hub.token(patients=[PATIENT, OTHER_PATIENT])
        async with hub.connect("/realtime/ws", token=both) as client:
            await ask(client, type="subscribe", room=ROOM)
            await ask(client, type="subscribe", room=other)
            assert (await ask(client, type="refresh", token=hub.token(patients=[PATIENT])))["type"] == "refreshed"
            taken = await receive(client)
            assert (taken["type"], taken["room"], taken["status"]) == ("subscription", other, "revoked")
            assert taken["reason"] == "rights"
            await hub.owner.publish(OTHER_HOSPITAL, [other], {"patient_id": OTHER_PATIENT})
            await hub.owner.publish(HOSPITAL, [ROOM], {"patient_id": PATIENT})
            assert (await receive(client))["room"] == ROOM

    async def test_a_message_without_a_token_is_an_error(self, hub: LiveHub):
        async with hub.connect("/realtime/ws") as client:
            assert (await ask(client, type="refresh"))["code"] == "bad_message"


class TestRevocation:
    @pytest.mark.parametrize("by", ["token", "user"])
    async def test_a_websocket_is_closed_within_two_seconds_with_nothing_after(
        self, hub: LiveHub, access: Any, by: str
    ):
        token = hub.token(subject="nurse1")
        async with (
            publishing(hub),
            hub.connect(SOCKET, token=token, **ROOMY) as client,
            hub.connect(SOCKET, **ROOMY) as other,
        ):
            await receive(client, until="vitals_update")
            revoked_at = time.time()
            await access.revoke(revocation(token, by))
            messages = await everything(client)
            ended = time.time()
            assert client.close_code == 4501
            assert ended - revoked_at < CLOSED_WITHIN
            assert max(published(messages)).timestamp() < ended
            assert (await receive(other, until="vitals_update"))["room"] == ROOM

    async def test_a_stream_is_closed_within_two_seconds_and_says_why(self, hub: LiveHub, access: Any):
        token = hub.token(subject="nurse1")
        async with publishing(hub), events(hub.http, STREAM, {"Authorization": f"Bearer {token}"}) as stream:
            await stream.next()
            revoked_at = time.time()
            await access.revoke(revocation(token, "token"))
            seen = await to_the_end(stream)
            assert time.time() - revoked_at < CLOSED_WITHIN
        assert (seen[-1].name, seen[-1].data) == ("closing", {"code": 4501, "reason": "the token was revoked"})

    async def test_new_uses_are_refused_and_a_new_token_of_the_user_is_good(self, hub: LiveHub, access: Any):
        old = hub.token(subject="nurse1", now=datetime.now(UTC) - timedelta(minutes=1))
        session = await hub.http.post("/realtime/session", headers={"Authorization": f"Bearer {old}"})
        ticket = await hub.http.post("/realtime/ticket", headers={"Authorization": f"Bearer {old}"})
        hub.http.cookies.clear()
        await access.revoke(Revocation(subject="nurse1", issued_until=datetime.now(UTC) - timedelta(seconds=30)))
        page = {"Cookie": session.headers["set-cookie"].partition(";")[0], "Sec-Fetch-Site": "same-origin"}

        async def statuses() -> list[int]:
            return [
                (await hub.http.get(f"/realtime/history/{ROOM}", headers=headers)).status_code
                for headers in ({"Authorization": f"Bearer {old}"}, page, hub.headers(subject="nurse1"))
            ]

        async def known() -> bool:
            return await statuses() == [401, 401, 200]

        await eventually(known, seconds=WAIT_SECONDS)
        entering = await hub.http.get(f"{STREAM}?ticket={ticket.json()['data']['ticket']}")
        assert entering.status_code == 401

    async def test_a_revoked_token_does_not_refresh(self, hub: LiveHub, access: Any):
        token = hub.token(subject="nurse1")
        await access.revoke(revocation(token, "token"))
        await hub.live.oversight.look()
        async with hub.connect("/realtime/ws", token=hub.token(subject="nurse1")) as client:
            assert (await ask(client, type="refresh", token=token))["code"] == "forbidden"


class TestMoves:
    """The registry says where a patient is; open rooms follow it within two seconds."""

    async def test_a_discharge_takes_the_rooms_from_those_who_had_them_by_the_ward(self, hub: LiveHub, access: Any):
        token = hub.token(**WARD)
        async with (
            publishing(hub),
            hub.connect(SOCKET, token=token, **ROOMY) as client,
            hub.connect(SOCKET, **ROOMY) as whole,
        ):
            await receive(client, until="vitals_update")
            place = hub.registry.places[PATIENT]
            hub.registry.places[PATIENT] = msgspec.structs.replace(place, ward_id=None, bed_id=None)
            access.note(ChangeKind.PATIENT, PATIENT)
            taken = await taken_away(client, 3)
            assert taken == {(f"patient:{PATIENT}{part}", "discharged") for part in ("", ":vitals", ":alerts")}
            assert (await ask(client, type="ping"))["type"] == "pong"
            assert (await receive(whole, until="vitals_update"))["room"] == ROOM

    async def test_a_move_to_another_ward_takes_them_as_moved(self, hub: LiveHub, access: Any):
        async with hub.connect(SOCKET, token=hub.token(**WARD)) as client:
            hub.registry.places[PATIENT] = msgspec.structs.replace(hub.registry.places[PATIENT], ward_id="w2")
            access.note(ChangeKind.PATIENT, PATIENT)
            assert {reason for _, reason in await taken_away(client, 3)} == {"moved"}

    async def test_a_move_to_another_hospital_takes_the_old_rooms_from_everybody(self, hub: LiveHub, access: Any):
        async with hub.connect(SOCKET, token=hub.token(hospitals=[HOSPITAL, OTHER_HOSPITAL])) as client:
            place = hub.registry.places[PATIENT]
            moved = msgspec.structs.replace(place, hospital_id=OTHER_HOSPITAL, ward_id="w9")
            hub.registry.places[PATIENT] = moved
            access.note(ChangeKind.PATIENT, PATIENT)
            assert {reason for _, reason in await taken_away(client, 3)} == {"moved"}
            assert (await ask(client, type="subscribe", room=ROOM))["status"] == "subscribed"

    async def test_a_stream_that_has_lost_all_its_rooms_ends(self, hub: LiveHub, access: Any):
        async with events(hub.http, STREAM, hub.headers(**WARD)) as stream:
            await stream.next()
            place = hub.registry.places[PATIENT]
            hub.registry.places[PATIENT] = msgspec.structs.replace(place, ward_id=None, bed_id=None)
            access.note(ChangeKind.PATIENT, PATIENT)
            seen = await to_the_end(stream)
        assert [event.name for event in seen] == ["subscription"] * 3 + ["closing"]
        assert (seen[0].data["status"], seen[-1].data["code"]) == ("revoked", 4503)

    async def test_a_device_that_a_patient_holds_no_more_is_taken_from_those_who_had_it_by_the_patient(
        self, hub: LiveHub, access: Any
    ):
        token = hub.token("viewer", patients=[PATIENT])
        path = f"/realtime/ws/device/{CUFF.device_type}/{CUFF.device_id}"
        async with hub.connect(path, token=token) as client, hub.connect(path, token=hub.token("technician")) as other:
            place = hub.registry.device_places[CUFF]
            hub.registry.device_places[CUFF] = msgspec.structs.replace(place, patient=None)
            access.note(ChangeKind.DEVICE, str(CUFF))
            assert await taken_away(client, 2) == {(f"device:{CUFF}{part}", "rights") for part in ("", ":status")}
            assert [(await receive(other))["status"] for _ in range(2)] == ["subscribed"] * 2
            assert (await ask(other, type="ping"))["type"] == "pong"

    async def test_a_change_of_which_nobody_told_is_found_in_time(self, tmp_path, redis_server):
        async with (
            running_hub(tmp_path, redis_server.url, recheck_seconds=0.5) as hub,
            hub.connect(SOCKET, token=hub.token(**WARD)) as client,
        ):
            hub.registry.places[PATIENT] = msgspec.structs.replace(hub.registry.places[PATIENT], ward_id="w2")
            assert {reason for _, reason in await taken_away(client, 3)} == {"rights"}


class TestBreakGlass:
    async def test_its_end_by_itself_takes_the_rooms_away(self, hub: LiveHub, access: Any):
        token = hub.token(subject="nurse1", wards=[f"{HOSPITAL}:w9"])
        now = datetime.now(UTC)
        opening = Opening(
            opening_id="o1", subject="nurse1", patient_id=PATIENT, hospital_id=HOSPITAL, reason="emergency",
            starts=now, ends=now + timedelta(seconds=2),
        )  # fmt: skip
        await access.open_patient(opening)
        await hub.live.oversight.look()
        async with publishing(hub), hub.connect(SOCKET, token=token) as client:
            await receive(client, until="vitals_update")
            taken = await taken_away(client, 3)
            assert datetime.now(UTC) - opening.ends < timedelta(seconds=CLOSED_WITHIN)
            assert {reason for _, reason in taken} == {"rights"}
            answer = await ask(client, type="subscribe", room=ROOM)
            assert (answer["status"], answer["reason"]) == ("denied", "forbidden")


def revocation(token: str, by: str) -> Revocation:
    claims = msgspec.json.decode(_payload(token))
    if by == "token":
        return Revocation(token_id=claims["jti"])
    return Revocation(subject=claims["sub"], issued_until=datetime.now(UTC))


async def taken_away(client: Any, count: int) -> set[tuple[str, str]]:
    """The next revoked rooms with their reasons; nothing of them comes after."""
    taken: set[tuple[str, str]] = set()
    while len(taken) < count:
        message = await receive(client)
        assert message.get("room") not in {room for room, _ in taken}
        if message.get("status") == "revoked":
            taken.add((message["room"], message["reason"]))
    return taken


def _payload(token: str) -> bytes:
    part = token.split(".")[1]
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
