"""Load for fault tests, kills, and when a road has recovered from one."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx

from edge_agent import status
from simulators.ledger import Made, read
from simulators.ward import LEDGER
from tests.end_to_end.ledger_of_road import record_of, unsent
from tests.end_to_end.processes import Process
from tests.end_to_end.road import Road
from tests.support.waiting import eventually

RECOVERY_SECONDS = 40
MEASURE_EVERY_SECONDS = 0.15  # one bed after the other: a load, not a wait
SETTLED_SECONDS = 2.0


@asynccontextmanager
async def nurse(road: Road) -> AsyncIterator[None]:
    """Cuffs in turn measure, each time something that was never measured before; the DF8's finger changes as often."""
    working = asyncio.create_task(_work(road), name="nurse")
    try:
        yield
    finally:
        working.cancel()
        (outcome,) = await asyncio.gather(working, return_exceptions=True)
        assert isinstance(outcome, asyncio.CancelledError), outcome


async def _work(road: Road) -> None:
    cuffs = [
        device["device_id"] for device in road.ready["devices"] if device["device_type"] == "blood_pressure_monitor"
    ]
    for turn, cuff in enumerate(itertools.cycle(cuffs)):
        await road.order(
            do="measure", device_id=cuff, systolic=100 + turn % 90, diastolic=60 + turn % 50, pulse_rate=40 + turn
        )
        await road.order(do="see", device_id="OX-103", spo2=80 + turn % 19, pulse_rate=50 + turn % 151)
        await asyncio.sleep(MEASURE_EVERY_SECONDS)


async def kill(road: Road, name: str) -> Process:
    """Kill a component; the process that takes its place, once there is one."""
    before = await eventually(lambda: road.component(name), seconds=RECOVERY_SECONDS)
    before.kill()
    await eventually(lambda: not before.is_alive)
    after = await eventually(lambda: road.component(name), seconds=RECOVERY_SECONDS)
    assert after != before
    return after


async def recovered(road: Road) -> None:
    """Wait until a cuff's reading that was made after now is recorded, the hub says that it is ready, and the outbox is all but empty."""
    now = datetime.now(UTC)
    await eventually(lambda: _is_ready(road), seconds=RECOVERY_SECONDS)
    await eventually(lambda: _has_cuff_reading(road, now), seconds=RECOVERY_SECONDS)
    await eventually(lambda: _outbox_flows(road), seconds=RECOVERY_SECONDS)


async def so_many_more_made(road: Road, count: int) -> None:
    """Wait for the devices, which are never killed."""
    wanted = len(_made(road)) + count
    await eventually(lambda: len(_made(road)) >= wanted, seconds=RECOVERY_SECONDS)


async def delivered(road: Road, end: datetime) -> None:
    """Wait until no cuff and no thermometer keeps anything of before `end`, and the outbox has nothing unsent of then."""
    await eventually(lambda: not _kept(road, end), seconds=RECOVERY_SECONDS)
    await eventually(lambda: not unsent(road, end), seconds=RECOVERY_SECONDS)


def _made(road: Road) -> list[Made]:
    return read(road.state / LEDGER)[0]


def _kept(road: Road, end: datetime) -> list[Made]:
    """What a cuff or thermometer measured before `end` and nobody has confirmed."""
    made, heard = read(road.state / LEDGER)
    spot_checks = road.spot_checks
    return [entry for entry in made if entry.at < end and entry.device_id in spot_checks and entry.entry not in heard]


async def _is_ready(road: Road) -> bool:
    async with httpx.AsyncClient(base_url=road.hub) as client:
        try:
            return (await client.get("/health/ready")).status_code == 200
        except httpx.TransportError:
            return False


def _has_cuff_reading(road: Road, since: datetime) -> bool:
    return any(reading.measured >= since and reading.device_id.startswith("BP") for reading in record_of(road).readings)


def _outbox_flows(road: Road) -> bool:
    report = status.read(road.layout.gateway_state)
    if report is None or not status.is_current(report, datetime.now(UTC)) or not report.mqtt.connected:
        return False
    return (report.outbox.oldest_unsent_seconds or 0) < SETTLED_SECONDS
