"""Who may do what over REST: the contract's table of roles against every operation, on the whole hub. What isn't allowed is denied."""

from datetime import UTC, datetime
from typing import Any

import pytest

from hub.auth.tokens import Role
from tests.hub.rest.conftest import WholeHub
from tests.support.hub import HOSPITAL, PATIENT

NOTICE = {"severity": "info", "message": "m"}
READING = {"data_type": "temperature", "values": {"temperature": 37}, "timestamp": datetime.now(UTC).isoformat()}
VITALS = {"event_type": "patient.vitals.update", "patient_id": PATIENT, "vitals": {"spo2": 97}}
PRESSURE = READING | {"data_type": "blood_pressure", "values": {"systolic": 120, "diastolic": 80}}
OPERATIONS: dict[str, tuple[str, Any, set[str]]] = {
    "enter an observation": ("/devices/blood_pressure_monitor/cuff-1/data", PRESSURE, {"clinician", "admin"}),
    "enter an observation of nobody": ("/devices/thermometer/spare-1/data", READING, {"admin"}),
    "say a patient's status": (f"/patients/{PATIENT}/status", {"status": "stable"}, {"clinician", "admin"}),
    "admit": ("/patients/waiting/admission", {"ward_id": "w1", "bed": "2"}, {"clinician", "admin"}),
    "discharge": (f"/patients/{PATIENT}/discharge", {}, {"clinician", "admin"}),
    "raise a hospital's alert": (f"/hospitals/{HOSPITAL}/alerts", NOTICE, {"admin"}),
    "raise an emergency": (f"/hospitals/{HOSPITAL}/emergencies", NOTICE, {"admin"}),
    "publish a test event": ("/realtime/test/publish", VITALS, {"tester", "admin"}),
}
"""The path, the body, and the roles that may with the whole hospital in scope."""
WATCHING: dict[str, tuple[str, set[str]]] = {
    "a patient": (f"/realtime/history/patient:{PATIENT}", {"viewer", "clinician", "tester", "admin"}),
    "a ward": (f"/realtime/history/ward:{HOSPITAL}:w1:vitals", {"viewer", "clinician", "tester", "admin"}),
    "a hospital": (f"/realtime/history/hospital:{HOSPITAL}", {"viewer", "clinician", "tester", "admin"}),
    "a hospital's devices": (f"/realtime/history/hospital:{HOSPITAL}:devices", set(Role)),
    "a held device": ("/realtime/history/device:blood_pressure_monitor:cuff-1", set(Role)),
    "a device of nobody": ("/realtime/history/device:thermometer:spare-1", {"technician", "admin"}),
    "system alerts": ("/realtime/history/system:alerts", set(Role)),
    "admin updates": ("/realtime/history/admin:updates", {"admin"}),
    "what ingest refused": ("/ingest/counters", set(Role)),
}


async def test_outside_the_tokens_scope_nobody_does_anything(hub: WholeHub):
    for scope in ({"hospitals": ["another"]}, {"patients": ["another"]}, {"wards": [f"{HOSPITAL}:w9"]}):
        for role in Role:
            answers = {name: await hub.post(path, body, role, **scope) for name, (path, body, _) in OPERATIONS.items()}
            assert {answer.status_code for answer in answers.values()} == {403}, (scope, role)


@pytest.mark.parametrize("role", Role)
async def test_a_role_does_what_the_table_says_and_nothing_else(hub: WholeHub, role: Role):
    answers = {name: await hub.post(path, body, role) for name, (path, body, _) in OPERATIONS.items()}
    allowed = {name for name, answer in answers.items() if answer.is_success}
    assert allowed == {name for name, (_, _, roles) in OPERATIONS.items() if role in roles}
    assert {answer.status_code for name, answer in answers.items() if name not in allowed} <= {403}


async def test_a_role_sees_what_the_table_says_and_nothing_else(hub: WholeHub):
    seen = {
        (name, role): (await hub.get(path, role)).status_code for name, (path, _) in WATCHING.items() for role in Role
    }
    assert seen == {
        (name, role): 200 if role in roles else 403 for name, (_, roles) in WATCHING.items() for role in Role
    }


async def test_only_an_admin_of_all_hospitals_speaks_to_everyone(hub: WholeHub):
    body = {"event": "system.alert", "message": "m"}
    tried = [(role, {"hospitals": [HOSPITAL]}) for role in Role] + [(Role.ADMIN, {"hospitals": ["*"]})]
    answers = [(await hub.post("/system/announcements", body, role, **scope)).status_code for role, scope in tried]
    assert answers == [403] * len(Role) + [200]


async def test_without_a_token_nobody_does_or_sees_anything(hub: WholeHub):
    answers = [await hub.http.post(path, json=body) for path, body, _ in OPERATIONS.values()]
    answers += [await hub.http.get(path) for path, _ in WATCHING.values()]
    assert {answer.status_code for answer in answers} == {401}
