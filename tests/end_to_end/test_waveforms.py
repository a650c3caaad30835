"""Waveforms over the whole road: from a simulated oximeter's serial line through agent, broker, hub and Redis to clients, live."""

import asyncio
import itertools
import json
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from edge_agent import status
from tests.end_to_end.clients import WAIT_SECONDS, subscribed
from tests.end_to_end.road import Road
from tests.support.sse import Reader
from vitals.waveforms import Signal

pytestmark = pytest.mark.slow

SECONDS = 3.0
SLACK = timedelta(seconds=0.2)
"""What a serial line's steps and a gateway's clock may put between two chunks that follow each other."""


def seconds_of(chunks: list[dict[str, Any]]) -> float:
    return sum(len(chunk["samples"]) / chunk["rate_hz"] for chunk in chunks)


def follows(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether one chunk begins where the other ends."""
    end = datetime.fromisoformat(before["start"]) + timedelta(seconds=len(before["samples"]) / before["rate_hz"])
    return abs(datetime.fromisoformat(after["start"]) - end) < SLACK


def beats(samples: list[int | None]) -> int:
    """How often it rises through the middle of what it reaches."""
    heights = [sample or 0 for sample in samples]
    middle = max(heights) / 2
    return sum(a < middle <= b for a, b in itertools.pairwise(heights))


def oximeter_with(road: Road) -> dict[str, Any]:
    """The oximeter of the first bed: a Contec, whose line carries a plethysmogram."""
    return road.device("pulse_oximeter", road.patients[0])


async def test_an_oximeters_plethysmogram_comes_whole_or_says_where_it_is_broken(road: Road):
    device = oximeter_with(road)
    room = f"patient:{device['patient_id']}:waveforms"
    chunks: list[dict[str, Any]] = []
    async with asyncio.timeout(WAIT_SECONDS), subscribed(road, [room]) as socket:
        async for text in socket:
            message = json.loads(text)
            if message["type"] == "patient_waveform":
                assert not {"epoch", "offset", "n"} & message.keys()
                chunks.append(message["data"])
            if seconds_of(chunks) >= SECONDS:
                break
    assert {(chunk["signal"], chunk["device_id"], chunk["unit"]) for chunk in chunks} == {
        (Signal.PLETHYSMOGRAM, device["device_id"], "1")
    }
    assert all(after.get("gap") or follows(before, after) for before, after in itertools.pairwise(chunks))
    samples = [sample for chunk in chunks for sample in chunk["samples"]]
    assert 1 <= beats(samples) <= 12  # 20 to 240 a minute
    assert chunks[0]["scale"] == {"low": 0, "high": 127}


async def test_a_stream_that_asks_for_waveforms_has_them_beside_the_vitals(road: Road):
    patient = oximeter_with(road)["patient_id"]
    names: set[str] = set()
    async with (
        asyncio.timeout(WAIT_SECONDS),
        httpx.AsyncClient(headers=road.headers, timeout=WAIT_SECONDS) as client,
        client.stream("GET", f"{road.hub}/realtime/events/patient/{patient}?waveforms=1") as answer,
    ):
        reader = Reader(answer)
        while not {"patient.vitals.update", "patient.waveform"} <= names:
            names.add((await reader.next()).name)


async def test_the_agent_counts_what_it_has_sent(road: Road):
    report = status.read(road.layout.gateway_state)
    assert report is not None
    sent = {name: device.samples_sent for name, device in report.devices.items() if device.samples}
    assert sent
    assert min(sent.values()) > 0
