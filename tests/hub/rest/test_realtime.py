"""Test publishing of all sixteen events, statistics and history, on the whole hub."""

import asyncio
import json

import pytest

from hub.rooms.rooms import state_key
from tests.hub.rest.conftest import WholeHub
from tests.support.hub import HOSPITAL, PATIENT, WAIT_SECONDS, receive

CUFF = "blood_pressure_monitor:cuff-1"
P, H, W, D = f"patient:{PATIENT}", f"hospital:{HOSPITAL}", f"ward:{HOSPITAL}:w1", f"device:{CUFF}"
DEVICE = {"device_type": "blood_pressure_monitor", "device_id": "cuff-1"}
ALERT = {"alert_type": "a", "severity": "warning", "message": "m", "data": {}}
NOTICE = {"hospital_id": HOSPITAL, "severity": "critical", "message": "m", "data": {}}
MOVED = {"patient_id": PATIENT, "ward_id": "w1", "bed": "1"}

# Written from the contract's table of rooms and events, not from the code's.
SIXTEEN = {
    "patient.vitals.update": ({"patient_id": PATIENT, "vitals": {"heart_rate": 72}}, "vitals_update", {f"{P}:vitals", f"{W}:vitals"}),
    "patient.alert": ({"patient_id": PATIENT, **ALERT}, "patient_alert", {f"{P}:alerts", f"{W}:alerts", f"{H}:alerts"}),
    "patient.status.change": ({"patient_id": PATIENT, "status": "stable", "previous": None}, "patient_status_change", {P, W, H}),
    "patient.admission": (MOVED, "patient_admission", {P, W, H}),
    "patient.discharge": (MOVED, "patient_discharge", {P, W, H}),
    "device.data.update": ({**DEVICE, "data_type": "heart_rate", "values": {"heart_rate": 70}}, "device_data_update", {D}),
    "device.status.change": ({**DEVICE, "status": "idle", "faults": []}, "device_status_change", {f"{D}:status", f"{H}:devices"}),
    "device.connected": (DEVICE, "device_connected", {f"{D}:status", f"{H}:devices"}),
    "device.disconnected": ({**DEVICE, "reason": "range"}, "device_disconnected", {f"{D}:status", f"{H}:devices"}),
    "device.alert": ({**DEVICE, **ALERT}, "device_alert", {f"{D}:status", f"{H}:devices", f"{P}:alerts", f"{W}:alerts"}),
    "hospital.alert": (NOTICE, "hospital_alert", {f"{H}:alerts"}),
    "hospital.capacity.update": ({"hospital_id": HOSPITAL, "beds_total": 2, "beds_occupied": 1}, "hospital_capacity_update", {H}),
    "hospital.emergency": (NOTICE, "hospital_emergency", {f"{H}:alerts", H, W}),
    "system.alert": ({"message": "m"}, "system_alert", {"system:alerts"}),
    "system.maintenance": ({"message": "m", "starts": "2026-12-01T00:00:00Z"}, "system_maintenance", {"system:alerts"}),
    "system.update": ({"message": "m", "version": "2"}, "system_update", {"system:alerts"}),
}  # fmt: skip


def test_the_table_above_has_the_guides_sixteen_events():
    assert len(SIXTEEN) == 16


async def test_every_event_reaches_exactly_its_rooms_with_its_type(hub: WholeHub):
    everything = sorted(set().union(*(rooms for _, _, rooms in SIXTEEN.values())))
    async with hub.connect("/realtime/ws") as client:
        await client.send(json.dumps({"type": "subscribe", "rooms": [{"room": room} for room in everything]}))
        assert {(await receive(client))["status"] for _ in everything} == {"subscribed"}
        for event, (fields, kind, rooms) in SIXTEEN.items():
            answer = await hub.post("/realtime/test/publish", {"event_type": event, **fields}, "tester")
            assert answer.status_code == 200, (event, answer.text)
            body = answer.json()
            assert (body["success"], body["data"]["test"]) == (True, True)
            assert set(body["data"]["rooms"]) == rooms, event
            messages = [await receive(client) for _ in rooms]
            assert {message["room"] for message in messages} == rooms, event
            assert {(message["type"], message["event"], message["test"]) for message in messages} == {
                (kind, event, True)
            }
            assert {message["event_id"] for message in messages} == {body["data"]["event_id"]}


async def test_the_guides_request_is_answered_as_written(hub: WholeHub):
    answer = await hub.post(
        "/realtime/test/publish",
        {
            "event_type": "patient.vitals.update",
            "patient_id": PATIENT,
            "vitals": {"blood_pressure": {"systolic": 120, "diastolic": 80}, "heart_rate": 72, "temperature": 36.5},
        },
        "admin",
    )
    assert answer.status_code == 200
    history = await hub.get(f"/realtime/history/patient:{PATIENT}:vitals")
    (message,) = history.json()["data"]["messages"]
    assert message["data"]["temperature"] == 36.5
    assert message["data"]["blood_pressure"] == {"systolic": 120, "diastolic": 80}


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({}, {"event_type"}),
        ({"event_type": "patient.vitals"}, {"event_type"}),
        ({"event_type": "patient.vitals.update"}, {"patient_id", "vitals"}),
        ({"event_type": "patient.alert"}, {"patient_id", "alert_type", "severity", "message", "data"}),
        ({"event_type": "device.status.change"}, {"device_type", "device_id", "status", "faults"}),
        ({"event_type": "system.alert", "message": "m", "colour": "red"}, {"colour"}),
        ({"event_type": "hospital.capacity.update", "hospital_id": HOSPITAL}, {"beds_total", "beds_occupied"}),
    ],
)
async def test_everything_that_is_missing_or_strange_is_named_at_once(hub: WholeHub, fields: dict, named: set[str]):
    answer = await hub.post("/realtime/test/publish", fields, "tester")
    assert answer.status_code == 422
    assert {fault.partition(":")[0] for fault in answer.json()["errors"]} == named


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"event_type": "system.alert", "message": "x" * 501}, 422),
        ({"event_type": "patient.vitals.update", "patient_id": PATIENT, "vitals": {"heart_rate": "fast"}}, 422),
        ({"event_type": "patient.vitals.update", "patient_id": "a b", "vitals": {"heart_rate": 1}}, 422),
        ({"event_type": "patient.vitals.update", "patient_id": "nobody", "vitals": {"heart_rate": 1}}, 404),
        ({"event_type": "hospital.alert", **NOTICE, "hospital_id": "other"}, 403),
        ({"event_type": "system.alert", "message": "m", "severity": "high"}, 422),
    ],
)
async def test_a_wrong_test_event_is_refused(hub: WholeHub, fields: dict, status: int):
    assert (await hub.post("/realtime/test/publish", fields, "tester")).status_code == status


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"x"', b"\xff", b'{"event_type": "system.alert", "data": ' + b"[" * 5000]
)
async def test_a_body_that_is_no_object_is_refused(hub: WholeHub, body: bytes):
    answer = await hub.http.post("/realtime/test/publish", content=body, headers=hub.headers("tester"))
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


async def test_a_body_over_the_limit_is_refused(hub: WholeHub):
    answer = await hub.http.post("/realtime/test/publish", content=b" " * 300_000, headers=hub.headers("tester"))
    assert answer.status_code == 413


async def test_control_characters_are_taken_out_of_free_text(hub: WholeHub):
    async with hub.connect("/realtime/ws") as client:
        await client.send(json.dumps({"type": "subscribe", "room": "system:alerts"}))
        await receive(client)
        fields = {"event_type": "system.alert", "message": "a\u0000b\u001b[31m\r\nc"}
        assert (await hub.post("/realtime/test/publish", fields, "tester")).status_code == 200
        assert (await receive(client))["data"]["message"] == "ab[31mc"


@pytest.mark.parametrize(
    ("role", "status"), [("viewer", 403), ("clinician", 403), ("technician", 403), ("tester", 200), ("admin", 200)]
)
async def test_only_admins_and_testers_publish_test_events(hub: WholeHub, role: str, status: int):
    fields = {"event_type": "patient.vitals.update", "patient_id": PATIENT, "vitals": {"spo2": 97}}
    assert (await hub.post("/realtime/test/publish", fields, role)).status_code == status


async def test_statistics_have_the_guides_shape(hub: WholeHub):
    async with (
        hub.connect(f"/realtime/ws/patient/{PATIENT}", "viewer"),
        hub.connect("/realtime/ws", "viewer") as second,
    ):
        await second.send(json.dumps({"type": "subscribe", "room": f"{P}:vitals"}))
        await receive(second)
        body = (await hub.get("/realtime/stats")).json()
    assert body["success"] is True
    assert body["data"] == {
        "total_connections": 2,
        "unique_users": 1,
        "active_rooms": 3,
        "connections_by_room": {P: 1, f"{P}:vitals": 2, f"{P}:alerts": 1},
        "connections_by_user": {"viewer": 2},
    }
    assert body["timestamp"].endswith("Z")


async def test_statistics_forget_who_has_left(hub: WholeHub):
    async with hub.connect(f"/realtime/ws/patient/{PATIENT}") as client:
        await receive(client)
    async with asyncio.timeout(WAIT_SECONDS):
        while (await hub.get("/realtime/stats")).json()["data"]["total_connections"]:
            pass
    assert (await hub.get("/realtime/stats")).json()["data"]["connections_by_room"] == {}


@pytest.mark.parametrize("path", ["/realtime/stats", f"/realtime/history/patient:{PATIENT}", "/realtime/events"])
async def test_without_a_token_there_is_no_answer(hub: WholeHub, path: str):
    answer = await hub.http.get(path)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


async def test_history_pages_forward(hub: WholeHub):
    for value in range(5):
        fields = {"event_type": "patient.vitals.update", "patient_id": PATIENT, "vitals": {"heart_rate": 60 + value}}
        assert (await hub.post("/realtime/test/publish", fields, "tester")).status_code == 200
    room = f"/realtime/history/{P}:vitals"
    newest = (await hub.get(f"{room}?limit=2")).json()["data"]
    assert [message["data"]["heart_rate"] for message in newest["messages"]] == [63, 64]
    epoch = newest["next"]["epoch"]
    page = (await hub.get(f"{room}?epoch={epoch}&offset=1&limit=2")).json()["data"]
    assert (page["recovered"], page["next"]["offset"]) == (True, 3)
    assert (await hub.get(f"{room}?epoch=other&offset=1")).json()["data"]["recovered"] is False
    assert (await hub.get(f"{room}?epoch={epoch}")).status_code == 422
    assert (await hub.get("/realtime/history/nonsense")).status_code == 422


async def test_health_says_what_answers(hub: WholeHub):
    assert (await hub.http.get("/health/live")).json() == {"status": "ok"}
    ready = await hub.http.get("/health/ready")
    assert ready.json()["checks"] == {"live_rooms": "ok", "record": "ok", "redis": "ok", "record_epoch": "ok"}


async def test_a_database_older_than_what_was_published_from_it_is_not_ready(hub: WholeHub):
    """Delivery rule 5: detected, and said with what to do."""
    redis = hub.app.state.live.rooms.client
    await redis.hset(state_key(HOSPITAL), "n", 1_000_000)
    ready = await hub.http.get("/health/ready")
    assert (ready.status_code, ready.json()["checks"]["record_epoch"]) == (503, "RestoreUntold")
    assert "bedside database restored" in ready.json()["advice"]["record_epoch"]


async def test_an_unknown_path_is_a_problem_document(hub: WholeHub):
    answer = await hub.http.get("/nothing")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


async def test_the_api_describes_itself(hub: WholeHub):
    paths = (await hub.http.get("/openapi.json")).json()["paths"]
    assert {"/realtime/test/publish", "/realtime/stats", "/devices/{device_type}/{device_id}/data"} <= paths.keys()
