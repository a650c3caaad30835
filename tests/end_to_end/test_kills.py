"""kill -9 of agent, broker, Redis and hub while readings flow: what a device was heard to say is not lost, and nothing takes effect twice."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest

from tests.end_to_end.faults import (
    RECOVERY_SECONDS,
    delivered,
    is_connected,
    kill,
    nobody_commits,
    nurse,
    recovered,
    so_many_more_made,
)
from tests.end_to_end.ledger_of_road import (
    gaps_of,
    in_hand_of,
    record_of,
    repeated_effects,
    unsent,
    verdict_of,
    wrongly_acknowledged,
)
from tests.end_to_end.road import Road, start_road, stop_road
from tests.end_to_end.watching import come_so_far, watchers, wrongly_seen
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

COMPONENTS = ("agent", "mosquitto", "redis-server", "hub")
BETWEEN = (10, 40)  # readings from one kill to the next
MANY = 20
LEAST_READINGS = 200
LEAST_ALERTS = 50


@pytest.fixture
async def own_road(tmp_path: Path) -> AsyncIterator[Road]:
    """A demo of the test's own, because it will not be the same after."""
    running = await asyncio.to_thread(start_road, tmp_path / "s")
    yield running
    await asyncio.to_thread(stop_road, running)


@pytest.fixture
def random() -> Random:
    """Seeded by BEDSIDE_KILL_SEED, else by chance; the seed is printed, so that a failure can be had again."""
    seed = os.environ.get("BEDSIDE_KILL_SEED") or str(int.from_bytes(os.urandom(4)))
    print(f"BEDSIDE_KILL_SEED={seed}")
    return Random(seed)


async def test_each_component_is_killed_twice_and_nothing_is_lost_or_repeated(own_road: Road, random: Random):
    """Once each with time to recover, then once each as soon as the one before is back, in orders of chance."""
    patiently, hastily = random.sample(COMPONENTS, 4), random.sample(COMPONENTS, 4)
    print("killed:", *patiently, "| hastily:", *hastily)
    async with watched(own_road, lives=3):
        for name in patiently:
            await so_many_more_made(own_road, random.randint(*BETWEEN))
            await kill(own_road, name)
            await recovered(own_road)
        for name in hastily:
            await so_many_more_made(own_road, random.randint(*BETWEEN))
            await kill(own_road, name)
        await recovered(own_road)
    record = record_of(own_road)
    assert len(record.readings) >= LEAST_READINGS
    assert len(record.alerts) >= LEAST_ALERTS


async def test_what_a_gateway_had_sent_and_not_been_told_of_outlives_it_and_is_recorded_once(own_road: Road):
    """The hub hangs, the gateway dies: the hub gets what the dead one sent, and all of it again from its successor (delivery rule 10)."""
    async with watched(own_road, lives=2):
        await recovered(own_road)
        hub = own_road.component("hub")
        assert hub is not None
        with hub.stopped():
            await so_many_more_made(own_road, MANY)
            began = datetime.now(UTC)
            await kill(own_road, "agent")
            assert unsent(own_road, began) >= MANY / 2
            await eventually(lambda: is_connected(own_road, began), seconds=RECOVERY_SECONDS)
            await so_many_more_made(own_road, MANY)
        await recovered(own_road)


async def test_a_hub_that_dies_before_its_commit_has_acknowledged_nothing(own_road: Road):
    """Somebody else writes to the record, the hub waits for its turn, and is killed (delivery rule 14)."""
    async with watched(own_road, lives=1):
        await recovered(own_road)
        with nobody_commits(own_road):
            await so_many_more_made(own_road, MANY)
            await kill(own_road, "hub")
        await recovered(own_road)


@asynccontextmanager
async def watched(road: Road, *, lives: int) -> AsyncIterator[None]:
    """Readings flow and clients watch. At the end nothing was lost, repeated or silently missed; the gateway had so many lives."""
    async with watchers(road) as watching:
        async with nurse(road):
            yield
        end = datetime.now(UTC)
        await delivered(road, end)
        record = record_of(road)
        await come_so_far(watching, record)
    gaps = gaps_of(road)
    verdict = verdict_of(road, record, gaps, until=end)
    told = sum(len(room.gaps) for watcher in watching.values() for room in watcher.rooms.values())
    in_hand = in_hand_of(road, record, until=end)
    print(
        f"{verdict.delivered} delivered, {len(record.alerts)} alerts, {told} gaps told, {len(in_hand)} in a dead gateway's hand"
    )
    assert (verdict.lost, verdict.duplicates) == ((), ())
    assert wrongly_acknowledged(road) == []
    assert repeated_effects(record) == []
    assert wrongly_seen(watching, record) == []
    assert len(gaps) == lives - 1
    assert len(in_hand) <= len(gaps)
