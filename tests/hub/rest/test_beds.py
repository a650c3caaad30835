"""Which beds a token may watch, who lies there, which devices are there, and the rooms that tell about them."""

import json
from datetime import UTC, datetime

import pytest

from tests.hub.rest.conftest import WholeHub
from tests.support.hub import HOSPITAL, PATIENT, receive

BEDS = f"/hospitals/{HOSPITAL}/beds"
WARD = {"wards": [f"{HOSPITAL}:w1"]}
SYSTEM_ROOM = "system:alerts"
HOSPITAL_ROOMS = {f"hospital:{HOSPITAL}", f"hospital:{HOSPITAL}:alerts", f"hospital:{HOSPITAL}:devices"}
WARD_ROOMS = {f"ward:{HOSPITAL}:w1", f"ward:{HOSPITAL}:w1:vitals", f"ward:{HOSPITAL}:w1:alerts"}
PATIENT_ROOMS = {f"patient:{PATIENT}", f"patient:{PATIENT}:vitals", f"patient:{PATIENT}:alerts"}
DEVICE_ROOMS = {"device:blood_pressure_monitor:cuff-1:status", "device:pulse_oximeter:oximeter-1:status"}


async def test_beds_are_told_with_patients_and_devices_and_without_names(hub: WholeHub):
    answer = await hub.get(BEDS)
    assert answer.status_code == 200
    view = answer.json()["data"]
    assert (view["hospital_id"], view["name"], view["zone"]) == (HOSPITAL, "General", "Europe/Vienna")
    first, second = view["beds"]
    assert (first["ward_id"], first["bed"], first["patient_id"]) == ("w1", "1", PATIENT)
    assert first["devices"] == [
        {
            "device_type": kind,
            "device_id": device_id,
            "gateway_id": "gw-1",
            "status": "gateway_offline",
            "battery": None,
            "faults": [],
            "since": None,
        }
        for kind, device_id in (("blood_pressure_monitor", "cuff-1"), ("pulse_oximeter", "oximeter-1"))
    ]
    assert second == {"ward_id": "w1", "bed": "2", "patient_id": None, "devices": []}
    assert "Nobody Real" not in answer.text


@pytest.mark.parametrize(
    ("scope", "query", "rooms"),
    [
        ({"hospitals": [HOSPITAL]}, "", HOSPITAL_ROOMS | WARD_ROOMS),
        ({"hospitals": [HOSPITAL]}, "?ward=w1", WARD_ROOMS | DEVICE_ROOMS),
        ({"hospitals": [HOSPITAL]}, f"?patient={PATIENT}", PATIENT_ROOMS | DEVICE_ROOMS),
        (WARD, "", WARD_ROOMS | DEVICE_ROOMS),
        ({"patients": [PATIENT]}, "", PATIENT_ROOMS | DEVICE_ROOMS),
    ],
    ids=["hospital", "one ward", "one patient", "ward's token", "patient's token"],
)
async def test_the_rooms_are_the_fewest_that_tell_all_and_each_may_be_watched(
    hub: WholeHub, scope: dict, query: str, rooms: set[str]
):
    view = (await hub.get(f"{BEDS}{query}", "viewer", **scope)).json()["data"]
    assert set(view["rooms"]) == rooms | {SYSTEM_ROOM}
    assert len(view["rooms"]) == len(set(view["rooms"]))
    async with hub.connect("/realtime/ws", "viewer", **scope) as client:
        await client.send(json.dumps({"type": "subscribe", "rooms": view["rooms"]}))
        assert {(await receive(client))["status"] for _ in view["rooms"]} == {"subscribed"}


async def test_a_patients_token_sees_that_patients_bed_alone(hub: WholeHub):
    view = (await hub.get(BEDS, "viewer", patients=[PATIENT])).json()["data"]
    assert [bed["bed"] for bed in view["beds"]] == ["1"]


async def test_admission_and_discharge_change_who_lies_there(hub: WholeHub):
    await hub.post(f"/patients/{PATIENT}/discharge", {})
    await hub.post("/patients/waiting/admission", {"ward_id": "w1", "bed": "2"})
    first, second = (await hub.get(BEDS)).json()["data"]["beds"]
    assert (first["patient_id"], first["devices"]) == (None, [])
    assert second["patient_id"] == "waiting"


@pytest.mark.parametrize(
    ("path", "role", "scope", "status"),
    [
        (BEDS, "technician", {"hospitals": [HOSPITAL]}, 403),
        (BEDS, "viewer", {"hospitals": ["elsewhere"]}, 403),
        (BEDS, "viewer", {"patients": ["waiting"]}, 403),
        ("/hospitals/elsewhere/beds", "viewer", {"hospitals": [HOSPITAL]}, 403),
        ("/hospitals/elsewhere/beds", "viewer", {"hospitals": ["elsewhere"]}, 404),
        ("/hospitals/elsewhere/beds", "admin", {"hospitals": ["*"]}, 404),
        ("/hospitals/no%20id/beds", "viewer", {"hospitals": [HOSPITAL]}, 404),
        (f"{BEDS}?ward=w9", "viewer", {"hospitals": [HOSPITAL]}, 404),
        (f"{BEDS}?patient=waiting", "viewer", {"hospitals": [HOSPITAL]}, 404),
    ],
)
async def test_what_may_not_be_watched_or_is_not_there_is_refused(
    hub: WholeHub, path: str, role: str, scope: dict, status: int
):
    answer = await hub.get(path, role, **scope)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


@pytest.mark.parametrize("path", ["/hospitals", BEDS])
async def test_without_a_token_nothing_is_told(hub: WholeHub, path: str):
    assert (await hub.http.get(path)).status_code == 401


@pytest.mark.parametrize(
    ("role", "scope", "found"),
    [
        ("viewer", {"hospitals": [HOSPITAL]}, [HOSPITAL]),
        ("viewer", WARD, [HOSPITAL]),
        ("viewer", {"patients": [PATIENT]}, [HOSPITAL]),
        ("viewer", {"hospitals": ["elsewhere"]}, []),
        ("admin", {"hospitals": ["*"]}, [HOSPITAL]),
    ],
)
async def test_hospitals_are_those_of_the_tokens_scope(hub: WholeHub, role: str, scope: dict, found: list[str]):
    answer = await hub.get("/hospitals", role, **scope)
    assert [hospital["hospital_id"] for hospital in answer.json()["data"]] == found


async def test_a_reading_that_is_read_back_keeps_its_quality(hub: WholeHub):
    oximeter = "/devices/pulse_oximeter/oximeter-1/data"
    body = {"data_type": "spo2", "values": {"spo2": None}, "timestamp": datetime.now(UTC).isoformat()}
    assert (await hub.post(oximeter, body)).status_code == 201
    (read,) = (await hub.get(oximeter)).json()["data"]
    assert read["values"] == {"spo2": None}
    assert read["quality"] == {"spo2": {"status": "missing", "reasons": ["not_measured"]}}
    assert read["replayed"] is None
