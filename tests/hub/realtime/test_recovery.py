"""Coming back: what was missed, or the range and the room's latest state; over WebSocket and SSE, against the running app."""

import asyncio
from typing import Any

import pytest

from hub.realtime.cursor import encode_cursor
from hub.rooms.messages import Position, RoomAddress
from hub.rooms.rooms import room_key
from tests.hub.realtime.sockets import ask, send
from tests.support.hub import HOSPITAL, OTHER_PATIENT, PATIENT, WARD, LiveHub, receive, running_hub
from tests.support.sse import events
from vitals.events import EventName

GENERAL = f"patient:{PATIENT}"
VITALS = f"patient:{PATIENT}:vitals"
ALERTS = f"patient:{PATIENT}:alerts"
WARD_ALERTS = f"ward:{HOSPITAL}:{WARD}:alerts"
SYSTEM = "system:alerts"
STREAM = f"/realtime/events/patient/{PATIENT}"


async def publish(hub: LiveHub, room: str, value: int, *, skip: int = 0) -> None:
    alert = room.endswith("alerts")
    event = EventName.PATIENT_ALERT if alert else EventName.PATIENT_VITALS_UPDATE
    await hub.owner.publish(HOSPITAL, [room], {"value": value}, event=event, skip=skip)


async def trim(hub: LiveHub, room: str, *, left: int) -> None:
    key = room_key(RoomAddress(hospital_id=HOSPITAL, room=room))
    await hub.owner.rooms.client.xtrim(key, maxlen=left, approximate=False)


def since(answer: dict[str, Any], offset: int) -> dict[str, Any]:
    return {"epoch": answer["epoch"], "offset": offset}


async def test_fresh_resumed_and_lost_rooms_in_one_message_each_get_their_answer(hub: LiveHub):
    async with hub.connect("/realtime/ws") as client:
        start = await ask(client, type="subscribe", room=VITALS)
    for value in (1, 2, 3):
        await publish(hub, VITALS, value)
        await publish(hub, ALERTS, value)
    await trim(hub, ALERTS, left=1)
    rooms = [
        {"room": VITALS, "since": since(start, 1)},
        {"room": ALERTS, "since": since(start, 0)},
        {"room": GENERAL, "since": {"epoch": "older", "offset": 9}},
        WARD_ALERTS,
    ]
    async with hub.connect("/realtime/ws") as client:
        await send(client, type="subscribe", rooms=rooms, id=5)
        vitals = await receive(client)
        replayed = [await receive(client), await receive(client)]
        alerts, general, ward = [await receive(client) for _ in range(3)]
        await publish(hub, ALERTS, 4)
        live = await receive(client)
    assert (vitals["room"], vitals["recovered"], vitals["replayed"], vitals["offset"]) == (VITALS, True, 2, 3)
    assert [message["data"]["value"] for message in replayed] == [2, 3]
    assert (alerts["recovered"], alerts["missing"]) == (False, {"epoch": start["epoch"], "first": 1, "last": 2})
    assert alerts["snapshot"] == {"epoch": start["epoch"], "offset": 3, "n": 6, "state": {"as_of": 6}}
    assert (general["missing"]["epoch"], general["snapshot"]["state"]) == ("older", {"as_of": 6})
    assert (ward["recovered"], "snapshot" in ward, "missing" in ward) == (False, False, False)
    assert {answer["id"] for answer in (vitals, alerts, general, ward)} == {5}
    assert (live["offset"], live["n"]) == (alerts["offset"] + 1, 7)


@pytest.mark.parametrize("form", ["room", "rooms", "each"])
async def test_a_state_is_given_to_whoever_asks_for_it(hub: LiveHub, form: str):
    await publish(hub, VITALS, 1)
    forms = {
        "room": {"room": VITALS, "snapshot": True},
        "rooms": {"rooms": [VITALS], "snapshot": True},
        "each": {"rooms": [{"room": VITALS, "snapshot": True}]},
    }
    async with hub.connect("/realtime/ws") as client:
        await ask(client, type="subscribe", room=VITALS)
        answer = await ask(client, type="subscribe", **forms[form])
        await publish(hub, VITALS, 2)
        message = await receive(client)
    assert (answer["snapshot"]["n"], answer["snapshot"]["offset"], answer["offset"]) == (1, 1, 1)
    assert (message["offset"], message["data"]) == (2, {"value": 2})


async def test_what_is_published_while_the_record_is_read_comes_after_the_state(hub: LiveHub):
    """Delivery rules 26 and 27."""
    async with hub.connect("/realtime/ws") as client, hub.connect("/realtime/ws") as witness:
        await ask(witness, type="subscribe", room=VITALS)
        await publish(hub, VITALS, 1)
        await receive(witness)
        hub.owner.latest.answers.clear()
        await send(client, type="subscribe", room=VITALS, snapshot=True)
        await publish(hub, VITALS, 2)
        await receive(witness)
        hub.owner.latest.answers.set()
        answer = await receive(client)
        await publish(hub, VITALS, 3)
        following = await receive(client)
    shown = [answer["snapshot"]["n"], following["n"]]
    assert shown == [2, 3]
    assert following["offset"] == answer["offset"] + 1


async def test_a_state_that_can_not_be_read_is_an_error_and_no_subscription(hub: LiveHub):
    hub.owner.latest.fails = True
    async with hub.connect("/realtime/ws") as client:
        answer = await ask(client, type="subscribe", room=VITALS, snapshot=True, id=3)
        assert (answer["type"], answer["code"], answer["room"], answer["id"]) == ("error", "unavailable", VITALS, 3)
        hub.owner.latest.fails = False
        assert (await ask(client, type="subscribe", room=VITALS, snapshot=True))["status"] == "subscribed"


async def test_a_room_without_a_state_gets_what_is_left_after_a_gap(hub: LiveHub):
    async with hub.connect("/realtime/ws") as client:
        start = await ask(client, type="subscribe", room=SYSTEM)
        for value in range(2):
            await hub.owner.publish("system", [SYSTEM], {"value": value}, event=EventName.SYSTEM_ALERT)
        lost = {"epoch": "another", "offset": 0}
        async with hub.connect("/realtime/ws") as other:
            answer = await ask(other, type="subscribe", room=SYSTEM, since=lost)
            left = [await receive(other), await receive(other)]
    assert (answer["recovered"], "snapshot" in answer, answer["offset"]) == (False, False, 0)
    assert [(message["offset"], message["epoch"]) for message in left] == [(1, start["epoch"]), (2, start["epoch"])]


async def test_an_open_subscription_is_told_of_a_gap_with_the_state(hub: LiveHub):
    async with hub.connect("/realtime/ws") as client:
        before = await ask(client, type="subscribe", room=VITALS)
        await publish(hub, VITALS, 1, skip=3)
        told = await receive(client)
        await publish(hub, VITALS, 2)
        message = await receive(client)
    assert (told["type"], told["status"], told["recovered"]) == ("subscription", "subscribed", False)
    assert told["epoch"] != before["epoch"]
    assert (told["snapshot"]["n"], told["snapshot"]["state"]) == (4, {"as_of": 4})
    assert (message["offset"], message["data"]["value"]) == (told["offset"] + 1, 2)


async def test_missing_more_than_a_connection_holds_is_a_gap_and_can_be_read_page_by_page(tmp_path, redis_server):
    async with running_hub(tmp_path, redis_server.url, replay_bytes=2000) as hub:
        async with hub.connect("/realtime/ws") as client:
            start = await ask(client, type="subscribe", room=VITALS)
        for value in range(1, 21):
            await publish(hub, VITALS, value)
        async with hub.connect("/realtime/ws") as client:
            answer = await ask(client, type="subscribe", room=VITALS, since=since(start, 0))
            assert (answer["recovered"], answer["missing"]["first"], answer["missing"]["last"]) == (False, 1, 20)
            seen: list[int] = []
            position = since(start, 0)
            while len(seen) < 20:
                page = await ask(client, type="history", room=VITALS, since=position, limit=7, id=len(seen))
                assert (page["type"], page["recovered"], page["id"]) == ("history", True, len(seen))
                seen += [message["data"]["value"] for message in page["messages"]]
                position = page["next"]
    assert seen == [*range(1, 21)]


async def test_history_is_the_same_over_websocket_and_rest(hub: LiveHub):
    for value in range(5):
        await publish(hub, VITALS, value)
    await trim(hub, VITALS, left=2)
    async with hub.connect("/realtime/ws") as client:
        newest = await ask(client, type="history", room=VITALS, limit=2)
        lost = await ask(client, type="history", room=VITALS, since=since(newest["top"], 0))
        rest = await ask(client, type="history", room=VITALS, since=lost["next"])
    path = f"/realtime/history/{VITALS}"
    by_rest = (await hub.http.get(f"{path}?limit=2", headers=hub.headers())).json()["data"]
    assert newest == {"type": "history", **by_rest}
    assert (lost["recovered"], lost["missing"]["first"], lost["missing"]["last"]) == (False, 1, 3)
    assert [message["offset"] for message in rest["messages"]] == [4, 5]


async def test_a_history_that_has_expired_whole_is_no_empty_page(hub: LiveHub):
    await publish(hub, VITALS, 1)
    await publish(hub, VITALS, 2)
    await trim(hub, VITALS, left=0)
    async with hub.connect("/realtime/ws") as client:
        top = (await ask(client, type="history", room=VITALS))["top"]
        page = await ask(client, type="history", room=VITALS, since=since(top, 0))
        nothing_new = await ask(client, type="history", room=VITALS, since=since(top, 2))
    assert (page["recovered"], page["missing"]["last"], page["next"]["offset"]) == (False, 2, 2)
    assert (nothing_new["recovered"], nothing_new["messages"]) == (True, [])


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"room": f"patient:{OTHER_PATIENT}"}, "forbidden"),
        ({"room": "patient:nobody"}, "unknown_room"),
        ({"room": "nonsense"}, "unknown_room"),
        ({"room": f"{GENERAL}:waveforms"}, "bad_message"),
        ({"room": VITALS, "limit": 0}, "bad_message"),
        ({"room": VITALS, "limit": 1001}, "bad_message"),
        ({"room": VITALS, "since": {"epoch": "x"}}, "bad_message"),
        ({}, "bad_message"),
    ],
)
async def test_a_history_that_may_not_be_read_is_an_error(hub: LiveHub, fields: dict[str, Any], code: str):
    async with hub.connect("/realtime/ws") as client:
        answer = await ask(client, type="history", id=1, **fields)
    assert (answer["type"], answer["code"], answer["id"]) == ("error", code, 1)


async def test_an_endpoint_resumes_its_rooms_from_a_cursor(hub: LiveHub):
    path = f"/realtime/ws/patient/{PATIENT}"
    async with hub.connect(path) as client:
        positions = {answer["room"]: answer for answer in [await receive(client) for _ in range(3)]}
    await publish(hub, VITALS, 1)
    places = {room: Position(epoch=answer["epoch"], offset=0) for room, answer in positions.items() if room != ALERTS}
    async with hub.connect(f"{path}?since={encode_cursor(places)}") as client:
        told = [await receive(client) for _ in range(4)]
    answers = {each["room"]: each for each in told if each["type"] == "subscription"}
    assert {room: answer["recovered"] for room, answer in answers.items()} == {
        GENERAL: True,
        VITALS: True,
        ALERTS: False,
    }
    assert answers[ALERTS]["snapshot"]["n"] == 1
    assert [each["data"]["value"] for each in told if each["type"] == "vitals_update"] == [1]


async def test_a_stream_that_missed_messages_is_given_the_states_of_those_rooms_before_anything_newer(hub: LiveHub):
    """Delivery rule 27: what comes while the record is read follows the gap, unless it is in the state."""
    async with events(hub.http, STREAM, hub.headers()) as stream:
        await stream.next()
        await publish(hub, VITALS, 1)
        last = (await stream.next()).id
    await publish(hub, ALERTS, 2)
    for value in (3, 4):
        await publish(hub, VITALS, value)
    await trim(hub, VITALS, left=1)
    hub.owner.latest.answers.clear()
    async with events(hub.http, STREAM, hub.headers() | {"Last-Event-ID": last}) as stream:
        connected = asyncio.create_task(stream.next())
        async with hub.connect("/realtime/ws") as witness:
            await ask(witness, type="subscribe", room=ALERTS)
            await publish(hub, ALERTS, 5)
            await receive(witness)
        hub.owner.latest.answers.set()
        assert (await connected).name == "connected"
        told = []
        while not told or told[-1].data.get("value") != 6:
            told.append(await stream.next())
            if told[-1].name == "gap":
                await publish(hub, VITALS, 6)
    names = [event.name for event in told]
    gap = told[names.index("gap")]
    assert [(each["room"], each["first"], each["last"]) for each in gap.data["missing"]] == [(VITALS, 2, 2)]
    assert gap.data["snapshot"][VITALS]["state"]["as_of"] == gap.data["snapshot"][VITALS]["n"]
    values = [event.data["value"] for event in told if event.name != "gap"]
    assert values == [2, 5, 6]
    assert names.index("gap") < len(names) - 1


async def test_leaving_before_a_gap_was_told_loses_nothing_of_it(hub: LiveHub):
    """The cursor of what is replayed before the gap still says that the gap's room is where it was."""
    async with events(hub.http, STREAM, hub.headers()) as stream:
        await stream.next()
        await publish(hub, VITALS, 1)
        last = (await stream.next()).id
    await publish(hub, ALERTS, 2)
    for value in (3, 4):
        await publish(hub, VITALS, value)
    await trim(hub, VITALS, left=1)
    async with events(hub.http, STREAM, hub.headers() | {"Last-Event-ID": last}) as stream:
        await stream.next()
        replayed = await stream.next()
    assert replayed.data["value"] == 2
    async with events(hub.http, STREAM, hub.headers() | {"Last-Event-ID": replayed.id}) as stream:
        await stream.next()
        gap = await stream.next()
    assert [each["room"] for each in gap.data["missing"]] == [VITALS]


async def test_the_global_stream_resumes_numerics_with_their_latest_values(hub: LiveHub):
    async with events(hub.http, "/realtime/events", hub.headers()) as stream:
        await stream.next()
        await publish(hub, WARD_ALERTS, 1)
        last = (await stream.next()).id
    await publish(hub, VITALS, 2)
    await publish(hub, WARD_ALERTS, 3)
    async with events(hub.http, "/realtime/events", hub.headers() | {"Last-Event-ID": last}) as stream:
        await stream.next()
        missed, answer = await stream.next(), await stream.next()
        await publish(hub, VITALS, 4)
        live = await stream.next()
    assert (missed.data["value"], answer.name) == (3, "recovered")
    assert answer.data["latest"].keys() == {VITALS}
    assert answer.data["latest"][VITALS]["n"] == 3
    assert {GENERAL, ALERTS, WARD_ALERTS, SYSTEM} <= set(answer.data["rooms"])
    assert live.data["value"] == 4
