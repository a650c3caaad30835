"""What an owner does when Redis has lost everything, has gone back in time, or was away: it finds out by itself and tells all of it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from redis.asyncio import Redis as Client

from bedside.services.redis import Redis, redis
from hub.ingest import publisher
from hub.record.schema import ownership
from hub.rooms.messages import Message, Position, Recovered, RoomAddress
from hub.rooms.rooms import Rooms
from tests.hub.ingest.support import (
    HOSPITAL,
    OXIMETER,
    PATIENT,
    entries,
    filled,
    gateway,
    ingesting,
    now,
    pressure,
    rows,
)
from tests.support.waiting import eventually
from vitals.parameters import Parameter, Vital
from vitals.readings import Reading, measured_value

pytestmark = pytest.mark.slow

VITALS, ALERTS = f"patient:{PATIENT}:vitals", f"patient:{PATIENT}:alerts"


@pytest.fixture
def mortal_redis(services_folder: Path, request: pytest.FixtureRequest) -> Iterator[Redis]:
    """A server of this test's own."""
    service = redis(services_folder / f"redis-{abs(hash(request.node.nodeid))}")
    service.start()
    yield service
    service.stop()


@pytest.fixture
async def client(redis_server: Redis) -> AsyncIterator[Client]:
    async with Client.from_url(redis_server.url) as opened:
        yield opened


@pytest.fixture
def road(sqlite_url, redis_server, mosquitto_server, tmp_path):
    """Starts an ingest on the services of this test, or on another Redis."""
    return lambda url=redis_server.url: ingesting(sqlite_url, url, mosquitto_server.port, tmp_path)


def saturation(spo2: int, seconds_ago: float = 0) -> Reading:
    at = now() - timedelta(seconds=seconds_ago)
    return Reading(
        data_type=Vital.SPO2,
        device=OXIMETER,
        values=(measured_value(Parameter.SPO2, spo2), measured_value(Parameter.OXIMETER_PULSE_RATE, 60)),
        measured=at,
        received=at,
        raw=b"",
    )


async def published(rooms: Rooms, n: int) -> str:
    """The stream epoch, as soon as the rooms are at N."""

    async def there() -> str | None:
        top = await rooms.top(HOSPITAL)
        return top.epoch if top is not None and top.n == n else None

    return await eventually(there)


async def messages(rooms: Rooms, name: str, epoch: str) -> tuple[Message, ...]:
    """All messages of a room in an epoch."""
    found = await rooms.read(RoomAddress(hospital_id=HOSPITAL, room=name), Position(epoch=epoch, offset=0))
    assert isinstance(found, Recovered)
    return found.messages


async def state_of(client: Client) -> dict[bytes, bytes]:
    return {key: await client.dump(key) for key in await client.keys("bedside:*")}


async def go_back(client: Client, saved: dict[bytes, bytes]) -> None:
    """As Redis is when it starts again from an older save."""
    async with client.pipeline(transaction=True) as restoring:
        restoring.flushall()
        for key, content in saved.items():
            restoring.restore(key, 0, content)
        await restoring.execute()


async def test_lost_keys_are_noticed_while_nothing_happens_and_each_time_a_new_epoch_begins(
    road, client, mosquitto_server
):
    """Delivery rules 18 and 23: the owner compares every two seconds, and every epoch is one never used before."""
    async with road() as (_, rooms, _), gateway(mosquitto_server.port) as one:
        await one.send(*entries([pressure(150, 95)]))
        await one.acknowledgement()
        epochs = [await published(rooms, 3)]
        for _ in range(3):
            await client.flushall()
            epochs.append(await published(rooms, 3))
        assert len(set(epochs)) == 4


async def test_a_redis_that_went_back_in_time_is_brought_forward_with_the_same_messages(road, client, mosquitto_server):
    """Delivery rules 19 and 23: what is published again has the same offsets and the same bytes, in the same epoch."""
    async with road() as (_, rooms, _), gateway(mosquitto_server.port) as one:
        await one.send(*entries([pressure(150, 95)]))
        await one.acknowledgement()
        epoch = await published(rooms, 3)
        saved = await state_of(client)
        await one.send(*entries([pressure(160, 100), pressure(120, 80)], first=2))
        await one.acknowledgement()
        assert await published(rooms, 8) == epoch
        before = [await messages(rooms, name, epoch) for name in (VITALS, ALERTS)]
        await go_back(client, saved)
        assert await published(rooms, 8) == epoch
        assert [await messages(rooms, name, epoch) for name in (VITALS, ALERTS)] == before
        assert [len(each) for each in before] == [3, 2]


async def test_an_alert_that_was_never_published_is_published_by_the_next_owner_of_an_empty_redis(
    road, mortal_redis, mosquitto_server
):
    """Delivery rule 22: the mark in SQL trails what is confirmed, and a new stream epoch starts from it."""
    async with gateway(mosquitto_server.port) as one:
        async with road(mortal_redis.url) as (record, rooms, _):
            await one.send(*entries([pressure(120, 80)]))
            await one.acknowledgement()
            await published(rooms, 2)
            await asyncio.to_thread(mortal_redis.kill)
            await one.send(*entries([pressure(150, 95)], first=2))
            await one.acknowledgement()
            await one.send(*entries([pressure(151, 96)], first=3))  # a later commit still knows what is unpublished
            await one.acknowledgement()
            row = next(row for row in await rows(record, ownership) if row["hospital_id"] == HOSPITAL)
            assert (row["n"], row["published_through"]) == (8, 2)
        await asyncio.to_thread(mortal_redis.start)
        async with Client.from_url(mortal_redis.url) as client:
            await client.flushall()
        async with road(mortal_redis.url) as (_, rooms, _):
            await published(rooms, 8)
            alerts = await filled(rooms, ALERTS, 2)
            assert [alert["repeat"] for _, alert in alerts] == [1, 2]


async def test_after_a_short_outage_of_redis_every_message_follows_in_its_epoch(road, mortal_redis, mosquitto_server):
    """Delivery rules 19 and 23: nothing is coalesced, and N advances by one."""
    async with road(mortal_redis.url) as (_, rooms, _), gateway(mosquitto_server.port) as one:
        await one.send(*entries([pressure(120, 80)]))
        await one.acknowledgement()
        epoch = await published(rooms, 2)
        await asyncio.to_thread(mortal_redis.kill)
        await one.send(*entries([pressure(120 + number, 80) for number in range(1, 101)], first=2))
        await one.acknowledgement()
        await asyncio.to_thread(mortal_redis.start)
        alerts = sum(120 + number > 140 for number in range(1, 101))
        final = await published(rooms, 202 + alerts)
        numbers = [message.n for message in await messages(rooms, VITALS, final)]
        assert numbers == sorted(set(numbers))
        assert len(numbers) == (101 if final == epoch else 100)


async def test_after_a_long_outage_only_the_latest_of_what_is_measured_continuously_is_told(
    road, client, mosquitto_server, monkeypatch
):
    """Delivery rule 19: that begins a new stream epoch. Alerts and spot checks are all told."""
    monkeypatch.setattr(publisher, "COALESCE_ABOVE", 20)
    async with road() as (_, rooms, _), gateway(mosquitto_server.port) as one:
        await one.send(*entries([pressure(120, 80)]))
        await one.acknowledgement()
        before = await published(rooms, 2)
        saved = await state_of(client)
        sent = [
            saturation(90),
            pressure(150, 95),
            *(saturation(90 + number) for number in range(1, 9)),
            pressure(120, 81),
        ]
        await one.send(*entries(sent, first=2))
        await one.acknowledgement()
        assert await published(rooms, 25) == before
        await go_back(client, saved)

        async def in_another_epoch() -> str | None:
            epoch = await published(rooms, 25)
            return epoch if epoch != before else None

        epoch = await eventually(in_another_epoch)
        shown = [msgspec.json.decode(message.data) for message in await messages(rooms, VITALS, epoch)]
        assert [(data.get("spo2"), "blood_pressure" in data) for data in shown] == [
            (None, True),
            (98, False),
            (None, True),
        ]
        assert len(await messages(rooms, ALERTS, epoch)) == 1
