"""Server-sent events, read over real HTTP, on a real Redis."""

import asyncio
from random import Random

import pytest

from tests.hub.rest.raw_http import request
from tests.support.hub import CUFF, HOSPITAL, OTHER_HOSPITAL, OTHER_PATIENT, PATIENT, LiveHub, running_hub
from tests.support.sse import events
from tests.support.waiting import eventually
from vitals.events import EventName

VITALS = f"patient:{PATIENT}:vitals"
ALERTS = f"patient:{PATIENT}:alerts"
STREAM = f"/realtime/events/patient/{PATIENT}"


@pytest.mark.parametrize(
    ("path", "rooms"),
    [
        (STREAM, [f"patient:{PATIENT}", VITALS, ALERTS]),
        (
            f"/realtime/events/hospital/{HOSPITAL}",
            [f"hospital:{HOSPITAL}", f"hospital:{HOSPITAL}:alerts", f"hospital:{HOSPITAL}:devices"],
        ),
        (f"/realtime/events/device/{CUFF.device_type}/{CUFF.device_id}", [f"device:{CUFF}", f"device:{CUFF}:status"]),
    ],
)
async def test_the_first_event_is_connected_and_names_the_rooms(hub: LiveHub, path: str, rooms: list[str]):
    async with events(hub.http, path, hub.headers()) as stream:
        first = await stream.next()
    assert (first.name, first.data["rooms"]) == ("connected", rooms)
    assert first.data["positions"].keys() == set(rooms)
    assert stream.retry is not None
    assert stream.response.headers["content-type"].startswith("text/event-stream")
    assert stream.response.headers["cache-control"] == "no-store"
    assert stream.response.headers["x-accel-buffering"] == "no"


async def test_an_events_data_is_its_own_with_meta_beside_it(hub: LiveHub):
    async with events(hub.http, STREAM, hub.headers()) as stream:
        connected = await stream.next()
        published = await hub.owner.publish(HOSPITAL, [VITALS], {"patient_id": PATIENT, "heart_rate": 72}, test=True)
        event = await stream.next()
    assert event.name == "patient.vitals.update"
    assert event.data == {
        "patient_id": PATIENT,
        "heart_rate": 72,
        "meta": {
            "type": "vitals_update",
            "event_id": published.event_id,
            "room": VITALS,
            "timestamp": published.timestamp.isoformat().replace("+00:00", "Z"),
            "epoch": connected.data["positions"][VITALS]["epoch"],
            "offset": 1,
            "n": published.n,
            "test": True,
        },
    }


async def test_one_event_in_several_rooms_is_sent_once(hub: LiveHub):
    rooms = [f"hospital:{HOSPITAL}:alerts", f"hospital:{HOSPITAL}"]
    async with events(hub.http, f"/realtime/events/hospital/{HOSPITAL}", hub.headers()) as stream:
        await stream.next()
        await hub.owner.publish(HOSPITAL, rooms, {"a": 1}, event=EventName.HOSPITAL_EMERGENCY)
        await hub.owner.publish(HOSPITAL, rooms[1:], {"a": 2}, event=EventName.HOSPITAL_CAPACITY_UPDATE)
        assert [(await stream.next()).data["a"] for _ in range(2)] == [1, 2]


async def test_coming_back_with_the_last_id_recovers_every_room(hub: LiveHub):
    async with events(hub.http, STREAM, hub.headers()) as stream:
        await stream.next()
        await hub.owner.publish(HOSPITAL, [VITALS], {"a": 1})
        last = (await stream.next()).id
    await hub.owner.publish(HOSPITAL, [ALERTS], {"a": 2}, event=EventName.PATIENT_ALERT)
    await hub.owner.publish(HOSPITAL, [VITALS], {"a": 3})
    async with events(hub.http, STREAM, hub.headers() | {"Last-Event-ID": last}) as stream:
        assert (await stream.next()).name == "connected"
        missed = [await stream.next(), await stream.next()]
        answer = await stream.next()
        await hub.owner.publish(HOSPITAL, [VITALS], {"a": 4})
        assert (await stream.next()).data["a"] == 4
    assert {event.data["a"] for event in missed} == {2, 3}
    assert (answer.name, answer.data["replayed"]) == ("recovered", 2)


async def test_the_last_id_may_stand_in_the_address_on_a_first_connect(hub: LiveHub):
    async with events(hub.http, STREAM, hub.headers()) as stream:
        await stream.next()
        await hub.owner.publish(HOSPITAL, [VITALS], {"a": 1})
        last = (await stream.next()).id
    async with events(hub.http, f"{STREAM}?last_event_id={last}", hub.headers()) as stream:
        await stream.next()
        assert ((await stream.next()).name, stream.last_id) == ("recovered", last)


@pytest.mark.parametrize("cursor", ["nonsense", "%00", "AAAA", "x" * 5000, "gaJlMYHOAAAAAAE"])
async def test_a_cursor_that_is_none_of_ours_is_a_gap_and_never_an_error(hub: LiveHub, cursor: str):
    await hub.owner.publish(HOSPITAL, [VITALS], {"a": 1})
    async with events(hub.http, STREAM, hub.headers() | {"Last-Event-ID": cursor}) as stream:
        await stream.next()
        gap = await stream.next()
    assert gap.name == "gap"
    assert {missing["room"] for missing in gap.data["missing"]} == {f"patient:{PATIENT}", VITALS, ALERTS}


async def test_a_cursor_of_an_earlier_epoch_is_a_gap_of_its_rooms(hub: LiveHub):
    async with events(hub.http, STREAM, hub.headers()) as stream:
        await stream.next()
        await hub.owner.publish(HOSPITAL, [VITALS], {"a": 1})
        last = (await stream.next()).id
    await hub.owner.publish(HOSPITAL, [VITALS], {"a": 2}, skip=5)
    async with events(hub.http, STREAM, hub.headers() | {"Last-Event-ID": last}) as stream:
        await stream.next()
        gap = await stream.next()
    assert gap.name == "gap"
    assert {missing["room"] for missing in gap.data["missing"]} >= {VITALS}


async def test_a_new_epoch_is_told_in_the_open_stream(hub: LiveHub):
    async with events(hub.http, STREAM, hub.headers()) as stream:
        await stream.next()
        await hub.owner.publish(HOSPITAL, [VITALS], {"a": 1}, skip=5)
        gap = await stream.next()
        await hub.owner.publish(HOSPITAL, [VITALS], {"a": 2})
        message = await stream.next()
    assert (gap.name, gap.data["missing"][0]["room"]) == ("gap", VITALS)
    assert gap.data["snapshot"][VITALS]["n"] == 6
    assert (message.data["a"], message.data["meta"]["offset"]) == (2, 2)


async def test_a_comment_comes_when_nothing_else_does(tmp_path, redis_server):
    async with (
        running_hub(tmp_path, redis_server.url, comment_seconds=0.05, ping_seconds=0.25) as hub,
        events(hub.http, STREAM, hub.headers()) as stream,
    ):
        await stream.next()
        assert (await stream.next(comments=True)).name == ":"


async def test_a_stream_of_which_nothing_is_taken_is_given_up(tmp_path, redis_server):
    """As after a network cut: the hub has little to send, so no limit of bytes would ever end it."""
    async with running_hub(tmp_path, redis_server.url, silence_seconds=1, unsent_bytes=1 << 30) as hub:
        reader, writer = await asyncio.open_connection("127.0.0.1", hub.port, limit=1024)
        writer.write(request(STREAM, f"Authorization: Bearer {hub.token()}"))
        await reader.readuntil(b"\r\n\r\n")
        await eventually(lambda: len(hub.live.clients) == 1)
        for _ in range(100):  # more than the kernel's buffers hold
            await hub.owner.publish(HOSPITAL, [ALERTS], {"padding": "x" * 100_000}, event=EventName.PATIENT_ALERT)
        await eventually(lambda: len(hub.live.clients) == 0, seconds=30)
        writer.transport.abort()


@pytest.mark.parametrize(
    ("headers", "path", "status"),
    [
        ({}, STREAM, 401),
        ({"Authorization": "Bearer x"}, STREAM, 401),
        ({"Authorization": "Basic x"}, STREAM, 401),
        (None, f"/realtime/events/patient/{OTHER_PATIENT}", 403),
        (None, "/realtime/events/patient/nobody", 404),
        (None, "/realtime/events/device/toaster/t1", 404),
        (None, f"/realtime/events/hospital/{OTHER_HOSPITAL}", 403),
    ],
)
async def test_a_stream_that_is_not_allowed_is_a_problem_document(hub: LiveHub, headers, path: str, status: int):
    answer = await hub.http.get(path, headers=hub.headers() if headers is None else headers)
    assert (answer.status_code, answer.json()["status"]) == (status, status)
    assert answer.headers["content-type"] == "application/problem+json"


async def test_the_global_stream_carries_all_that_the_token_may_see_and_nothing_else(hub: LiveHub):
    async with events(hub.http, "/realtime/events", hub.headers()) as stream:
        rooms = set((await stream.next()).data["rooms"])
        await hub.owner.publish(OTHER_HOSPITAL, [f"patient:{OTHER_PATIENT}:vitals"], {"a": 0})
        await hub.owner.publish("system", ["system:alerts"], {"a": 1}, event=EventName.SYSTEM_ALERT)
        assert (await stream.next()).data["a"] == 1
        await hub.owner.publish(HOSPITAL, [VITALS], {"a": 2})
        assert (await stream.next()).data["a"] == 2
    assert {VITALS, f"hospital:{HOSPITAL}", "system:alerts", f"device:{CUFF}"} <= rooms
    assert not {room for room in rooms if OTHER_HOSPITAL in room or OTHER_PATIENT in room or room.startswith("admin")}


async def test_the_global_stream_of_a_patients_token_holds_that_patient_and_their_device_alone(hub: LiveHub):
    headers = hub.headers("viewer", patients=[PATIENT])
    async with events(hub.http, "/realtime/events", headers) as stream:
        rooms = set((await stream.next()).data["rooms"])
    devices = {f"device:{CUFF}", f"device:{CUFF}:status"}
    assert rooms == {f"patient:{PATIENT}", VITALS, ALERTS, "system:alerts"} | devices


async def test_the_global_stream_resumes_hospital_and_system_rooms(hub: LiveHub):
    async with events(hub.http, "/realtime/events", hub.headers()) as stream:
        await stream.next()
        await hub.owner.publish(HOSPITAL, [VITALS], {"a": 1})
        last = (await stream.next()).id
    await hub.owner.publish(HOSPITAL, [f"hospital:{HOSPITAL}:alerts"], {"a": 2}, event=EventName.HOSPITAL_ALERT)
    async with events(hub.http, "/realtime/events", hub.headers() | {"Last-Event-ID": last}) as stream:
        await stream.next()
        assert (await stream.next()).data["a"] == 2
        answer = await stream.next()
    assert answer.name == "recovered"
    assert VITALS not in answer.data["rooms"]


async def test_a_user_over_the_connection_limit_gets_429(tmp_path, redis_server):
    async with (
        running_hub(tmp_path, redis_server.url, user_connections=1) as hub,
        events(hub.http, STREAM, hub.headers()) as stream,
    ):
        await stream.next()
        answer = await hub.http.get(STREAM, headers=hub.headers())
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")


async def test_a_draining_node_ends_streams_and_lets_none_in(hub: LiveHub):
    async with events(hub.http, STREAM, hub.headers()) as stream:
        await stream.next()
        await hub.live.clients.drain(Random(1))
        assert (await stream.next()).data == {"code": 1001, "reason": "draining; reconnect elsewhere"}
        with pytest.raises(StopAsyncIteration):
            await stream.next()
    await eventually(lambda: len(hub.live.clients) == 0)
    assert (await hub.http.get(STREAM, headers=hub.headers())).status_code == 503
    assert (await hub.http.get("/health/ready")).json()["checks"]["node"] == "draining"


async def test_a_stream_that_can_not_be_followed_ends_and_does_not_hang(hub: LiveHub, monkeypatch, caplog):
    async def fails(*_: object) -> None:
        raise ValueError("a fault of ours")

    monkeypatch.setattr(type(hub.live), "hold", fails)
    async with events(hub.http, STREAM, hub.headers()) as stream:
        assert (await stream.next()).name == "closing"
        with pytest.raises(StopAsyncIteration):
            await stream.next()
    assert "sse-follow has failed" in caplog.text
