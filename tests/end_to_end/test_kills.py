"""kill -9 of agent, broker, Redis and hub while readings flow: what a device was heard to say is not lost, and nothing takes effect twice."""

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest

from tests.end_to_end.faults import delivered, kill, nurse, recovered, so_many_more_made
from tests.end_to_end.ledger_of_road import gaps_of, in_hand, record_of, repeated_effects, verdict_of
from tests.end_to_end.road import Road, start_road, stop_road
from tests.end_to_end.watching import come_so_far, watchers, wrongly_seen

pytestmark = pytest.mark.slow

COMPONENTS = ("agent", "mosquitto", "redis-server", "hub")
BETWEEN = (10, 40)  # readings
LEAST_DELIVERED = 150
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
    async with watchers(own_road) as watching:
        async with nurse(own_road):
            for name in patiently:
                await so_many_more_made(own_road, random.randint(*BETWEEN))
                await kill(own_road, name)
                await recovered(own_road)
            for name in hastily:
                await so_many_more_made(own_road, random.randint(*BETWEEN))
                await kill(own_road, name)
            await recovered(own_road)
        end = datetime.now(UTC)
        await delivered(own_road, end)
        record = record_of(own_road)
        await come_so_far(watching, record)
    gaps = gaps_of(own_road)
    verdict = verdict_of(own_road, record, gaps, until=end)
    told = sum(len(room.gaps) for watcher in watching.values() for room in watcher.rooms.values())
    print(
        f"{verdict.delivered} delivered, {len(record.alerts)} alerts, {told} gaps told to clients, {len(gaps)} of the gateway"
    )
    assert (verdict.lost, verdict.duplicates) == ((), ())
    assert repeated_effects(record) == []
    assert wrongly_seen(watching, record) == []
    assert verdict.delivered >= LEAST_DELIVERED
    assert len(record.alerts) >= LEAST_ALERTS
    assert len(gaps) == patiently.count("agent") + hastily.count("agent")
    assert len(in_hand(own_road, record, until=end)) <= len(gaps)
