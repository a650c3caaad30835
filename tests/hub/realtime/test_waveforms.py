"""Waveforms to clients over WebSocket and SSE: live, without a place in any history, and the first to give way."""

import asyncio
from datetime import UTC, datetime

import msgspec
import pytest

from hub.rooms.live_only import LiveMessage
from tests.hub.realtime.sockets import ask, send
from tests.support.hub import HOSPITAL, PATIENT, LiveHub, receive, running_hub
from tests.support.sse import events
from tests.support.waiting import eventually
from vitals.events import EventName

pytestmark = [pytest.mark.slow, pytest.mark.pure]

ROOM = f"patient:{PATIENT}:waveforms"
ALERTS = f"patient:{PATIENT}:alerts"
DATA = {
    "patient_id": PATIENT,
    "signal": "plethysmogram",
    "rate_hz": 75.0,
    "start": "2026-03-01T12:00:00Z",
    "scale": {"low": 0, "high": 255},
    "unit": "1",
}
TRIAL = {"event_type": "patient.waveform", **DATA, "samples": [1, None, 2]}


async def tell(hub: LiveHub, *numbers: int, padding: int = 0) -> int:
    """One chunk for each number, whose samples it is."""
    messages = [
        LiveMessage(
            event=EventName.PATIENT_WAVEFORM,
            event_id=f"e{number}",
            data=msgspec.json.encode(DATA | {"samples": [number], "padding": "x" * padding}),
            timestamp=datetime(2026, 3, 1, 12, tzinfo=UTC),
        )
        for number in numbers
    ]
    return await hub.owner.rooms.publish_live(HOSPITAL, {ROOM: messages}, fence=hub.owner.fence())


async def test_a_subscription_says_that_the_room_is_live_only(hub: LiveHub):
    async with hub.connect("/realtime/ws") as client:
        first = await ask(client, type="subscribe", room=ROOM, id=1)
        again = await ask(client, type="subscribe", room=ROOM)
        resumed = await ask(client, type="subscribe", room=ROOM, since={"epoch": "e", "offset": 3})
    held = {"type": "subscription", "room": ROOM, "status": "subscribed", "live_only": True}
    assert first == held | {"recovered": False, "replayed": 0, "id": 1}
    assert again == resumed == held | {"recovered": False, "replayed": 0}


async def test_a_message_has_no_place_in_a_history(hub: LiveHub):
    async with hub.connect("/realtime/ws") as client:
        await ask(client, type="subscribe", room=ROOM)
        await tell(hub, 1, 2)
        messages = [await receive(client) for _ in range(2)]
    assert messages[0] == {
        "type": "patient_waveform",
        "event": "patient.waveform",
        "event_id": "e1",
        "room": ROOM,
        "data": DATA | {"samples": [1], "padding": ""},
        "timestamp": "2026-03-01T12:00:00Z",
    }
    assert messages[1]["data"]["samples"] == [2]


async def test_a_stream_has_waveforms_only_when_asked_for_and_its_cursor_does_not_move(hub: LiveHub):
    path = f"/realtime/events/patient/{PATIENT}"
    async with (
        events(hub.http, path, hub.headers()) as without,
        events(hub.http, f"{path}?waveforms=1", hub.headers()) as asked,
    ):
        connected = [await reader.next() for reader in (without, asked)]
        assert [ROOM in event.data["rooms"] for event in connected] == [False, True]
        assert [ROOM in event.data["positions"] for event in connected] == [False, False]
        await hub.owner.publish(HOSPITAL, [ALERTS], {"a": 1}, event=EventName.PATIENT_ALERT)
        before = await asked.next()
        await tell(hub, 1)
        waveform = await asked.next()
        await hub.owner.publish(HOSPITAL, [ALERTS], {"a": 2}, event=EventName.PATIENT_ALERT)
        assert (await asked.next()).data["a"] == 2
        assert [(await without.next()).name for _ in range(2)] == ["patient.alert"] * 2
    assert (waveform.name, waveform.id) == ("patient.waveform", before.id)
    assert waveform.data["samples"] == [1]
    meta = {"type": "patient_waveform", "event_id": "e1", "timestamp": "2026-03-01T12:00:00Z", "room": ROOM}
    assert waveform.data["meta"] == meta


async def test_a_stream_that_asks_for_waveforms_resumes_the_rooms_that_remember(hub: LiveHub):
    path = f"/realtime/events/patient/{PATIENT}?waveforms=1"
    async with events(hub.http, path, hub.headers()) as reader:
        await reader.next()
        await hub.owner.publish(HOSPITAL, [ALERTS], {"a": 1}, event=EventName.PATIENT_ALERT)
        cursor = (await reader.next()).id
    await tell(hub, 1)
    await hub.owner.publish(HOSPITAL, [ALERTS], {"a": 2}, event=EventName.PATIENT_ALERT)
    async with events(hub.http, f"{path}&last_event_id={cursor}", hub.headers()) as reader:
        names = [(await reader.next()).name for _ in range(3)]
        await tell(hub, 2)
        assert (await reader.next()).data["samples"] == [2]
    assert names == ["connected", "patient.alert", "recovered"]


async def test_who_may_not_watch_the_patient_may_not_watch_the_waveforms(hub: LiveHub):
    technician = hub.token("technician")
    async with hub.connect("/realtime/ws", token=technician) as client:
        answer = await ask(client, type="subscribe", room=ROOM)
        assert (answer["status"], answer["reason"]) == ("denied", "forbidden")
    answer = await hub.http.get(
        f"/realtime/events/patient/{PATIENT}?waveforms=1", headers=hub.headers("viewer", patients=["another"])
    )
    assert answer.status_code == 403


async def test_who_has_left_the_room_is_told_no_more(hub: LiveHub):
    async with hub.connect("/realtime/ws") as client:
        await ask(client, type="subscribe", room=ROOM)
        await send(client, type="unsubscribe", room=ROOM)
        await tell(hub, 1)
        await send(client, type="ping")
        answers = [await receive(client) for _ in range(2)]
        while answers[-1]["type"] == "patient_waveform":  # told before the hub heard of it
            answers.append(await receive(client))
    kinds = [answer["type"] for answer in answers]
    assert "patient_waveform" not in kinds[kinds.index("subscription") :]


async def test_a_test_event_is_told_at_once_and_not_kept(hub: LiveHub):
    async with hub.connect("/realtime/ws") as client:
        await ask(client, type="subscribe", room=ROOM)
        answer = await hub.test_publish(**TRIAL)
        message = await receive(client)
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"] == {"event_id": message["event_id"], "rooms": [ROOM], "test": True}
    assert (message["test"], message["data"]["samples"]) == (True, [1, None, 2])
    history = await hub.http.get(f"/realtime/history/{ROOM}", headers=hub.headers())
    assert history.status_code == 422
    assert "live only" in history.text


@pytest.mark.parametrize(
    "changed", [{"samples": []}, {"samples": [70_000]}, {"rate_hz": 0}, {"rate_hz": 2000}, {"scale": {"low": 0}}]
)
async def test_a_test_event_that_can_not_be_is_refused(hub: LiveHub, changed: dict):
    assert (await hub.test_publish(**(TRIAL | changed))).status_code == 422


async def test_a_client_that_stops_reading_loses_waveforms_first_and_no_alert(tmp_path, redis_server):
    """It is never closed for waveforms alone, and has the newest when it reads again."""
    limits = {"unsent_bytes": 256 * 1024, "waveform_bytes": 32 * 1024}
    async with (
        running_hub(tmp_path, redis_server.url, **limits) as hub,
        hub.connect("/realtime/ws", max_queue=1) as slow,
    ):
        await ask(slow, type="subscribe", rooms=[ROOM, ALERTS])
        await receive(slow)
        slow.transport.pause_reading()
        told = alerts = 0
        async with asyncio.timeout(30):
            while hub.live.clients.outbound.waveforms_dropped < 500:  # beyond what sockets hold
                assert await tell(hub, *range(told, told + 4), padding=4000) == 1
                told += 4
                if told % 200 == 0:
                    alerts += 1
                    await hub.owner.publish(HOSPITAL, [ALERTS], {"a": alerts}, event=EventName.PATIENT_ALERT)
        slow.transport.resume_reading()
        heard: list[dict] = []
        while not heard or heard[-1]["data"].get("samples") != [told - 1]:
            heard.append(await receive(slow))
        seen = [message["data"]["a"] for message in heard if message["room"] == ALERTS]
        numbers = [message["data"]["samples"][0] for message in heard if message["room"] == ROOM]
        assert seen == list(range(1, alerts + 1))
        assert numbers == sorted(set(numbers))
        assert len(numbers) <= told - 500
        assert len(hub.live.clients) == 1


async def test_what_waits_of_a_room_is_not_sent_to_who_has_left_it(tmp_path, redis_server):
    limits = {"unsent_bytes": 256 * 1024, "waveform_bytes": 32 * 1024}
    async with (
        running_hub(tmp_path, redis_server.url, **limits) as hub,
        hub.connect("/realtime/ws", max_queue=1) as slow,
    ):
        await ask(slow, type="subscribe", room=ROOM)
        (client,) = hub.live.clients._clients
        slow.transport.pause_reading()
        async with asyncio.timeout(30):
            while client._outlet.unsent < 32 * 1024 / 4 or not client._waveforms._waiting:
                await tell(hub, *range(4), padding=4000)
        await send(slow, type="unsubscribe", room=ROOM)
        await eventually(lambda: not client.rooms, seconds=30)
        slow.transport.resume_reading()
        assert (await receive(slow, until="subscription"))["status"] == "unsubscribed"
        await eventually(lambda: not client._waveforms._waiting, seconds=30)
        assert (await ask(slow, type="ping"))["type"] == "pong"


async def test_a_stream_that_is_not_read_loses_waveforms_first_and_is_not_closed(tmp_path, redis_server):
    limits = {"unsent_bytes": 256 * 1024, "waveform_bytes": 32 * 1024}
    path = f"/realtime/events/patient/{PATIENT}?waveforms=1"
    async with running_hub(tmp_path, redis_server.url, **limits) as hub, events(hub.http, path, hub.headers()) as slow:
        await slow.next()
        told = 0
        async with asyncio.timeout(30):
            while hub.live.clients.outbound.waveforms_dropped < 500:
                assert await tell(hub, *range(told, told + 4), padding=4000) == 1
                told += 4
        await hub.owner.publish(HOSPITAL, [ALERTS], {"a": 1}, event=EventName.PATIENT_ALERT)
        names: list[str] = []
        while "patient.alert" not in names:
            names.append((await slow.next()).name)
        assert len(hub.live.clients) == 1
