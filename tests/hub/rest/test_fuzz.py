"""Requests made of sound ones with something in them replaced by anything: an answer below 500, or a problem document, and nothing in the log."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.hub.rest.conftest import WholeHub
from tests.support.hub import HOSPITAL, PATIENT
from vitals.events import EVENTS, EventName

NOTICE = {"severity": "critical", "message": "m", "data": {"a": 1}}
READING = {
    "data_type": "blood_pressure",
    "values": {"systolic": 120, "diastolic": 80, "mean": 93.5},
    "timestamp": datetime.now(UTC).isoformat(),
    "unit": "mmHg",
    "patient_id": PATIENT,
}
TRIAL = {
    "event_type": "patient.vitals.update",
    "patient_id": PATIENT,
    "vitals": {"blood_pressure": {"systolic": 120, "diastolic": 80}, "heart_rate": 72, "temperature": 36.5},
    "device_type": "blood_pressure_monitor",
    "device_id": "cuff-1",
    "data_type": "spo2",
    "values": {"spo2": 97},
    "alert_type": "a",
    "severity": "warning",
    "message": "m",
    "data": {"x": [1, 2.5, None]},
    "status": "stable",
    "previous": None,
    "reason": "r",
    "ward_id": "w1",
    "bed": "1",
    "at": "2026-01-01T00:00:00Z",
    "timestamp": "2026-01-01T00:00:00+14:00",
    "faults": ["low_battery"],
    "battery": 50,
    "repeat": 3,
    "hospital_id": HOSPITAL,
    "beds_total": 2,
    "beds_occupied": 1,
    "starts": "2026-01-01T00:00:00Z",
    "version": "2",
    "signal": "plethysmogram",
    "rate_hz": 60,
    "start": "2026-01-01T00:00:00Z",
    "samples": [1, None, 3],
    "scale": {"low": 0, "high": 127},
    "unit": "1",
    "what": "user",
    "id": "nobody",
    "change": "revoked",
}
CUFF = ("devices", "blood_pressure_monitor", "cuff-1", "data")


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A sound request: its path in parts, so that any one of them can be replaced, query and body."""

    method: str
    path: tuple[str, ...]
    body: dict[str, Any] | None = None
    query: dict[str, str] = field(default_factory=dict)


ENDPOINTS = [
    Endpoint(method="POST", path=("realtime", "test", "publish"), body=TRIAL),
    Endpoint(method="GET", path=("realtime", "stats")),
    Endpoint(method="GET", path=("realtime", "presence", f"patient:{PATIENT}")),
    Endpoint(method="GET", path=("metrics",)),
    Endpoint(
        method="GET",
        path=("realtime", "history", f"patient:{PATIENT}"),
        query={"epoch": "e", "offset": "1", "limit": "5"},
    ),
    Endpoint(method="GET", path=("realtime", "events", "patient", PATIENT), query={"last_event_id": "gA"}),
    Endpoint(method="GET", path=("realtime", "events", *CUFF[1:3])),
    Endpoint(method="GET", path=("realtime", "events"), query={"last_event_id": "gA"}),
    Endpoint(method="POST", path=CUFF, body=READING),
    Endpoint(
        method="GET",
        path=CUFF,
        query={"since": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z", "limit": "5"},
    ),
    Endpoint(method="GET", path=(*CUFF, "1")),
    Endpoint(method="PUT", path=(*CUFF, "1"), body=READING),
    Endpoint(method="PATCH", path=(*CUFF, "1"), body=READING),
    Endpoint(method="DELETE", path=(*CUFF, "1")),
    Endpoint(method="POST", path=("patients", PATIENT, "admission"), body={"ward_id": "w1", "bed": "1"}),
    Endpoint(method="POST", path=("patients", PATIENT, "status"), body={"status": "stable", "reason": "r"}),
    Endpoint(method="POST", path=("patients", "waiting", "discharge"), body={}),
    Endpoint(method="POST", path=("hospitals", HOSPITAL, "alerts"), body=NOTICE),
    Endpoint(method="POST", path=("hospitals", HOSPITAL, "emergencies"), body=NOTICE),
    Endpoint(
        method="POST",
        path=("system", "announcements"),
        body={"event": "system.alert", "message": "m", "starts": "2026-01-01T00:00:00Z", "version": "2"},
    ),
    Endpoint(method="GET", path=("hospitals",)),
    Endpoint(method="GET", path=("hospitals", HOSPITAL, "beds"), query={"ward": "w1", "patient": PATIENT}),
    Endpoint(method="GET", path=("ingest", "counters")),
    Endpoint(method="POST", path=("realtime", "ticket")),
    Endpoint(method="POST", path=("realtime", "session")),
    Endpoint(method="DELETE", path=("realtime", "session")),
    Endpoint(method="POST", path=("auth", "revocations"), body={"subject": "nobody", "reason": "r"}),
    Endpoint(method="POST", path=("patients", PATIENT, "break-glass"), body={"reason": "emergency"}),
    Endpoint(method="DELETE", path=("patients", PATIENT, "break-glass"), query={"subject": "nobody"}),
    Endpoint(method="GET", path=("hospitals", HOSPITAL, "break-glass")),
]

TEXTS = st.text(max_size=30) | st.sampled_from(
    [
        *("", "NaN", "1e999999", "\x00", "\ud800", "../..", "x" * 501, "patient:x", "-1", str(2**63), "9" * 5000),
        *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-01-01T00:00:00", "2026-01-01"),
        *(HOSPITAL, PATIENT, *EventName),
    ]
)
NUMBERS = st.integers() | st.floats() | st.sampled_from([2**63, -(2**63), 10**40, 1e308, 5e-324, 0.1 + 0.2])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, str, bytes]:
    """Method, target and body of one of the endpoints, with up to three things in it replaced."""
    endpoint = draw(st.sampled_from(ENDPOINTS))
    path, query, body = list(endpoint.path), dict(endpoint.query), endpoint.body
    if body is not None:
        body = draw(spoiled(_of_one_event(draw(st.sampled_from(EventName))) if body is TRIAL else body))
    elif query:
        query = draw(spoiled(query, values=TEXTS))
    if draw(st.integers(0, 4)) == 0:
        path[draw(st.integers(0, len(path) - 1))] = draw(TEXTS)
    content = b"" if body is None else json.dumps(body).encode()
    target = "/" + "/".join(map(quoted, path))
    return endpoint.method, f"{target}?{'&'.join(f'{k}={quoted(v)}' for k, v in query.items())}", content


@st.composite
def spoiled(draw: st.DrawFn, sound: dict[str, Any], values: st.SearchStrategy[Any] = VALUES) -> dict[str, Any]:
    names = draw(st.sets(st.sampled_from([*sorted(sound), "extra"]), max_size=3))
    return sound | {name: draw(values) for name in names}


def _of_one_event(event: EventName) -> dict[str, Any]:
    """A sound test event: the members that its data has."""
    known = {field.name for field in msgspec.structs.fields(EVENTS[event].data)}
    vitals = {"vitals"} if event is EventName.PATIENT_VITALS_UPDATE else set()
    return {name: value for name, value in TRIAL.items() if name in known | vitals} | {"event_type": event}


def quoted(part: str) -> str:
    return quote(part.encode("utf-8", "surrogatepass"), safe=":")


@settings(
    max_examples=250,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(asked=requests())
async def test_no_request_makes_the_hub_fail(hub: WholeHub, caplog: pytest.LogCaptureFixture, asked):
    method, target, content = asked
    headers = hub.headers("admin", hospitals=["*"]) | {"Content-Type": "application/json"}
    async with hub.http.stream(method, target, content=content, headers=headers) as answer:
        body = await answer.aread() if answer.status_code >= 400 else b""
    assert answer.status_code < 500, body
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert json.loads(body)["status"] == answer.status_code
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_the_sound_test_events_are_sound(hub: WholeHub):
    """The test above would find little if all its requests were refused for one and the same reason."""
    for event in EventName:
        answer = await hub.post("/realtime/test/publish", _of_one_event(event), "admin", hospitals=["*"])
        assert answer.status_code == 200, (event, answer.text)


async def test_a_query_that_means_nothing_is_refused(hub: WholeHub):
    data, history = "/devices/blood_pressure_monitor/cuff-1/data", f"/realtime/history/patient:{PATIENT}"
    queries = [f"{data}?since=2026-01-01T00:00:00", f"{data}?until=soon", f"{data}?limit=0", f"{history}?epoch=e"]
    queries += [f"{history}?epoch=e&offset=-1", f"{history}?epoch=e&offset={10**20}", f"{history}?limit=1001"]
    assert {query: (await hub.get(query)).status_code for query in queries} == dict.fromkeys(queries, 422)
