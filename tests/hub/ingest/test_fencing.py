"""Owners that lose commits, leases and each other, on a real broker, a real Redis and both databases: no effect twice, no word too early."""

import asyncio

import msgspec
import pytest
from sqlalchemy import update

from hub.ingest.owner import IDLE_SECONDS
from hub.record.ownership import Lease
from hub.record.record import Record
from hub.record.schema import episodes, losses, ownership, readings, record_meta
from hub.registry_file import RegistryFile, apply_registry
from tests.hub.ingest.support import (
    CUFF,
    HOSPITAL,
    PATIENT,
    REGISTRY,
    Gateway,
    count,
    entries,
    filled,
    gateway,
    ingesting,
    pressure,
    rows,
)
from tests.hub.ingest.tripwire import commits_refused
from tests.support.waiting import eventually
from vitals.envelope import Acknowledgement, Greeting, ReadingEntry, RejectionReason

pytestmark = pytest.mark.slow

ALERTS = f"patient:{PATIENT}:alerts"


async def owned(record: Record) -> dict:
    """The row that says who owns the hospital."""
    return next(row for row in await rows(record, ownership) if row["hospital_id"] == HOSPITAL)


async def end_lease(record: Record) -> None:
    """As if its owner had been paused for longer than it lasts."""
    async with record.engine.writing() as connection:
        here = ownership.c.hospital_id == HOSPITAL
        await connection.execute(update(ownership).where(here).values(lease_ends=0.0))


async def taken_over(record: Record) -> Lease:
    """The lease in another's hands, whatever its owner believes."""
    other = Lease(record.engine, HOSPITAL, owner="another", seconds=60)

    async def won() -> bool:
        await end_lease(record)
        return await other.take()

    await eventually(won)
    return other


async def heard_until_token(one: Gateway, token: int) -> list[Acknowledgement | Greeting]:
    """All that the gateway hears up to the greeting of an owner after the one with `token`."""
    heard: list[Acknowledgement | Greeting] = []
    async with asyncio.timeout(10):
        while True:
            heard.append(await one.heard.get())
            if isinstance(heard[-1], Greeting) and heard[-1].token > token:
                return heard


@pytest.fixture
def road(database_url, redis_server, mosquitto_server, tmp_path):
    """Starts an ingest under a name, on the services of this test."""
    return lambda name="hub-1": ingesting(database_url, redis_server.url, mosquitto_server.port, tmp_path, name=name)


async def test_a_commit_that_failed_is_never_acknowledged_and_leaves_nothing_in_memory(road, mosquitto_server):
    """Delivery rules 12 and 14: no word before the commit, and alert state is what is recorded, not what was about to be."""
    sent = entries([pressure(150, 95)])
    async with road() as (record, rooms, _), gateway(mosquitto_server.port) as one:
        async with commits_refused(record):
            token = (await owned(record))["token"]
            await one.send(*sent)
            heard = await heard_until_token(one, token)
            assert not [word for word in heard if isinstance(word, Acknowledgement)]
            assert heard[-1].committed == {}
        assert (await count(record, readings), await count(record, episodes)) == (0, 0)
        await one.send(*sent)
        assert (await one.acknowledgement()).committed == [(1, 1)]
        ((_, alert),) = await filled(rooms, ALERTS, 1)
        assert alert["repeat"] == 1
        assert (await count(record, readings), await count(record, episodes)) == (1, 1)


async def test_what_another_owner_did_meanwhile_is_known_when_the_lease_comes_back(road, mosquitto_server):
    """Delivery rule 12: memory is loaded after each winning of the token, not kept from an earlier reign."""
    async with road() as (record, rooms, ingest), gateway(mosquitto_server.port) as one:
        await one.send(*entries([pressure(150, 95)]))
        await one.acknowledgement()
        other = await taken_over(record)
        async with other.transaction() as tenure:  # the episode goes on under the other owner
            await tenure.connection.execute(update(episodes).values(repeats=7))
        await eventually(lambda: ingest.alive_at is None)
        await other.release()
        await eventually(lambda: ingest.alive_at)
        await one.send(*entries([pressure(152, 97)], first=2))
        await one.acknowledgement()
        alerts = [alert for _, alert in await filled(rooms, ALERTS, 2)]
        assert [alert["repeat"] for alert in alerts] == [1, 8]
        assert len({alert["episode_id"] for alert in alerts}) == 1


async def test_an_idle_owner_keeps_its_lease(road):
    """Delivery rule 13: it renews by a fenced write."""
    async with road() as (record, _, _):
        for _ in range(2):
            before = (await owned(record))["lease_ends"]

            async def renewed(before: float = before) -> bool:
                return (await owned(record))["lease_ends"] > before

            await eventually(renewed, seconds=2 * IDLE_SECONDS)


async def test_an_idle_owner_that_lost_its_lease_steps_down_and_comes_back(road, mosquitto_server):
    """Delivery rules 11 and 13: it finds out by itself, says nothing more, and begins anew when it may."""
    async with road() as (record, _, ingest), gateway(mosquitto_server.port) as one:
        other = await taken_over(record)
        await eventually(lambda: ingest.alive_at is None, seconds=3 * IDLE_SECONDS)
        await one.send(*entries([pressure(120, 80)]))
        token = other.fence.token
        await other.release()
        heard = await heard_until_token(one, token)
        assert heard[-1].token == token + 1
        assert not [word for word in heard if isinstance(word, Acknowledgement)]
        assert await count(record, readings) == 0
        await one.send(*entries([pressure(120, 80)]))
        assert (await one.acknowledgement()).token == token + 1


async def test_a_newer_record_epoch_ends_every_reign_and_begins_a_new_stream(road, mosquitto_server):
    """Delivery rules 5, 6 and 20: acknowledgements and rooms are of the record epoch that is in force."""
    async with road() as (record, rooms, _), gateway(mosquitto_server.port) as one:
        await one.send(*entries([pressure(120, 80)]))
        assert (await one.acknowledgement()).record_epoch == 1
        await eventually(lambda: published(rooms, 2))
        before = await rooms.top(HOSPITAL)
        async with record.engine.writing() as connection:
            await connection.execute(update(record_meta).values(record_epoch=2))
        await eventually(lambda: in_epoch(rooms, 2))
        after = await rooms.top(HOSPITAL)
        assert after.epoch != before.epoch
        await one.send(*entries([pressure(121, 81)], first=2))
        assert (await one.acknowledgement()).record_epoch == 2


async def published(rooms, n: int) -> bool:
    top = await rooms.top(HOSPITAL)
    return top is not None and top.n == n


async def in_epoch(rooms, record_epoch: int) -> bool:
    top = await rooms.top(HOSPITAL)
    return top is not None and top.record_epoch == record_epoch


async def test_a_rejection_is_final_also_when_its_reason_is_gone(road, mosquitto_server):
    """Delivery rule 9: decided in the transaction and stored, it is the same to every later owner."""
    unknown = msgspec.structs.replace(CUFF, device_id="BP-404")
    entry = ReadingEntry(sequence=1, reading=pressure(150, 95, device=unknown))
    async with gateway(mosquitto_server.port) as one:
        async with road() as (record, _, _):
            await one.send(entry)
            assert [word.reason for word in (await one.acknowledgement()).rejected] == [RejectionReason.UNKNOWN_DEVICE]
            known = [{"type": unknown.device_type, "id": unknown.device_id, "gateway": "gw-1", "patient": PATIENT}]
            registered = {"devices": known, **{n: getattr(REGISTRY, n) for n in ("hospitals", "patients", "gateways")}}
            await apply_registry(record.engine, msgspec.convert(registered, RegistryFile, from_attributes=True))
        async with road("hub-2") as (record, _, _):
            await one.send(entry, *entries([pressure(150, 95, device=unknown)], first=2))
            answer = await one.acknowledgement()
            assert answer.committed == [(2, 2)]
            assert [(word.sequence, word.reason) for word in answer.rejected] == [(1, RejectionReason.UNKNOWN_DEVICE)]
            assert (await count(record, readings), await count(record, losses)) == (1, 0)
