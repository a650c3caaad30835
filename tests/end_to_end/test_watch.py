"""`bedside watch` over the whole road: what a nurse sees, also when the hub is killed."""

import asyncio
import contextlib
import itertools
import json
import re
import signal
import sys
from pathlib import Path

import pytest

from tests.end_to_end.road import Road, start_road, stop_road
from tests.support.terminal import terminal
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

WATCH = (sys.executable, "-m", "bedside", "watch")
WAIT_SECONDS = 60  # a simulated cuff or thermometer measures every few seconds of real time


async def test_the_screen_shows_every_bed_of_the_demo(road: Road):
    beds = [patient["bed"] for patient in road.ready["patients"]]
    async with terminal(*WATCH, "--state", str(road.state)) as shown:
        screen = await shown.shows("● hub linked", "REPLAY at 240× speed", *(f"\n {bed}" for bed in beds))
        assert "A secondary display, not a primary alarm." in screen
        shown.process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(shown.process.wait(), WAIT_SECONDS) == 0


async def test_a_high_pressure_stands_at_its_bed_and_among_the_alerts(road: Road):
    cuff = road.device("blood_pressure_monitor")
    bed = next(p["bed"] for p in road.ready["patients"] if p["patient_id"] == cuff["patient_id"])
    async with terminal(*WATCH, "--state", str(road.state), "--patient", cuff["patient_id"]) as shown:
        await shown.shows("● hub linked", f"\n {bed}")

        async def seen() -> bool:
            """Measured again where the recording's own next pressure has taken its place before it was looked at."""
            order = {"do": "measure", "systolic": 150, "diastolic": 95, "pulse_rate": 80 + next(attempts)}
            await road.order(device_id=cuff["device_id"], **order)
            with contextlib.suppress(AssertionError):
                return bool(await shown.shows("!150/95", "High blood pressure detected: 150/95", seconds=5))
            return False

        attempts = itertools.count()
        await eventually(seen, seconds=WAIT_SECONDS)


async def test_a_finger_that_leaves_its_oximeter_is_a_missing_value_with_its_reason(road: Road):
    oximeter = road.device("pulse_oximeter")
    async with terminal(*WATCH, "--state", str(road.state), "--patient", oximeter["patient_id"]) as shown:
        await shown.shows("● hub linked")
        await road.order(do="finger_off", device_id=oximeter["device_id"])
        await shown.shows("   -- ", "no SpO2, HR", ": no finger", seconds=WAIT_SECONDS)
        await road.order(do="finger_on", device_id=oximeter["device_id"])
        await eventually(lambda: "no finger" not in shown.screen, seconds=WAIT_SECONDS)


async def test_one_picture_in_json_has_every_beds_saturation_with_unit_age_and_recording(road: Road):
    async def picture() -> dict:
        process = await asyncio.create_subprocess_exec(
            *WATCH, "--state", str(road.state), "--once", "--json", stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()
        assert process.returncode == 0
        return json.loads(out)

    async def complete() -> dict:
        found = await picture()
        return found if all("spo2" in bed["values"] for bed in found["beds"]) else {}

    beds = (await eventually(complete, seconds=WAIT_SECONDS))["beds"]
    assert {bed["patient_id"] for bed in beds} == set(road.patients)
    for bed in beds:
        assert bed["values"]["spo2"]["unit"] == "%"
        assert bed["values"]["spo2"]["age_seconds"] < 10
        assert bed["replayed"]["speed"] == 240
        assert {device["status"] for device in bed["devices"]} <= {"online", "idle", "unknown"}


async def test_a_hub_that_is_killed_is_told_on_the_screen_and_found_again(tmp_path: Path):
    road = await asyncio.to_thread(start_road, tmp_path / "road")
    try:
        async with terminal(*WATCH, "--state", str(road.state)) as shown:
            await shown.shows("● hub linked", "\n 101 ")
            hub = road.component("hub")
            assert hub is not None
            hub.kill()
            await shown.shows("✕ HUB LOST", "LINK TO THE HUB LOST for")
            await shown.shows("● hub linked", seconds=WAIT_SECONDS)
            await eventually(lambda: _is_fresh(shown.screen), seconds=WAIT_SECONDS)
    finally:
        await asyncio.to_thread(stop_road, road)


def _is_fresh(screen: str) -> bool:
    """Whether nothing is said to be lost, and the first bed has a saturation of the last seconds."""
    return "LOST" not in screen and re.search(r"\n 101 +\d+ [0-3]s ", screen) is not None
