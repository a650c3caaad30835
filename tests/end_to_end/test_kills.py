"""kill -9 of agent, broker, Redis and hub while readings flow: what a device was heard to say is not lost, and nothing takes effect twice."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest
import websockets

from edge_agent import status
from tests.end_to_end.faults import (
    RECOVERY_SECONDS,
    component,
    delivered,
    failing_checks,
    is_connected,
    is_ready,
    kill,
    nobody_commits,
    nurse,
    recovered,
    so_many_more_made,
)
from tests.end_to_end.ledger_of_road import record_of, repeated_effects, verdict_of, wrongly_acknowledged
from tests.end_to_end.outbox_of_road import gaps_of, lives_of, unsent
from tests.end_to_end.road import Road, start_road, stop_road
from tests.end_to_end.watching import Watcher, come_so_far, watchers, wrongly_seen
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
    async with watched(own_road, lives=3) as watching:
        for name in patiently:
            await so_many_more_made(own_road, random.randint(*BETWEEN))
            await kill(own_road, name)
            await recovered(own_road)
        for name in hastily:
            async with random.choice(watching).away():
                await so_many_more_made(own_road, random.randint(*BETWEEN))
            await kill(own_road, name)
        await recovered(own_road)
    record = record_of(own_road)
    assert len(record.readings) >= LEAST_READINGS
    assert len(record.alerts) >= LEAST_ALERTS


async def test_what_a_gateway_had_sent_and_not_been_told_of_is_recorded_once(own_road: Road):
    """The hub hangs, the gateway dies: the hub gets what the dead one sent, and all of it again from its successor (delivery rule 10)."""
    async with watched(own_road, lives=2):
        await recovered(own_road)
        with component(own_road, "hub").stopped():
            began = await lives_and_dies_untold(own_road)
            await eventually(lambda: is_connected(own_road, began), seconds=RECOVERY_SECONDS)
            await so_many_more_made(own_road, MANY)
        await recovered(own_road)


async def test_what_a_gateway_could_not_send_outlives_it(own_road: Road):
    """The broker hangs, the gateway dies: its successor finds the readings in the outbox, under the epoch of the dead (rule 1)."""
    async with watched(own_road, lives=2):
        await recovered(own_road)
        with component(own_road, "mosquitto").stopped():
            await lives_and_dies_untold(own_road)
        await recovered(own_road)


async def lives_and_dies_untold(road: Road) -> datetime:
    """The gateway takes in readings, which nobody acknowledges, and is killed; when it was."""
    await so_many_more_made(road, MANY)
    now = datetime.now(UTC)
    await kill(road, "agent")
    assert unsent(road, now) >= MANY / 2
    return now


async def test_a_hub_that_dies_before_its_commit_has_acknowledged_nothing(own_road: Road):
    """Somebody else writes to the record, the hub waits for its turn, and is killed (delivery rule 14)."""
    async with watched(own_road, lives=1):
        await recovered(own_road)
        with nobody_commits(own_road):
            await so_many_more_made(own_road, MANY)
            await kill(own_road, "hub")
        await recovered(own_road)


async def test_whoever_asks_is_told_that_redis_is_away_and_then_that_all_is_well(own_road: Road):
    async with pinged(own_road) as upstream:
        assert await upstream() == "ok"
        lost = asyncio.gather(says(upstream, "redis_lost"), eventually(lambda: failing_checks(own_road)))
        await kill(own_road, "redis-server")
        _, failing = await lost
        assert failing == {"live_rooms": "not followed"} | dict.fromkeys(failing.keys() & {"redis"}, "RoomsUnavailable")
        await says(upstream, "ok")
        await eventually(lambda: is_ready(own_road), seconds=RECOVERY_SECONDS)


async def test_whoever_asks_is_told_that_readings_are_not_taken_in_while_the_broker_is_away(own_road: Road):
    async with pinged(own_road) as upstream:
        before = status.read(own_road.layout.gateway_state)
        lost = asyncio.create_task(says(upstream, "ingest_lost"))
        await kill(own_road, "mosquitto")
        await lost
        await says(upstream, "ok")
        after = await eventually(lambda: connected_anew(own_road, before.mqtt.session), seconds=RECOVERY_SECONDS)
        assert after.since > before.mqtt.since


@asynccontextmanager
async def pinged(road: Road) -> AsyncIterator[Callable[[], Awaitable[str]]]:
    """A client that asks how the hub is: what the pong says of `upstream`."""
    async with websockets.connect(f"{road.live}/ws?token={road.token}") as socket:

        async def upstream() -> str:
            await socket.send(json.dumps({"type": "ping"}))
            while (message := json.loads(await socket.recv()))["type"] != "pong":
                pass
            return message["upstream"]

        yield upstream


async def says(upstream: Callable[[], Awaitable[str]], state: str) -> None:
    async def said() -> bool:
        return await upstream() == state

    await eventually(said, seconds=RECOVERY_SECONDS)


def connected_anew(road: Road, session: int) -> status.MqttReport | None:
    report = status.read(road.layout.gateway_state)
    return report.mqtt if report and report.mqtt.connected and report.mqtt.session > session else None


@asynccontextmanager
async def watched(road: Road, *, lives: int) -> AsyncIterator[list[Watcher]]:
    """Readings flow and clients watch. At the end nothing was lost, repeated or missed; the gateway had so many lives.

    Clients may be told of gaps, but here there is no need for any: all that a killed Redis had said is in its file.
    """
    async with watchers(road) as watching:
        async with nurse(road):
            yield list(watching.values())
        end = datetime.now(UTC)
        await delivered(road, end)
        record = record_of(road)
        await come_so_far(watching, record)
    verdict = verdict_of(road, record, gaps_of(road), until=end)
    told = [gap for watcher in watching.values() for room in watcher.rooms.values() for gap in room.gaps]
    print(
        f"{verdict.delivered} delivered, {len(record.alerts)} alerts, {sum(w.connections for w in watching.values())} connections"
    )
    assert (verdict.lost, verdict.duplicates) == ((), ())
    assert wrongly_acknowledged(road) == []
    assert repeated_effects(record) == []
    assert wrongly_seen(watching, record) == []
    assert told == []
    assert len(lives_of(road)) == lives
