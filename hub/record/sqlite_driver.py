"""SQLite for SQLAlchemy with one trip to the connection's thread a statement.

aiosqlite goes there and back to make a cursor, to execute, to fetch and to close it, and at each trip two threads change places; a
transaction of one reading took some forty, which were a third of its cost. Here a statement's rows come back with it, and a
transaction begins with its first statement, in the same trip (ADR 0013).
"""

import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final

import aiosqlite

BUSY_SECONDS: Final = 5
_LOOK_AGAIN_SECONDS: Final = 0.01
_ITER_CHUNK_SIZE: Final = 64
"""Which aiosqlite asks for: rows that are fetched at a time by iterating over its own cursors, which nothing here does."""
_PRAGMAS: Final = (
    f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA journal_size_limit=67108864",
)

Work = Callable[[sqlite3.Connection], None]


class Connection(aiosqlite.Connection):
    """One connection, in a thread of its own. `begin` is how its transactions begin."""

    def __init__(self, path: str, *, begin: str) -> None:
        super().__init__(partial(_opened, path), _ITER_CHUNK_SIZE)
        self._thread.daemon = True  # as SQLAlchemy has it for connections that it makes itself
        self._begin = begin
        self._has_begun = False

    def cursor(self) -> "Statement":  # type: ignore[override]
        return Statement(self)

    async def run(self, work: Work) -> None:
        """Do `work` in the thread and in the transaction, after its beginning where it is the first. Raises sqlite3.Error."""
        within = self._going_on if self._has_begun else self._beginning
        self._has_begun = True  # even if cancelled from here on: the thread does what it was given
        await self._execute(within, work)  # type: ignore[no-untyped-call]

    @classmethod
    async def open(cls, path: str, *, begin: str) -> "Connection":
        """A connection to the file. Raises sqlite3.Error."""
        connection = cls(path, begin=begin)
        await connection
        return connection

    async def commit(self) -> None:
        if self._has_begun:
            await self.run(sqlite3.Connection.commit)
            self._has_begun = False

    async def rollback(self) -> None:
        if self._has_begun:
            await super().rollback()
            self._has_begun = False

    def _beginning(self, work: Work) -> None:
        self._conn.execute(self._begin)
        work(self._conn)

    def _going_on(self, work: Work) -> None:
        # SQLite rolls back by itself when the disk is full, say: the rest must not be done alone, nor be "committed".
        if not self._conn.in_transaction:
            raise sqlite3.OperationalError("the transaction was rolled back")
        work(self._conn)


class Statement:
    """What SQLAlchemy takes for a cursor."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rows: Sequence[Any] = ()
        self.arraysize = 1
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    async def __aenter__(self) -> "Statement":
        return self

    async def execute(self, operation: str, parameters: Sequence[Any] = ()) -> "Statement":
        await self._connection.run(lambda connection: self._keep(connection.execute(operation, parameters)))
        return self

    async def executemany(self, operation: str, parameters: Iterable[Sequence[Any]]) -> "Statement":
        await self._connection.run(lambda connection: self._keep(connection.executemany(operation, parameters)))
        return self

    async def fetchall(self) -> Sequence[Any]:
        return self._rows

    async def close(self) -> None:
        pass

    def _keep(self, cursor: sqlite3.Cursor) -> None:
        self.description = cursor.description
        self._rows = cursor.fetchall() if cursor.description else ()
        self.rowcount, self.lastrowid = cursor.rowcount, cursor.lastrowid
        cursor.close()


def _opened(path: str) -> sqlite3.Connection:
    """Ready, with transactions that only `Connection` begins."""
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in _PRAGMAS:
        _set(connection, pragma)
    return connection


def _set(connection: sqlite3.Connection, pragma: str) -> None:
    """Set it, also while others make the file: for the change to WAL SQLite does not wait by itself, whatever `busy_timeout` says."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute(pragma)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_LOOK_AGAIN_SECONDS)
        else:
            return
