"""The guide's alert, word for word, over the whole road: from a cuff's bytes, and as device data entered by REST."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.end_to_end.clients import WAIT_SECONDS, event_with, has, message_with, streamed, subscribed, watched
from tests.end_to_end.road import Road
from vitals.rooms import AUTO_SUBSCRIPTIONS

pytestmark = pytest.mark.slow

CUFF = "blood_pressure_monitor"
ROOMS = len(AUTO_SUBSCRIPTIONS["patient"])


@pytest.fixture
def cuff(road: Road) -> dict[str, str]:
    """In the second bed, whose recording has a single high pressure."""
    return road.device(CUFF, road.patients[1])


def alert_of(cuff: dict[str, str], systolic: int, diastolic: int) -> dict[str, Any]:
    """What the guide's integration example publishes for this pressure."""
    return {
        "patient_id": cuff["patient_id"],
        "alert_type": "high_blood_pressure",
        "severity": "warning",
        "message": f"High blood pressure detected: {systolic}/{diastolic}",
        "data": {"systolic": systolic, "diastolic": diastolic, "device_id": cuff["device_id"]},
    }


async def measure(road: Road, cuff: dict[str, str], systolic: int, diastolic: int) -> None:
    await road.order(do="measure", device_id=cuff["device_id"], systolic=systolic, diastolic=diastolic)


async def alerts_until(socket: Any, last: dict[str, Any]) -> list[dict[str, Any]]:
    """Data of all alerts up to this one."""
    alerts = []
    while not alerts or not has(alerts[-1], last):
        message = json.loads(await socket.recv())
        if message["type"] == "patient_alert":
            alerts.append(message["data"])
    return alerts


async def test_150_over_95_reaches_a_websocket_client_and_an_sse_client_word_for_word(road: Road, cuff: dict):
    patient, expected = cuff["patient_id"], alert_of(cuff, 150, 95)
    async with (
        asyncio.timeout(WAIT_SECONDS),
        watched(road, f"patient/{patient}", rooms=ROOMS) as socket,
        streamed(road, f"patient/{patient}") as stream,
    ):
        await measure(road, cuff, 150, 95)
        message = await message_with(socket, "patient_alert", **expected)
        event = await event_with(stream, "patient.alert", **expected)
    assert message["data"] == message["data"] | expected
    assert (message["event"], message["room"]) == ("patient.alert", f"patient:{patient}:alerts")
    assert {name: value for name, value in event.data.items() if name != "meta"} == message["data"]
    assert event.data["meta"]["event_id"] == message["event_id"]
    assert (message["data"]["kind"], "test" in message, "late" in message) == ("physiological", False, False)


async def test_the_ward_and_the_hospital_get_the_same_event(road: Road, cuff: dict):
    hospital = road.ready["hospital_id"]
    rooms = [f"patient:{cuff['patient_id']}:alerts", f"ward:{hospital}:icu:alerts", f"hospital:{hospital}:alerts"]
    async with asyncio.timeout(WAIT_SECONDS), subscribed(road, rooms) as socket:
        await measure(road, cuff, 151, 96)
        expected = alert_of(cuff, 151, 96)
        messages = [await message_with(socket, "patient_alert", **expected) for _ in rooms]
    assert [message["room"] for message in messages] == rooms
    assert len({message["event_id"] for message in messages}) == 1
    assert len({json.dumps(message["data"]) for message in messages}) == 1


async def test_a_pressure_at_the_limits_raises_none_and_each_above_raises_one(road: Road, cuff: dict):
    pressures = [(140, 90), (141, 90), (140, 91), (152, 97), (139, 89), (153, 98)]
    async with (
        asyncio.timeout(2 * WAIT_SECONDS),
        watched(road, f"patient/{cuff['patient_id']}", rooms=ROOMS) as socket,
    ):
        for pressure in pressures:
            await measure(road, cuff, *pressure)
        raised = await alerts_until(socket, alert_of(cuff, 153, 98))
    ours = [
        pressure
        for alert in raised
        if (pressure := (alert["data"]["systolic"], alert["data"]["diastolic"])) in pressures
    ]
    assert ours == [(141, 90), (140, 91), (152, 97), (153, 98)]
    assert len({alert["episode_id"] for alert in raised[-2:]}) == 2, "139/89 lies between: it ended the episode"


async def test_device_data_entered_by_rest_raises_it_too(road: Road, cuff: dict):
    expected = alert_of(cuff, 154, 99)
    entered = {
        "data_type": "blood_pressure",
        "values": {"systolic": 154, "diastolic": 99},
        "timestamp": datetime.now(UTC).isoformat(),
        "patient_id": cuff["patient_id"],
    }
    path = f"/devices/{CUFF}/{cuff['device_id']}/data"
    async with (
        asyncio.timeout(WAIT_SECONDS),
        httpx.AsyncClient(base_url=road.hub, headers=road.headers) as client,
        watched(road, f"patient/{cuff['patient_id']}", rooms=ROOMS) as socket,
        streamed(road, f"patient/{cuff['patient_id']}") as stream,
    ):
        answer = await client.post(path, json=entered)
        assert answer.status_code == 201, answer.text
        message = await message_with(socket, "patient_alert", **expected)
        event = await event_with(stream, "patient.alert", **expected)
    assert event.data["meta"]["event_id"] == message["event_id"]


@pytest.mark.parametrize("role", ["viewer", "technician", "tester"])
async def test_who_may_not_record_raises_none(road: Road, cuff: dict, role: str):
    entered = {
        "data_type": "blood_pressure",
        "values": {"systolic": 155, "diastolic": 99},
        "timestamp": "2026-01-01T00:00:00Z",
    }
    headers = {"Authorization": f"Bearer {road.token_for(role)}"}
    async with httpx.AsyncClient(base_url=road.hub, headers=headers) as client:
        answer = await client.post(f"/devices/{CUFF}/{cuff['device_id']}/data", json=entered)
    assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")
