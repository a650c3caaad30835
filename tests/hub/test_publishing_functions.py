"""The guide's three publishing functions, as those who extend the hub use them, on the whole hub."""

import ast
import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from fastapi import Depends, Request

from bedside.services.mosquitto import Mosquitto
from bedside.services.redis import Redis
from hub.errors import Invalid, NotFound
from hub.realtime.events import RealtimeEvents, realtime_events_of
from tests.end_to_end import guide
from tests.hub.rest.conftest import WholeHub, whole_hub
from tests.support.hub import HOSPITAL, PATIENT, WAIT_SECONDS, receive

EXAMPLE = compile(
    guide.code_under("Device Data with Real-time Updates"), guide.GUIDE.name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
)


@pytest.fixture
async def hub(tmp_path: Path, redis_server: Redis, mosquitto_server: Mosquitto) -> AsyncIterator[WholeHub]:
    async with whole_hub(tmp_path, redis_server, mosquitto_server) as running:
        yield running


@pytest.fixture
def events(hub: WholeHub) -> RealtimeEvents:
    found: RealtimeEvents = hub.app.state.realtime_events
    return found


async def run_the_example(realtime_events: RealtimeEvents, data: SimpleNamespace) -> None:
    """The guide's code, exactly as it stands there."""
    await eval(EXAMPLE, {"realtime_events": realtime_events, "data": data, "patient_id": PATIENT})  # noqa: S307


def created(data_type: str, device_id: str, device_type: str, **values: object) -> SimpleNamespace:
    at = datetime.now(UTC)
    return SimpleNamespace(
        data_type=data_type, device_id=device_id, device_type=device_type, values=values, timestamp=at
    )


async def heard(hub: WholeHub, data: SimpleNamespace, count: int) -> list[dict[str, Any]]:
    """The first messages that the device's and the patient's clients get after an extension's route was called."""

    @hub.app.post("/my-devices/readings")
    async def create(
        request: Request, realtime_events: Annotated[RealtimeEvents, Depends(realtime_events_of)]
    ) -> dict[str, bool]:
        await run_the_example(realtime_events, data)
        return {"success": True}

    async with (
        asyncio.timeout(WAIT_SECONDS),
        hub.connect(f"/realtime/ws/device/{data.device_type}/{data.device_id}") as device,
        hub.connect(f"/realtime/ws/patient/{PATIENT}") as patient,
    ):
        for client, rooms in ((device, 2), (patient, 3)):
            assert [(await receive(client))["status"] for _ in range(rooms)] == ["subscribed"] * rooms
        assert (await hub.http.post("/my-devices/readings")).json() == {"success": True}
        return [await receive(device), *[await receive(patient) for _ in range(count - 1)]]


async def test_the_guides_integration_example_runs_as_written(hub: WholeHub):
    data = created("blood_pressure", "cuff-1", "blood_pressure_monitor", systolic=150, diastolic=95)
    update, vitals, alert = await heard(hub, data, 3)
    assert (update["type"], update["data"]["values"]) == ("device_data_update", {"systolic": 150, "diastolic": 95})
    assert (vitals["type"], vitals["data"]["blood_pressure"]) == ("vitals_update", {"systolic": 150, "diastolic": 95})
    assert datetime.fromisoformat(vitals["data"]["timestamp"]) == data.timestamp
    assert (alert["type"], alert["data"]["message"]) == ("patient_alert", "High blood pressure detected: 150/95")
    assert (alert["data"]["alert_type"], alert["data"]["severity"]) == ("high_blood_pressure", "warning")
    assert alert["data"]["data"] == {"systolic": 150, "diastolic": 95, "device_id": "cuff-1"}
    assert alert["n"] == vitals["n"] + 1 == update["n"] + 2
    assert not any(message.get("test") for message in (update, vitals, alert))


async def test_a_single_number_is_published_as_the_guide_shows_it(hub: WholeHub):
    update, vitals = await heard(hub, created("spo2", "oximeter-1", "pulse_oximeter", spo2=97.5), 2)
    assert update["data"]["values"] == {"spo2": 97.5}
    assert vitals["data"]["spo2"] == 97.5


async def test_a_normal_pressure_raises_no_alert(hub: WholeHub):
    data = created("blood_pressure", "cuff-1", "blood_pressure_monitor", systolic=140, diastolic=90)
    await heard(hub, data, 2)
    history = (await hub.get(f"/realtime/history/patient:{PATIENT}:alerts")).json()["data"]
    assert history["messages"] == []


async def test_an_alert_goes_to_patient_ward_and_hospital_alone(hub: WholeHub, events: RealtimeEvents):
    event_id = await events.publish_patient_alert(PATIENT, "fall", "critical", "Found on the \x07floor", {"room": 3})
    shown: dict[str, list[str]] = {}
    async with asyncio.timeout(WAIT_SECONDS):
        while len(shown) < 3:
            for room in (f"patient:{PATIENT}", f"ward:{HOSPITAL}:w1", f"hospital:{HOSPITAL}"):
                history = (await hub.get(f"/realtime/history/{room}:alerts")).json()["data"]["messages"]
                shown |= {room: [message["event_id"] for message in history]} if history else {}
    assert set(map(tuple, shown.values())) == {(event_id,)}
    assert history[0]["data"]["message"] == "Found on the floor"


async def test_an_alert_of_a_patient_who_lies_nowhere_goes_to_no_ward(hub: WholeHub, events: RealtimeEvents):
    await events.publish_patient_alert("waiting", "fall", "critical", "Found", {})
    await events.publish_patient_alert(PATIENT, "fall", "critical", "Found", {})
    async with asyncio.timeout(WAIT_SECONDS):
        while not (messages := await ward_alerts(hub)):
            pass
    assert [message["data"]["patient_id"] for message in messages] == [PATIENT]


async def ward_alerts(hub: WholeHub) -> list[dict[str, Any]]:
    answer = await hub.get(f"/realtime/history/ward:{HOSPITAL}:w1:alerts")
    messages: list[dict[str, Any]] = answer.json()["data"]["messages"]
    return messages


async def test_what_the_catalogue_does_not_have_is_refused(events: RealtimeEvents):
    data, vitals, alert = events.publish_device_data, events.publish_patient_vitals, events.publish_patient_alert
    refused = [
        (Invalid, data("toaster", "t1", "spo2", {"spo2": 97})),
        (NotFound, data("pulse_oximeter", "none", "spo2", {"spo2": 97})),
        (Invalid, data("pulse_oximeter", "oximeter-1", "spo2", {"spo2": float("nan")})),
        (Invalid, data("pulse_oximeter", "oximeter-1", "spo2", {"spo2": Decimal("sNaN")})),
        (Invalid, data("pulse_oximeter", "oximeter-1", "spo2", {"spo2": "NaN"})),
        (NotFound, vitals("nobody", {"heart_rate": 72})),
        (Invalid, vitals(PATIENT, {"device_id": "cuff-1"})),
        (Invalid, vitals(PATIENT, {"heart_rate": 72, "mood": "good"})),
        (Invalid, vitals(PATIENT, {"heart_rate": 72, "timestamp": "2026-01-01T00:00:00"})),
        (NotFound, alert("nobody", "fall", "critical", "m", {})),
        (Invalid, alert(PATIENT, "fall", "high", "m", {})),
        (Invalid, alert(PATIENT, "fall", "critical", "x" * 501, {})),
    ]
    for error, publishing in refused:
        with pytest.raises(error):
            await publishing
