"""Device data and operations by REST, on the whole hub: what is entered is recorded, judged and delivered like any reading."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bedside.services.mosquitto import Mosquitto
from bedside.services.redis import Redis
from tests.hub.rest.conftest import WholeHub, whole_hub
from tests.support.hub import HOSPITAL, PATIENT, receive

CUFF = "/devices/blood_pressure_monitor/cuff-1/data"
OXIMETER = "/devices/pulse_oximeter/oximeter-1/data"


def pressure(systolic: float = 120, diastolic: float = 80, **changes: object) -> dict:
    return {
        "data_type": "blood_pressure",
        "values": {"systolic": systolic, "diastolic": diastolic},
        "timestamp": datetime.now(UTC).isoformat(),
        **changes,
    }


async def test_a_reading_entered_is_delivered_as_device_data_and_vitals(hub: WholeHub):
    async with hub.connect("/realtime/ws/device/blood_pressure_monitor/cuff-1") as device:
        await receive(device), await receive(device)
        async with hub.connect(f"/realtime/ws/patient/{PATIENT}") as patient:
            for _ in range(3):
                await receive(patient)
            answer = await hub.post(CUFF, pressure())
            assert (answer.status_code, answer.json()["data"]["patient_id"]) == (201, PATIENT)
            data, vitals = await receive(device), await receive(patient)
    assert (data["type"], data["data"]["values"]) == ("device_data_update", {"systolic": 120, "diastolic": 80})
    assert (vitals["type"], vitals["data"]["blood_pressure"]) == ("vitals_update", {"systolic": 120, "diastolic": 80})
    assert vitals["data"]["device_id"] == "cuff-1"


async def test_a_high_pressure_entered_raises_the_guides_alert_word_for_word(hub: WholeHub):
    async with hub.connect(f"/realtime/ws/patient/{PATIENT}") as patient:
        for _ in range(3):
            await receive(patient)
        assert (await hub.post(CUFF, pressure(150, 95))).status_code == 201
        alert = await receive(patient, until="patient_alert")
    assert alert["data"]["alert_type"] == "high_blood_pressure"
    assert alert["data"]["severity"] == "warning"
    assert alert["data"]["message"] == "High blood pressure detected: 150/95"
    assert alert["data"]["data"] == {"systolic": 150, "diastolic": 95, "device_id": "cuff-1"}


async def test_a_single_number_stands_under_its_vitals_name_and_units_are_converted(hub: WholeHub):
    body = {"data_type": "spo2", "values": {"spo2": 97}, "timestamp": datetime.now(UTC).isoformat()}
    assert (await hub.post(OXIMETER, body)).status_code == 201
    assert (await hub.post(CUFF, pressure(16, 10.7, unit="kPa"))).status_code == 201
    (spo2,) = (await hub.get(OXIMETER)).json()["data"]
    (converted,) = (await hub.get(CUFF)).json()["data"]
    assert spo2["values"] == {"spo2": 97}
    assert converted["values"] == {"systolic": 120, "diastolic": 80}


async def test_a_correction_stands_instead_of_the_old_reading_which_stays(hub: WholeHub):
    await hub.post(CUFF, pressure(120, 80))
    (old,) = (await hub.get(CUFF)).json()["data"]
    answer = await hub.http.patch(
        f"{CUFF}/{old['reading_id']}", json={"values": {"systolic": 125}}, headers=hub.headers()
    )
    assert answer.status_code == 200, answer.text
    (new,) = (await hub.get(CUFF)).json()["data"]
    assert (new["values"], new["replaces"], new["timestamp"]) == (
        {"systolic": 125, "diastolic": 80},
        old["reading_id"],
        old["timestamp"],
    )
    kept = await hub.get(f"{CUFF}/{old['reading_id']}")
    assert kept.json()["data"]["values"] == {"systolic": 120, "diastolic": 80}
    again = await hub.http.put(f"{CUFF}/{old['reading_id']}", json=pressure(1, 1), headers=hub.headers())
    assert again.status_code == 409


async def test_a_withdrawn_reading_is_shown_no_more(hub: WholeHub):
    await hub.post(CUFF, pressure())
    (old,) = (await hub.get(CUFF)).json()["data"]
    path = f"{CUFF}/{old['reading_id']}"
    assert (await hub.http.delete(path, headers=hub.headers())).status_code == 200
    assert (await hub.get(CUFF)).json()["data"] == []
    assert (await hub.get(path)).json()["data"]["withdrawn"] is not None
    assert (await hub.http.delete(path, headers=hub.headers())).status_code == 409


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, {"data_type", "values", "timestamp"}),
        (pressure(values={"systolic": 1}), {"values.diastolic"}),
        (pressure(values={"systolic": 1, "diastolic": 2, "pulse": 3}), {"values.pulse"}),
        (pressure(unit="furlong"), {"unit"}),
        (pressure(unit="Cel"), {"unit"}),
        (pressure(10**9, 1), {"values"}),
        (pressure(timestamp=(datetime.now(UTC) + timedelta(hours=1)).isoformat()), {"timestamp"}),
    ],
)
async def test_a_wrong_reading_is_refused_with_what_is_wrong(hub: WholeHub, body: dict, named: set[str]):
    answer = await hub.post(CUFF, body)
    assert answer.status_code == 422
    assert {fault.partition(":")[0] for fault in answer.json()["errors"]} == named


@pytest.mark.parametrize("timestamp", ["2026-01-01T00:00:00", "yesterday", 5])
async def test_a_time_without_a_zone_or_none_at_all_is_refused(hub: WholeHub, timestamp: object):
    assert (await hub.post(CUFF, pressure(timestamp=timestamp))).status_code == 422


async def test_a_reading_of_a_patient_who_does_not_hold_the_device_is_refused(hub: WholeHub):
    assert (await hub.post(CUFF, pressure(patient_id="waiting"))).status_code == 409
    assert (await hub.post(CUFF, pressure(patient_id=PATIENT))).status_code == 201


@pytest.mark.parametrize(
    ("path", "role", "status"),
    [
        (CUFF, "viewer", 403),
        (CUFF, "technician", 403),
        (CUFF, "tester", 403),
        ("/devices/blood_pressure_monitor/none/data", "clinician", 404),
        ("/devices/toaster/t1/data", "clinician", 404),
    ],
)
async def test_device_data_is_for_those_who_may(hub: WholeHub, path: str, role: str, status: int):
    assert (await hub.post(path, pressure(), role)).status_code == status


async def test_asking_twice_under_one_key_is_done_once(hub: WholeHub):
    headers = hub.headers() | {"Idempotency-Key": "once"}
    body = pressure()
    answers = [await hub.http.post(CUFF, json=body, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert len((await hub.get(CUFF)).json()["data"]) == 1


async def test_admitting_and_discharging_are_told_with_the_capacity(hub: WholeHub):
    async with hub.connect(f"/realtime/ws/hospital/{HOSPITAL}") as client:
        for _ in range(3):
            await receive(client)
        answer = await hub.post("/patients/waiting/admission", {"ward_id": "w1", "bed": "2"})
        assert answer.status_code == 200, answer.text
        admitted, capacity = await receive(client), await receive(client)
        assert (admitted["type"], admitted["data"]["by"]) == ("patient_admission", "clinician")
        assert (capacity["data"]["beds_total"], capacity["data"]["beds_occupied"]) == (2, 2)
        assert (await hub.post("/patients/waiting/admission", {"ward_id": "w1", "bed": "2"})).status_code == 409
        assert (await hub.post("/patients/waiting/status", {"status": "stable"})).status_code == 200
        assert (await receive(client))["type"] == "patient_status_change"
        assert (await hub.post("/patients/waiting/discharge", {})).status_code == 200
        assert (await receive(client))["type"] == "patient_discharge"
        assert (await receive(client))["data"]["beds_occupied"] == 1


async def test_notices_reach_hospital_and_system(hub: WholeHub):
    notice = {"severity": "critical", "message": "Fire drill"}
    async with hub.connect("/realtime/ws", "admin", hospitals=["*"]) as client:
        await client.send(json.dumps({"type": "subscribe", "rooms": [f"hospital:{HOSPITAL}:alerts", "system:alerts"]}))
        await receive(client), await receive(client)
        for path, kind in (("alerts", "hospital_alert"), ("emergencies", "hospital_emergency")):
            assert (await hub.post(f"/hospitals/{HOSPITAL}/{path}", notice, "admin")).status_code == 200
            message = await receive(client)
            assert (message["type"], message["data"]["message"]) == (kind, "Fire drill")
            assert "test" not in message
        body = {"event": "system.maintenance", "message": "Tonight", "starts": "2026-12-01T00:00:00Z"}
        assert (await hub.post("/system/announcements", body, "admin")).status_code == 403  # one hospital's admin
        assert (await hub.post("/system/announcements", body, "admin", hospitals=["*"])).status_code == 200
        assert (await receive(client))["type"] == "system_maintenance"


@pytest.mark.parametrize("role", ["viewer", "technician", "tester", "clinician"])
async def test_only_admins_raise_hospital_notices(hub: WholeHub, role: str):
    body = {"severity": "info", "message": "m"}
    assert (await hub.post(f"/hospitals/{HOSPITAL}/alerts", body, role)).status_code == 403


async def test_the_answer_names_the_reading_that_was_recorded(hub: WholeHub):
    entered = (await hub.post(CUFF, pressure(120, 80))).json()["data"]
    assert (await hub.get(f"{CUFF}/{entered['reading_id']}")).json()["data"]["values"]["systolic"] == 120
    corrected = await hub.http.put(f"{CUFF}/{entered['reading_id']}", json=pressure(121, 81), headers=hub.headers())
    shown = (await hub.get(f"{CUFF}/{corrected.json()['data']['reading_id']}")).json()["data"]
    assert (shown["replaces"], shown["values"]["systolic"]) == (entered["reading_id"], 121)


async def test_entering_too_much_waits_and_an_emergency_never_does(
    tmp_path: Path, redis_server: Redis, mosquitto_server: Mosquitto
):
    limits = {"user_message_burst": 1, "user_messages_a_second": 0.01}
    async with whole_hub(tmp_path, redis_server, mosquitto_server, **limits) as hub:
        assert (await hub.post(CUFF, pressure(), "admin")).status_code == 201
        refused = await hub.post(CUFF, pressure(), "admin")
        assert (refused.status_code, 90 < int(refused.headers["retry-after"]) <= 100) == (429, True)
        notice = {"severity": "critical", "message": "m", "data": {}}
        for _ in range(3):
            assert (await hub.post(f"/hospitals/{HOSPITAL}/emergencies", notice, "admin")).is_success
