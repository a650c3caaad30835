"""Load for fault tests, kills, and when a road has recovered from one."""

import asyncio
import itertools
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from datetime import UTC, datetime

import httpx

from edge_agent import status
from simulators.ledger import Made, read
from simulators.places import LEDGER
from tests.end_to_end.ledger_of_road import record_of
from tests.end_to_end.outbox_of_road import unsent
from tests.end_to_end.road import Road
from tests.support.processes import Process
from tests.support.waiting import eventually

RECOVERY_SECONDS = 40
MEASURE_EVERY_SECONDS = 0.15  # one bed after the other: a load, not a wait
SETTLED_SECONDS = 2.0


@asynccontextmanager
async def nurse(road: Road) -> AsyncIterator[None]:
    """Cuffs in turn measure, each time something that was never measured before; the DF8's finger changes as often."""
    gone = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_work(road, gone), name="nurse")
        try:
            yield
        finally:
            gone.set()


async def _work(road: Road, gone: asyncio.Event) -> None:
    cuffs = [name for name in sorted(road.spot_checks) if name.startswith("BP")]
    for turn, cuff in enumerate(itertools.cycle(cuffs)):
        if gone.is_set():
            return
        pressures = {"systolic": 100 + turn % 90, "diastolic": 60 + turn % 50}
        await road.order(do="measure", device_id=cuff, **pressures, pulse_rate=40 + turn)
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


def component(road: Road, name: str) -> Process:
    """A component that runs."""
    found = road.component(name)
    assert found is not None, f"{name} does not run"
    return found


@contextmanager
def nobody_commits(road: Road) -> Iterator[None]:
    """Another process holds the record's write lock."""
    with closing(sqlite3.connect(road.layout.record, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        yield
        database.execute("ROLLBACK")


def is_connected(road: Road, since: datetime) -> bool:
    """Whether an agent that reported after `since` is at the broker."""
    report = status.read(road.layout.gateway_state)
    return report is not None and report.at >= since and report.mqtt.connected


async def recovered(road: Road) -> None:
    """Wait until a cuff's reading that was made after now is recorded, the hub says that it is ready, and the outbox is all but empty."""
    now = datetime.now(UTC)
    await eventually(lambda: is_ready(road), seconds=RECOVERY_SECONDS)
    await eventually(lambda: _has_cuff_reading(road, now), seconds=RECOVERY_SECONDS)
    await eventually(lambda: is_connected(road, now) and _outbox_flows(road), seconds=RECOVERY_SECONDS)


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


async def is_ready(road: Road) -> bool:
    """Whether the hub answers that all it needs answers."""
    return await _checks(road) == {}


async def failing_checks(road: Road) -> dict[str, str] | None:
    """What the hub says that it lacks; None where it lacks nothing or does not answer."""
    return await _checks(road) or None


async def _checks(road: Road) -> dict[str, str] | None:
    async with httpx.AsyncClient(base_url=road.hub) as client:
        try:
            answer = await client.get("/health/ready")
        except httpx.TransportError:
            return None
    failing = {name: said for name, said in answer.json()["checks"].items() if said != "ok"}
    assert (answer.status_code == 200) is not bool(failing)
    return failing


def _has_cuff_reading(road: Road, since: datetime) -> bool:
    return any(reading.measured >= since and reading.device_id.startswith("BP") for reading in record_of(road).readings)


def _outbox_flows(road: Road) -> bool:
    report = status.read(road.layout.gateway_state)
    return report is not None and (report.outbox.oldest_unsent_seconds or 0) < SETTLED_SECONDS
