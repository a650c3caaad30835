"""Each kind of device to a WebSocket client and to an SSE client, over the whole road."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest
import websockets

from tests.end_to_end.conftest import Road

pytestmark = pytest.mark.slow

WAIT_SECONDS = 60  # a simulated cuff or thermometer measures every few seconds of real time
KINDS = {
    "blood_pressure_monitor": "blood_pressure",
    "pulse_oximeter": "spo2",
    "thermometer": "temperature",
}


async def sse_events(lines: AsyncIterator[str]) -> AsyncIterator[tuple[str, dict]]:
    """Events of a stream as (event, data); comments and other fields are passed over."""
    name = ""
    async for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


@pytest.mark.parametrize("device_type", KINDS)
async def test_a_reading_reaches_a_websocket_client(road: Road, device_type: str):
    device = road.device(device_type)
    vital = KINDS[device_type]
    async with (
        asyncio.timeout(WAIT_SECONDS),
        websockets.connect(f"{road.live}/ws/patient/{device['patient_id']}?token={road.token}") as socket,
    ):
        async for text in socket:
            message = json.loads(text)
            if message["type"] == "vitals_update" and vital in message["data"]:
                break
    data = message["data"]
    assert message["event"] == "patient.vitals.update"
    assert message["room"] == f"patient:{device['patient_id']}:vitals"
    assert (data["patient_id"], data["device_id"]) == (device["patient_id"], device["device_id"])
    assert data["device_type"] == device_type
    assert data["replayed"]["speed"] > 1
    assert message["offset"] >= 1
    assert message["epoch"]


@pytest.mark.parametrize("device_type", KINDS)
async def test_a_reading_reaches_an_sse_client(road: Road, device_type: str):
    device = road.device(device_type)
    address = f"{road.hub}/realtime/events/device/{device_type}/{device['device_id']}"
    async with (
        asyncio.timeout(WAIT_SECONDS),
        httpx.AsyncClient(headers=road.headers, timeout=WAIT_SECONDS) as client,
        client.stream("GET", address) as answer,
    ):
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        events = sse_events(answer.aiter_lines())
        assert (await anext(events))[0] == "connected"
        data = await anext(data async for name, data in events if name == "device.data.update")
    assert data["device_id"] == device["device_id"]
    assert data["data_type"] == KINDS[device_type]
    assert data["meta"]["room"] == f"device:{device_type}:{device['device_id']}"
