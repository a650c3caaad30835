"""Each kind of device to a WebSocket client and to an SSE client, over the whole road."""

import asyncio
import json

import pytest

from tests.end_to_end.clients import WAIT_SECONDS, has, streamed, watched
from tests.end_to_end.road import Road
from vitals.rooms import AUTO_SUBSCRIPTIONS

pytestmark = pytest.mark.slow

CUFF, OXIMETER, THERMOMETER = "blood_pressure_monitor", "pulse_oximeter", "thermometer"
KINDS = (CUFF, OXIMETER, THERMOMETER)


def told(device_type: str, more: int) -> tuple[dict, dict]:
    """What the ward is told, and what clients are to see of it. `more` tells measurements apart: one cuff's, of one second, with equal
    numbers are one to the hub, as if it had been resent."""
    if device_type == CUFF:
        pressure = {"systolic": 123 + more, "diastolic": 77}
        return {"do": "measure", **pressure}, {"blood_pressure": pressure}
    if device_type == THERMOMETER:
        return {"do": "measure", "temperature": 38.4 + more}, {"temperature": 38.4 + more}
    return {"do": "see", "spo2": 93 + more, "pulse_rate": 77}, {"spo2": 93 + more, "heart_rate": 77}


async def tell(road: Road, device: dict, order: dict) -> None:
    await road.order(device_id=device["device_id"], **order)


@pytest.mark.parametrize("device_type", KINDS)
async def test_a_reading_reaches_a_websocket_client(road: Road, device_type: str):
    device, (order, expected) = road.device(device_type), told(device_type, 0)
    patient = device["patient_id"]
    rooms = len(AUTO_SUBSCRIPTIONS["patient"])
    async with asyncio.timeout(WAIT_SECONDS), watched(road, f"patient/{patient}", rooms=rooms) as socket:
        await tell(road, device, order)
        async for text in socket:
            message = json.loads(text)
            if message["type"] == "vitals_update" and has(message["data"], expected):
                break
    data = message["data"]
    assert message["event"] == "patient.vitals.update"
    assert message["room"] == f"patient:{patient}:vitals"
    assert (data["patient_id"], data["device_id"]) == (patient, device["device_id"])
    assert data["device_type"] == device_type
    assert data["replayed"]["speed"] > 1
    assert message["offset"] >= 1
    assert message["epoch"]


@pytest.mark.parametrize("device_type", KINDS)
async def test_a_reading_reaches_an_sse_client(road: Road, device_type: str):
    device, (order, expected) = road.device(device_type), told(device_type, 1)
    async with asyncio.timeout(WAIT_SECONDS), streamed(road, f"patient/{device['patient_id']}") as events:
        await tell(road, device, order)
        while not has((event := await events.next()).data, expected):
            pass
    assert event.name == "patient.vitals.update"
    assert event.id
    assert event.data["device_id"] == device["device_id"]
    assert event.data["meta"]["room"] == f"patient:{device['patient_id']}:vitals"


@pytest.mark.parametrize("device_type", KINDS)
async def test_a_reading_reaches_the_devices_own_stream(road: Road, device_type: str):
    device, (order, _) = road.device(device_type), told(device_type, 0)
    path = f"device/{device_type}/{device['device_id']}"
    async with asyncio.timeout(WAIT_SECONDS), streamed(road, path) as events:
        await tell(road, device, order)
        while (event := await events.next()).name != "device.data.update":
            pass
    assert event.data["device_id"] == device["device_id"]
    assert event.data["meta"]["room"] == f"device:{device_type}:{device['device_id']}"


async def test_a_cuff_that_says_150_over_95_raises_the_guides_alert(road: Road):
    cuff = road.device(CUFF)
    patient = cuff["patient_id"]
    rooms = len(AUTO_SUBSCRIPTIONS["patient"])
    async with asyncio.timeout(WAIT_SECONDS), watched(road, f"patient/{patient}", rooms=rooms) as socket:
        await tell(road, cuff, {"do": "measure", "systolic": 150, "diastolic": 95})
        async for text in socket:
            alert = json.loads(text)
            if alert["type"] == "patient_alert" and alert["data"]["data"]["systolic"] == 150:
                break
    data = alert["data"]
    assert alert["event"] == "patient.alert"
    assert (data["patient_id"], data["alert_type"], data["severity"]) == (patient, "high_blood_pressure", "warning")
    assert data["message"] == "High blood pressure detected: 150/95"
    assert data["data"] == {"systolic": 150, "diastolic": 95, "device_id": cuff["device_id"]}
