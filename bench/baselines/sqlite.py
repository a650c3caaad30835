"""SQLite alone: the rows that the hub wrote, written again by the standard library, into the same tables with the same durability."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

ROWS_A_TRANSACTION: Final = 500


def schema_of(record: Path) -> list[str]:
    """The statements that make the table `readings` and its indices."""
    with closing(sqlite3.connect(f"file:{record}?mode=ro", uri=True)) as source:
        found = source.execute("SELECT sql FROM sqlite_master WHERE tbl_name = 'readings' ORDER BY type DESC")
        return [sql for (sql,) in found]


def empty_database(path: Path, schema: Sequence[str]) -> sqlite3.Connection:
    """WAL and FULL, as the hub's record."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    for statement in schema:
        connection.execute(statement)
    return connection


def insert_all(connection: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows of `readings`, ROWS_A_TRANSACTION a transaction."""
    statement = f"INSERT INTO readings VALUES ({', '.join('?' * len(rows[0]))})"  # noqa: S608 - question marks
    for first in range(0, len(rows), ROWS_A_TRANSACTION):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(statement, rows[first : first + ROWS_A_TRANSACTION])
        connection.execute("COMMIT")
