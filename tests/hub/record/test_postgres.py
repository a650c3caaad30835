"""A PostgreSQL that is killed and comes back: the record goes on without being opened again."""

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bedside.services.postgres import Postgres, postgres
from bedside.services.process import ServiceFailed
from hub.errors import RecordUnavailable
from hub.record.ownership import Lease, standing
from hub.record.record import Record
from hub.record.schema import hospitals
from tests.hub.record.conftest import now
from tests.support.waiting import eventually


@pytest.fixture
def mortal(services_folder: Path) -> Iterator[Postgres]:
    """A server of this test's own."""
    service = postgres(services_folder / f"mortal-{secrets.token_hex(4)}")
    service.start()
    yield service
    service.stop()


async def insert_hospital(connection: AsyncConnection, hospital_id: str) -> None:
    await connection.execute(insert(hospitals).values(hospital_id=hospital_id, name="One", zone="UTC"))


async def add_hospital(record: Record, hospital_id: str) -> None:
    async with record.engine.writing() as connection:
        await insert_hospital(connection, hospital_id)


async def hospital_count(record: Record) -> int | None:
    async with record.engine.reading() as connection:
        return await connection.scalar(select(func.count()).select_from(hospitals))


async def start(service: Postgres) -> None:
    """A server that was killed refuses to start until the last of its children has gone."""

    async def started() -> bool:
        with suppress(ServiceFailed):
            await asyncio.to_thread(service.start)
            return True
        return False

    await eventually(started, seconds=30)


async def test_what_was_committed_is_there_after_a_kill_and_what_was_not_is_not(mortal: Postgres):
    record = await Record.open(mortal.url(), clock=now)
    owner = Lease(record.engine, "h1", owner="one", seconds=60)
    await owner.take()
    await add_hospital(record, "h1")

    async def killed_within() -> None:
        async with owner.transaction() as tenure:
            tenure.n = 5
            await insert_hospital(tenure.connection, "h2")
            await asyncio.to_thread(mortal.kill)

    with pytest.raises(RecordUnavailable):
        await killed_within()
    for attempt in (record.ping, lambda: hospital_count(record), lambda: add_hospital(record, "h3"), owner.take):
        with pytest.raises(RecordUnavailable):
            await attempt()
    await start(mortal)
    assert await hospital_count(record) == 1
    assert await standing(record.engine, "h1") == (0, 0)
    async with owner.transaction() as tenure:
        tenure.n = 1
    await add_hospital(record, "h3")
    assert (await hospital_count(record), await standing(record.engine, "h1")) == (2, (1, 0))
    await record.close()


async def test_connections_that_died_unseen_trouble_nobody(mortal: Postgres):
    """After a restart nobody saw, the pool's connections are dead; each is found so before it is used."""
    record = await Record.open(mortal.url(), clock=now)
    await asyncio.gather(*(hospital_count(record) for _ in range(5)))
    await asyncio.to_thread(mortal.kill)
    await start(mortal)
    assert await asyncio.gather(*(hospital_count(record) for _ in range(5))) == [0] * 5
    await add_hospital(record, "h1")
    await record.close()


async def test_a_server_that_is_not_there_is_an_error_of_ours(mortal: Postgres):
    url = mortal.url()
    await asyncio.to_thread(mortal.stop)
    with pytest.raises(RecordUnavailable):
        await Record.open(url, clock=now)
