"""The contract of both engines: who may write when, what a reader sees, and what an error says."""

import asyncio
import time
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.errors import ConfigurationError, RecordUnavailable
from hub.record.engine import Engine
from hub.record.record import Record
from hub.record.schema import hospitals, patients, record_meta

WAIT_SECONDS = 10
UNTIL_CERTAIN_SECONDS = 0.3
"""How long something is watched that must not happen."""


async def add_hospital(connection: AsyncConnection, hospital_id: str, name: str = "One") -> None:
    await connection.execute(insert(hospitals).values(hospital_id=hospital_id, name=name, zone="UTC"))


async def hospital_count(engine: Engine) -> int | None:
    async with engine.reading() as connection:
        return await connection.scalar(select(func.count()).select_from(hospitals))


@pytest.mark.parametrize(
    "address",
    [
        "mysql+aiomysql://hub:a-password@localhost/record",
        "postgresql://hub:a-password@localhost/record",
        "postgresql+asyncpg://hub:a-password@localhost/record",
        "sqlite:///record.sqlite3",
        "oracle://hub:a-password@localhost",
        "no-such-database://hub:a-password@localhost",
        "postgresql+psycopg://hub:a-password@localhost:a-password/record",
        "hub:a-password",
        "",
        "sqlite+aiosqlite://",
        "sqlite+aiosqlite:///:memory:",
        "sqlite+aiosqlite:////tmp/record.sqlite3?mode=ro",
    ],
)
def test_an_address_that_is_not_supported_is_refused_and_its_password_not_repeated(address: str):
    with pytest.raises(ConfigurationError, match="database_url") as refusal:
        Engine(address)
    assert "a-password" not in str(refusal.value)


def test_a_file_in_no_folder_is_refused_with_the_folders_name(tmp_path: Path):
    with pytest.raises(ConfigurationError, match=f"no folder {tmp_path / 'nowhere'}"):
        Engine(f"sqlite+aiosqlite:///{tmp_path / 'nowhere' / 'record.sqlite3'}")


async def test_sqlite_keeps_a_log_is_durable_and_holds_foreign_keys_on_every_connection(sqlite_url: str):
    engine = Engine(sqlite_url)
    for transaction in (engine.writing, engine.reading):
        async with transaction() as connection:
            said = [
                (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar_one()
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            ]
            assert said == ["wal", 2, 1, 5000]
    await engine.close()


async def test_postgresql_ends_what_sits_idle_waits_for_a_lock_or_runs_too_long(postgres_url: str):
    """Delivery rule 11: the server's time-outs end an older owner's transaction."""
    engine = Engine(postgres_url)
    for transaction in (engine.writing, engine.reading):
        async with transaction() as connection:
            names = ("idle_in_transaction_session_timeout", "lock_timeout", "statement_timeout")
            assert [await connection.scalar(text(f"SHOW {name}")) for name in names] == ["10s", "5s", "10s"]
    await engine.close()


async def test_a_row_that_is_locked_is_changed_by_one_writer_at_a_time(record: Record, other: Engine):
    """Two processes, eight writers each: no change is lost."""

    async def add_one(engine: Engine) -> None:
        async with engine.writing() as connection:
            value = await connection.scalar(select(record_meta.c.record_epoch).with_for_update())
            await connection.execute(update(record_meta).values(record_epoch=value + 1))

    await asyncio.gather(*(add_one(engine) for engine in (record.engine, other) for _ in range(8)))
    async with record.engine.reading() as connection:
        assert await connection.scalar(select(record_meta.c.record_epoch)) == 17


async def test_sqlite_has_one_writer_at_a_time(sqlite_url: str):
    record, other = await Record.open(sqlite_url, clock=None), Engine(sqlite_url)

    async def write(engine: Engine) -> None:
        async with engine.writing() as connection:
            await engine.now(connection)

    async with record.engine.writing() as connection:
        await record.engine.now(connection)
        waiting = {asyncio.create_task(write(engine)) for engine in (record.engine, other)}
        done, _ = await asyncio.wait(waiting, timeout=UNTIL_CERTAIN_SECONDS)
        assert not done
    await asyncio.wait_for(asyncio.gather(*waiting), WAIT_SECONDS)
    await other.close()
    await record.close()


async def test_processes_that_start_do_so_one_after_the_other(record: Record, other: Engine):
    inside: list[str] = []

    async def start(engine: Engine, name: str) -> None:
        async with engine.writing_alone() as connection:
            inside.append(name)
            await add_hospital(connection, name)
            inside.append(name)

    await asyncio.wait_for(asyncio.gather(start(record.engine, "a"), start(other, "b")), WAIT_SECONDS)
    assert inside in (["a", "a", "b", "b"], ["b", "b", "a", "a"])


async def test_readers_see_what_is_committed_and_nothing_else(record: Record, other: Engine):
    async with record.engine.writing() as connection:
        await add_hospital(connection, "h1")
        assert await asyncio.wait_for(hospital_count(other), WAIT_SECONDS) == 0
        assert await asyncio.wait_for(hospital_count(record.engine), WAIT_SECONDS) == 0
    assert await hospital_count(other) == 1
    assert await hospital_count(record.engine) == 1


async def test_a_reader_sees_one_state_from_its_first_statement_to_its_last(record: Record, other: Engine):
    """Else what is derived from two tables could lack a message of the first that is older than one of the second."""
    count = select(func.count()).select_from(hospitals)
    async with other.reading() as reader:
        assert await reader.scalar(count) == 0
        async with record.engine.writing() as connection:
            await add_hospital(connection, "h1")
        assert await reader.scalar(count) == 0
    assert await hospital_count(other) == 1


async def test_a_block_that_fails_changes_nothing_and_its_error_comes_through(record: Record):
    async def fail() -> None:
        async with record.engine.writing() as connection:
            await add_hospital(connection, "h1")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await hospital_count(record.engine) == 0


async def test_a_cancelled_block_changes_nothing_and_the_next_one_goes_on(record: Record):
    inside = asyncio.Event()

    async def write() -> None:
        async with record.engine.writing() as connection:
            await add_hospital(connection, "h1")
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(write())
    await asyncio.wait_for(inside.wait(), WAIT_SECONDS)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with record.engine.writing() as connection:
        await add_hospital(connection, "h2")
    assert await hospital_count(record.engine) == 1


async def test_writers_that_are_cancelled_at_any_instant_leave_nothing_locked(sqlite_url: str):
    """Also while what they raised is still referred to: one lock that stays is the end of all writing."""
    record, chance, raised = await Record.open(sqlite_url, clock=None), Random(1), []

    async def write() -> None:
        while True:
            async with record.engine.writing() as connection:
                value = (await connection.execute(select(record_meta.c.record_epoch))).scalar_one()
                await connection.execute(update(record_meta).values(record_epoch=value + 1))

    for _ in range(60):
        writers = [asyncio.create_task(write()) for _ in range(2)]
        await asyncio.wait(writers, timeout=chance.uniform(0, 0.02))
        for writer in writers:
            writer.cancel()
        raised += await asyncio.gather(*writers, return_exceptions=True)
        async with asyncio.timeout(2), record.engine.writing() as connection:
            await connection.execute(update(record_meta).values(record_epoch=1))
    assert {type(error) for error in raised} == {asyncio.CancelledError}
    await record.close()


@pytest.mark.parametrize("statement", ["SELECT * FROM no_such_table", "no SQL at all"])
async def test_what_the_database_refuses_is_an_error_of_ours(record: Record, statement: str):
    for transaction in (record.engine.writing, record.engine.reading):
        with pytest.raises(RecordUnavailable):
            async with transaction() as connection:
                await connection.execute(text(statement))


async def test_a_refused_row_undoes_the_whole_block_and_names_no_patient(record: Record):
    known = {"patient_id": "p1", "name": "Ada Secret", "record_number": "4711", "age_group": "adult"}

    async def write() -> None:
        async with record.engine.writing() as connection:
            await add_hospital(connection, "h1")
            await connection.execute(insert(patients).values(hospital_id="none", **known))

    with pytest.raises(RecordUnavailable) as refusal:
        await write()
    assert await hospital_count(record.engine) == 0
    said = f"{refusal.value} {refusal.value.__cause__}"
    assert "Ada Secret" not in said
    assert "4711" not in said


async def test_the_clock_is_the_databases_and_goes_on_within_a_transaction(record: Record):
    before = time.time()
    async with record.engine.writing() as connection:
        first = await record.engine.now(connection)
        second = await record.engine.now(connection)
        while second == first:
            second = await record.engine.now(connection)
    assert before - 0.01 <= first < second <= time.time() + 0.01


async def test_a_closed_engine_lets_the_file_go(sqlite_url: str):
    record = await Record.open(sqlite_url, clock=None)
    await record.close()
    path = Path(sqlite_url.removeprefix("sqlite+aiosqlite:///"))
    assert not path.with_name(f"{path.name}-wal").exists()
