"""WebSocket clients, real ones, against the running app on a real Redis."""

import json
from datetime import UTC, datetime, timedelta

import pytest
import websockets

from hub.logs import Redacting
from tests.hub.realtime.sockets import ask, closed, send
from tests.support.hub import (
    CUFF,
    HOSPITAL,
    OTHER_HOSPITAL,
    OTHER_PATIENT,
    PATIENT,
    LiveHub,
    receive,
    running_hub,
)
from vitals.events import EventName

GENERAL = f"patient:{PATIENT}"
VITALS = f"patient:{PATIENT}:vitals"
ALERTS = f"patient:{PATIENT}:alerts"


@pytest.mark.parametrize(
    ("path", "rooms"),
    [
        (f"/realtime/ws/patient/{PATIENT}", [GENERAL, VITALS, ALERTS]),
        (
            f"/realtime/ws/hospital/{HOSPITAL}",
            [f"hospital:{HOSPITAL}", f"hospital:{HOSPITAL}:alerts", f"hospital:{HOSPITAL}:devices"],
        ),
        (f"/realtime/ws/device/{CUFF.device_type}/{CUFF.device_id}", [f"device:{CUFF}", f"device:{CUFF}:status"]),
    ],
)
async def test_an_endpoint_confirms_its_own_rooms(hub: LiveHub, path: str, rooms: list[str]):
    async with hub.connect(path) as client:
        answers = [await receive(client) for _ in rooms]
    assert [answer["room"] for answer in answers] == rooms
    assert {(answer["type"], answer["status"]) for answer in answers} == {("subscription", "subscribed")}
    assert all(answer["epoch"] and answer["offset"] == 0 for answer in answers)


async def test_a_message_has_the_contracts_members(hub: LiveHub):
    async with hub.connect("/realtime/ws") as client:
        subscribed = await ask(client, type="subscribe", room=VITALS)
        published = await hub.owner.publish(HOSPITAL, [VITALS], {"patient_id": PATIENT, "heart_rate": 72})
        message = await receive(client)
    assert message == {
        "type": "vitals_update",
        "event": "patient.vitals.update",
        "event_id": published.event_id,
        "room": VITALS,
        "data": {"patient_id": PATIENT, "heart_rate": 72},
        "timestamp": published.timestamp.isoformat().replace("+00:00", "Z"),
        "epoch": subscribed["epoch"],
        "offset": subscribed["offset"] + 1,
        "n": published.n,
    }


async def test_what_is_not_subscribed_is_not_sent(hub: LiveHub):
    async with hub.connect("/realtime/ws") as client:
        await ask(client, type="subscribe", room=VITALS)
        await hub.owner.publish(HOSPITAL, [ALERTS], {"a": 1})
        await hub.owner.publish(HOSPITAL, [VITALS], {"b": 1})
        assert (await receive(client))["room"] == VITALS


async def test_one_event_in_two_rooms_has_one_event_id(hub: LiveHub):
    async with hub.connect(f"/realtime/ws/patient/{PATIENT}") as client:
        for _ in range(3):
            await receive(client)
        await hub.owner.publish(HOSPITAL, [GENERAL, ALERTS], {"a": 1})
        first, second = await receive(client), await receive(client)
    assert first["event_id"] == second["event_id"]
    assert {first["room"], second["room"]} == {GENERAL, ALERTS}


async def test_after_unsubscribing_nothing_more_comes(hub: LiveHub):
    async with hub.connect("/realtime/ws") as client:
        await ask(client, type="subscribe", rooms=[{"room": VITALS}])
        assert (await ask(client, type="subscribe", room=ALERTS))["room"] == ALERTS
        answer = await ask(client, type="unsubscribe", room=VITALS)
        assert answer == {"type": "subscription", "room": VITALS, "status": "unsubscribed"}
        await hub.owner.publish(HOSPITAL, [VITALS], {"a": 1})
        await hub.owner.publish(HOSPITAL, [ALERTS], {"b": 1})
        assert (await receive(client))["room"] == ALERTS


async def test_several_rooms_are_subscribed_in_one_message(hub: LiveHub):
    async with hub.connect("/realtime/ws") as client:
        await send(client, type="subscribe", rooms=[{"room": VITALS}, {"room": ALERTS}], id=7)
        answers = [await receive(client), await receive(client)]
    assert {answer["room"] for answer in answers} == {VITALS, ALERTS}
    assert {answer["id"] for answer in answers} == {7}


async def test_subscribing_again_tells_the_present_position(hub: LiveHub):
    async with hub.connect("/realtime/ws") as client:
        await ask(client, type="subscribe", room=VITALS)
        await hub.owner.publish(HOSPITAL, [VITALS], {"a": 1})
        await receive(client)
        assert (await ask(client, type="subscribe", room=VITALS))["offset"] == 1
        await hub.owner.publish(HOSPITAL, [VITALS], {"a": 2})
        assert (await receive(client))["offset"] == 2


async def test_missed_messages_are_replayed_in_order_before_new_ones(hub: LiveHub):
    async with hub.connect("/realtime/ws") as client:
        position = await ask(client, type="subscribe", room=VITALS)
    for value in range(5):
        await hub.owner.publish(HOSPITAL, [VITALS], {"value": value})
    async with hub.connect("/realtime/ws") as client:
        since = {"epoch": position["epoch"], "offset": 2}
        answer = await ask(client, type="subscribe", room=VITALS, since=since)
        assert (answer["recovered"], answer["replayed"], answer["offset"]) == (True, 3, 5)
        await hub.owner.publish(HOSPITAL, [VITALS], {"value": 5})
        assert [(await receive(client))["data"]["value"] for _ in range(4)] == [2, 3, 4, 5]


async def test_nothing_missed_is_recovered_with_nothing_replayed(hub: LiveHub):
    async with hub.connect("/realtime/ws") as client:
        position = await ask(client, type="subscribe", room=VITALS)
        since = {"epoch": position["epoch"], "offset": position["offset"]}
        answer = await ask(client, type="subscribe", room=VITALS, since=since)
    assert (answer["recovered"], answer["replayed"]) == (True, 0)


@pytest.mark.parametrize("epoch", ["", "another"])
async def test_a_position_of_another_epoch_is_not_recovered_and_says_what_is_missing(hub: LiveHub, epoch: str):
    await hub.owner.publish(HOSPITAL, [VITALS], {"a": 1})
    async with hub.connect("/realtime/ws") as client:
        answer = await ask(client, type="subscribe", room=VITALS, since={"epoch": epoch, "offset": 3})
    assert (answer["status"], answer["recovered"]) == ("subscribed", False)
    assert answer["missing"] == {"epoch": epoch, "first": 4, "last": None}
    assert answer["offset"] == 1


async def test_a_position_that_the_room_never_reached_is_not_recovered(hub: LiveHub):
    """Else a client of a database that was restored would be told that it missed nothing."""
    async with hub.connect("/realtime/ws") as client:
        top = await ask(client, type="subscribe", room=VITALS)
        since = {"epoch": top["epoch"], "offset": top["offset"] + 1000}
        answer = await ask(client, type="subscribe", room=VITALS, since=since)
    assert (answer["status"], answer["recovered"]) == ("subscribed", False)
    assert answer["missing"]["first"] == since["offset"] + 1


async def test_a_new_stream_epoch_is_told_and_its_messages_follow(hub: LiveHub):
    """Delivery rules 19 and 24: a jump of N begins an epoch; a subscriber is told, and what is not in the state that it is given follows."""
    hub.owner.latest.behind = 4
    async with hub.connect("/realtime/ws") as client:
        before = await ask(client, type="subscribe", room=VITALS)
        await hub.owner.publish(HOSPITAL, [VITALS], {"a": 1})
        await receive(client)
        await hub.owner.publish(HOSPITAL, [VITALS], {"a": 2}, skip=3)
        told, message = await receive(client), await receive(client)
    assert (told["type"], told["recovered"], told["offset"]) == ("subscription", False, 0)
    assert told["epoch"] != before["epoch"]
    assert told["missing"] == {"epoch": told["epoch"], "first": None, "last": None}
    assert (message["data"], message["offset"], message["epoch"]) == ({"a": 2}, 1, told["epoch"])


async def test_ping_is_answered_with_the_state_of_the_road(hub: LiveHub):
    async with hub.connect("/realtime/ws") as client:
        answer = await ask(client, type="ping", id=1)
        assert (answer["type"], answer["upstream"], answer["id"]) == ("pong", "ok", 1)
        assert answer["judged_at"] == "2026-11-24T12:00:00Z"
        hub.conditions["ingest"] = False
        assert (await ask(client, type="ping"))["upstream"] == "ingest_lost"


async def test_the_server_pings(tmp_path, redis_server):
    async with running_hub(tmp_path, redis_server.url, ping_seconds=0.05) as hub, hub.connect("/realtime/ws") as client:
        assert await receive(client) == {"type": "ping"}
        await send(client, type="pong")
        assert await receive(client) == {"type": "ping"}


async def test_a_client_without_a_sign_of_life_is_closed(tmp_path, redis_server):
    async with (
        running_hub(tmp_path, redis_server.url, silence_seconds=0.2) as hub,
        hub.connect("/realtime/ws") as client,
    ):
        end = await closed(client)
    assert end.rcvd.code == 4408


async def test_any_frame_is_a_sign_of_life(tmp_path, redis_server):
    changes = {"silence_seconds": 0.5, "ping_seconds": 0.1}
    async with running_hub(tmp_path, redis_server.url, **changes) as hub, hub.connect("/realtime/ws") as client:
        for _ in range(10):  # a second, twice what silence is allowed
            await receive(client, until="ping")
            await send(client, type="pong")
        assert (await ask(client, type="ping"))["type"] in ("pong", "ping")


BAD = {
    "not JSON": ("{", "bad_message"),
    "a list": ("[]", "bad_message"),
    "no type": ("{}", "bad_message"),
    "a number as type": ('{"type": 1}', "bad_message"),
    "an unknown type": ('{"type": "drop"}', "unknown_type"),
    "no room": ('{"type": "subscribe"}', "bad_message"),
    "room and rooms": ('{"type": "subscribe", "room": "a", "rooms": []}', "bad_message"),
    "a number as room": ('{"type": "subscribe", "room": 5}', "bad_message"),
    "no such form of room": ('{"type": "subscribe", "room": "patient:*"}', "unknown_room"),
    "a since without an epoch": (
        '{"type": "subscribe", "room": "system:alerts", "since": {"offset": 1}}',
        "bad_message",
    ),
    "a since before the beginning": (
        '{"type": "subscribe", "room": "system:alerts", "since": {"epoch": "x", "offset": -1}}',
        "bad_message",
    ),
    "a deep nest": ('{"type": ' + "[" * 30_000, "bad_message"),
    "an unsubscribe of no form": ('{"type": "unsubscribe", "room": "x"}', "unknown_room"),
    "a lone surrogate": ('{"type": "\\ud800"}', "bad_message"),
}


@pytest.mark.parametrize(("text", "code"), BAD.values(), ids=BAD.keys())
async def test_a_bad_message_costs_an_error_and_not_the_connection(hub: LiveHub, text: str, code: str):
    async with hub.connect("/realtime/ws") as client:
        await client.send(text)
        answer = await receive(client)
        assert (answer["type"], answer["code"]) == ("error", code)
        assert (await ask(client, type="ping"))["type"] == "pong"


async def test_an_error_echoes_the_id(hub: LiveHub):
    async with hub.connect("/realtime/ws") as client:
        assert (await ask(client, type="drop", id=12))["id"] == 12
        assert "id" not in await ask(client, type="drop", id="x")


async def test_a_binary_frame_is_a_bad_message(hub: LiveHub):
    async with hub.connect("/realtime/ws") as client:
        await client.send(b'{"type": "ping"}')
        assert (await receive(client))["code"] == "bad_message"


async def test_too_many_bad_messages_in_a_row_end_the_connection(tmp_path, redis_server):
    async with running_hub(tmp_path, redis_server.url, message_errors=3) as hub, hub.connect("/realtime/ws") as client:
        for _ in range(3):
            await client.send("{")
        assert (await closed(client)).rcvd.code == 4429


async def test_a_message_over_the_size_limit_is_closed_1009(hub: LiveHub):
    async with hub.connect("/realtime/ws") as client:
        await client.send(json.dumps({"type": "ping", "padding": "x" * 65536}))
        assert (await closed(client)).rcvd.code == 1009


async def test_a_message_at_the_size_limit_is_answered(hub: LiveHub):
    empty = json.dumps({"type": "ping", "padding": ""})
    async with hub.connect("/realtime/ws") as client:
        await client.send(json.dumps({"type": "ping", "padding": "x" * (65536 - len(empty))}))
        assert (await receive(client))["type"] == "pong"


async def test_rooms_over_the_limit_are_refused(tmp_path, redis_server):
    async with (
        running_hub(tmp_path, redis_server.url, connection_rooms=2) as hub,
        hub.connect("/realtime/ws") as client,
    ):
        answer = await ask(client, type="subscribe", rooms=[GENERAL, VITALS, ALERTS], id=3)
        assert (answer["code"], answer["id"]) == ("too_many_rooms", 3)
        assert (await ask(client, type="subscribe", room=VITALS))["status"] == "subscribed"


@pytest.mark.parametrize(
    ("room", "reason"),
    [
        (f"patient:{OTHER_PATIENT}", "forbidden"),
        (f"hospital:{OTHER_HOSPITAL}", "forbidden"),
        ("admin:updates", "forbidden"),
        ("patient:nobody", "unknown_room"),
        ("device:thermometer:nothing", "unknown_room"),
        (f"ward:{HOSPITAL}:none", "unknown_room"),
    ],
)
async def test_a_room_that_is_not_allowed_is_denied_with_a_reason(hub: LiveHub, room: str, reason: str):
    async with hub.connect("/realtime/ws") as client:
        answer = await ask(client, type="subscribe", room=room, id=4)
    assert answer == {"type": "subscription", "room": room, "status": "denied", "reason": reason, "id": 4}


async def test_the_token_ends_the_connection_when_it_expires(hub: LiveHub):
    token = hub.token(hospitals=[HOSPITAL], ttl=timedelta(seconds=2), now=datetime.now(UTC))
    async with hub.connect("/realtime/ws", token=token) as client:
        assert (await closed(client)).rcvd.code == 4501


async def test_a_user_has_so_many_connections_and_no_more(tmp_path, redis_server):
    async with running_hub(tmp_path, redis_server.url, user_connections=1) as hub, hub.connect("/realtime/ws") as first:
        async with hub.connect("/realtime/ws") as second:
            assert (await closed(second)).rcvd.code == 1013
        async with hub.connect("/realtime/ws", token=hub.token(subject="another")) as other:
            assert (await ask(other, type="ping"))["type"] == "pong"
        assert (await ask(first, type="ping"))["type"] == "pong"


async def test_a_client_that_does_not_read_is_closed_and_the_others_are_served(tmp_path, redis_server):
    changes = {"unsent_bytes": 100_000}
    async with running_hub(tmp_path, redis_server.url, **changes) as hub, hub.connect("/realtime/ws") as reading:
        await ask(reading, type="subscribe", room=VITALS)
        slow = await hub.connect("/realtime/ws", max_queue=1).__aenter__()
        await ask(slow, type="subscribe", room=VITALS)
        slow.transport.pause_reading()
        published = 0
        while len(hub.live.clients) == 2:
            await hub.owner.publish(HOSPITAL, [VITALS], {"padding": "x" * 60_000})
            assert (await receive(reading))["offset"] == (published := published + 1)
            assert published < 1000
        slow.transport.abort()


async def test_a_client_that_asks_for_a_rate_gets_the_latest_and_all_that_is_no_numeric(hub: LiveHub):
    async with hub.connect("/realtime/ws") as client:
        await ask(client, type="subscribe", rooms=[{"room": VITALS, "max_rate": 0.01}])
        for value in range(1, 5):
            await hub.owner.publish(HOSPITAL, [VITALS], {"patient_id": PATIENT, "heart_rate": value})
        await hub.owner.publish(HOSPITAL, [VITALS], {"patient_id": PATIENT, "temperature": 37})
        first, latest, spot = [await receive(client) for _ in range(3)]
    assert (first["data"]["heart_rate"], first["offset"], first.get("skipped")) == (1, 1, None)
    assert (latest["data"]["heart_rate"], latest["offset"], latest["skipped"]) == (4, 4, 2)
    assert (spot["data"]["temperature"], spot["offset"], spot.get("skipped")) == (37, 5, None)


@pytest.mark.parametrize("max_rate", [0, -1, "2", 1e9])
async def test_a_rate_that_is_none_is_a_bad_message(hub: LiveHub, max_rate: object):
    async with hub.connect("/realtime/ws") as client:
        assert (await ask(client, type="subscribe", room=VITALS, max_rate=max_rate))["code"] == "bad_message"


async def test_a_client_that_was_too_slow_comes_back_and_has_missed_no_alert(tmp_path, redis_server):
    async with running_hub(tmp_path, redis_server.url, unsent_bytes=100_000) as hub:
        slow = await hub.connect("/realtime/ws", max_queue=1).__aenter__()
        position = await ask(slow, type="subscribe", room=ALERTS)
        slow.transport.pause_reading()
        while len(hub.live.clients):
            await hub.owner.publish(HOSPITAL, [ALERTS], {"padding": "x" * 60_000}, event=EventName.PATIENT_ALERT)
        slow.transport.abort()
        top = hub.owner.n[HOSPITAL]
        first = top - 3
        async with hub.connect("/realtime/ws") as client:
            since = {"epoch": position["epoch"], "offset": first}
            assert (await ask(client, type="subscribe", room=ALERTS, since=since))["recovered"]
            assert [(await receive(client))["offset"] for _ in range(3)] == [*range(first + 1, top + 1)]


async def test_stopping_the_hub_asks_clients_to_reconnect(tmp_path, redis_server):
    async with running_hub(tmp_path, redis_server.url) as hub:
        client = await hub.connect("/realtime/ws").__aenter__()
        await ask(client, type="ping")
    assert (await closed(client)).rcvd.code == 1001


async def test_a_room_without_an_epoch_is_unavailable_and_an_endpoints_own_come_when_it_is_there(
    tmp_path, redis_server
):
    changes = {"retry_seconds": 0.05}
    path = f"/realtime/ws/patient/{PATIENT}"
    async with running_hub(tmp_path, redis_server.url, begin=False, **changes) as hub, hub.connect(path) as client:
        answer = await ask(client, type="subscribe", room=f"hospital:{HOSPITAL}")
        assert (answer["code"], answer["room"]) == ("unavailable", f"hospital:{HOSPITAL}")
        await hub.owner.begin(HOSPITAL)
        assert (await receive(client))["status"] == "subscribed"


async def test_the_access_log_and_ours_hold_no_token(hub: LiveHub, caplog: pytest.LogCaptureFixture):
    token = hub.token()
    with caplog.at_level("DEBUG"):
        async with websockets.connect(hub.url(f"/realtime/ws/patient/{PATIENT}?token={token}")) as client:
            await receive(client)
    lines = []
    for record in caplog.records:
        if record.name.startswith(("uvicorn", "hub")):
            Redacting().filter(record)
            lines.append(record.getMessage())
    assert lines
    assert not [line for line in lines if token in line or "token=" in line]


async def test_a_connection_whose_own_rooms_can_not_be_followed_is_closed(hub: LiveHub, monkeypatch):
    async def fails(*_: object) -> None:
        raise ValueError("a fault of ours")

    monkeypatch.setattr(type(hub.live), "hold", fails)
    async with hub.connect(f"/realtime/ws/patient/{PATIENT}") as client:
        assert (await closed(client)).rcvd.code == 1011
