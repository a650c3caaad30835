"""SQLite's connections: one trip a statement, a transaction from the first statement on, and never the rest of one alone."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.record.sqlite_driver import Connection, Statement


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncIterator[Connection]:
    opened = await Connection.open(str(tmp_path / "record.db"), begin="BEGIN IMMEDIATE")
    await opened.cursor().execute("CREATE TABLE said (n INTEGER PRIMARY KEY, word TEXT)")
    await opened.commit()
    yield opened
    await opened.close()


async def asked(connection: Connection, sql: str) -> list[tuple[object, ...]]:
    statement = await connection.cursor().execute(sql)
    return [*await statement.fetchall()]


async def test_a_statement_brings_its_rows_and_what_it_changed(connection: Connection):
    statement = await connection.cursor().execute("INSERT INTO said (word) VALUES (?) RETURNING word", ("one",))
    assert await statement.fetchall() == [("one",)]
    assert statement.lastrowid == 1
    many = await Statement(connection).executemany("INSERT INTO said (word) VALUES (?)", [("two",), ("three",)])
    assert (many.rowcount, many.description, await many.fetchall()) == (2, None, ())
    found = await connection.cursor().execute("SELECT n, word FROM said")
    assert [name for name, *_ in found.description] == ["n", "word"]
    assert [word for _, word in await found.fetchall()] == ["one", "two", "three"]


async def test_each_statement_is_one_trip_to_the_thread(connection: Connection, monkeypatch: pytest.MonkeyPatch):
    trips: list[object] = []
    execute = connection._execute
    monkeypatch.setattr(connection, "_execute", lambda *work: trips.append(work) or execute(*work))
    statement = await connection.cursor().__aenter__()  # as SQLAlchemy's adapter does it
    await statement.execute("SELECT 1")
    await statement.fetchall()
    await statement.close()
    await connection.commit()
    await connection.rollback()  # nothing to take back: as the pool asks when a connection returns
    assert len(trips) == 2


async def test_a_transaction_begins_with_its_first_statement_and_keeps_others_out(
    connection: Connection, tmp_path: Path
):
    with sqlite3.connect(tmp_path / "record.db", timeout=0, isolation_level=None) as other:
        await asked(connection, "SELECT 1")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("INSERT INTO said (word) VALUES ('other')")
        await connection.commit()
        other.execute("INSERT INTO said (word) VALUES ('other')")
    assert await asked(connection, "SELECT word FROM said") == [("other",)]


async def test_what_is_left_of_a_transaction_that_was_rolled_back_is_not_done(connection: Connection):
    await asked(connection, "INSERT INTO said (word) VALUES ('first')")
    await connection._execute(connection._conn.execute, "ROLLBACK")  # as SQLite does by itself on a full disk
    with pytest.raises(sqlite3.OperationalError, match="rolled back"):
        await asked(connection, "INSERT INTO said (word) VALUES ('second')")
    with pytest.raises(sqlite3.OperationalError, match="rolled back"):
        await connection.commit()
    await connection.rollback()
    assert await asked(connection, "SELECT * FROM said") == []


async def test_who_is_cancelled_within_a_statement_can_still_roll_it_back(connection: Connection):
    slow = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 300000) INSERT INTO said SELECT x, '' FROM c"
    writing = asyncio.create_task(connection.cursor().execute(slow))
    await asyncio.sleep(0.01)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    await connection.rollback()
    assert await asked(connection, "SELECT count(*) FROM said") == [(0,)]
