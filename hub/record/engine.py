"""Connections to the record: one writer and many readers on SQLite, a pool on PostgreSQL; the database's own clock.

Driver errors are translated here and nowhere else: callers see RecordUnavailable. Statements' parameters are patients' data: they
stand in no error and no log.
"""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, event, func, literal_column, make_url, select, text
from sqlalchemy.exc import DBAPIError, MissingGreenlet, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.util import await_only

from hub.errors import ConfigurationError, RecordUnavailable

BUSY_SECONDS: Final = 5
_LOOK_AGAIN_SECONDS: Final = 0.01
_SQLITE_PRAGMAS: Final = (
    f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA journal_size_limit=67108864",
)
_POSTGRES_TIMEOUTS: Final = (
    "-c idle_in_transaction_session_timeout=10000 -c statement_timeout=10000 -c lock_timeout=5000"
)
_START_LOCK: Final = 0x62656473696465
"""The advisory lock of hubs that start."""
_DRIVERS: Final = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+psycopg"}


class Engine:
    """A database. Use `writing` for what changes it, one transaction at a time on SQLite, and `reading` for the rest."""

    def __init__(self, database_url: str) -> None:
        url = _address(database_url)
        self.is_sqlite: Final = url.get_backend_name() == "sqlite"
        self.url: Final = url
        if self.is_sqlite:
            self._writer = _sqlite(database_url, pool_size=1, begin="BEGIN IMMEDIATE")
            self._reader = _sqlite(database_url, pool_size=4, begin="BEGIN")
        else:
            self._writer = create_async_engine(
                database_url,
                pool_size=10,
                pool_pre_ping=True,
                hide_parameters=True,
                connect_args={"options": _POSTGRES_TIMEOUTS},
            )
            self._reader = self._writer.execution_options(isolation_level="REPEATABLE READ")

    async def close(self) -> None:
        await self._writer.dispose()
        await self._reader.dispose()

    def pool_use(self) -> dict[str, int]:
        """Connections to the database, `in_use` and `idle`."""
        pools: list[Any] = [self._writer.sync_engine.pool]
        if self.is_sqlite:
            pools.append(self._reader.sync_engine.pool)  # on PostgreSQL both share one
        return {"in_use": sum(pool.checkedout() for pool in pools), "idle": sum(pool.checkedin() for pool in pools)}

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that commits at the end of the block. Raises RecordUnavailable; then its fate is unknown (rule 12)."""
        async with _translated(), self._writer.begin() as connection:
            yield connection

    @asynccontextmanager
    async def writing_alone(self) -> AsyncIterator[AsyncConnection]:
        """As `writing`, and no other process does the same meanwhile; however long it takes. For what is done at a start."""
        async with self.writing() as connection:
            if not self.is_sqlite:
                await connection.execute(text("SET LOCAL statement_timeout = 0"))
                await connection.execute(text("SET LOCAL lock_timeout = 0"))
                await connection.execute(select(func.pg_advisory_xact_lock(_START_LOCK)))
            yield connection

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that sees one state of the database, whatever is committed meanwhile."""
        async with _translated(), self._reader.begin() as connection:
            yield connection

    async def now(self, connection: AsyncConnection) -> float:
        """The database's clock, seconds since 1970: the only one that leases are measured with."""
        sqlite, postgres = "(julianday('now') - 2440587.5) * 86400.0", "extract(epoch from clock_timestamp())"
        expression: Any = literal_column(sqlite if self.is_sqlite else postgres)
        return float((await connection.execute(select(expression))).scalar_one())


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise RecordUnavailable(f"the database refused or did not answer: {type(error.orig).__name__}") from error
    except (SQLAlchemyError, OSError) as error:
        raise RecordUnavailable(f"the database does not answer: {type(error).__name__}") from error


def _address(database_url: str) -> URL:
    """Raises ConfigurationError for what can't be the record's address; its text, which may hold a password, is not repeated."""
    try:
        url = make_url(database_url)
    except (SQLAlchemyError, ValueError):
        raise ConfigurationError("database_url: not an address, as sqlite+aiosqlite:///record.sqlite3 is one") from None
    if _DRIVERS.get(url.get_backend_name()) != url.drivername:
        raise ConfigurationError(
            f"database_url: {url.drivername!r} is not supported; use {' or '.join(sorted(_DRIVERS.values()))}"
        )
    if url.get_backend_name() == "sqlite":
        _check_file(url.database or ":memory:")
    return url


def _check_file(name: str) -> None:
    if name == ":memory:":
        raise ConfigurationError("database_url: SQLite needs a file; in memory nothing would be kept")
    folder = Path(name).parent
    if not folder.is_dir():
        raise ConfigurationError(f"database_url: there is no folder {folder}; make it, or name another")


def _sqlite(database_url: str, *, pool_size: int, begin: str) -> AsyncEngine:
    engine = create_async_engine(
        database_url, pool_size=pool_size, max_overflow=0, pool_timeout=10, hide_parameters=True
    )

    @event.listens_for(engine.sync_engine, "connect")
    def connected(connection: Any, record: object) -> None:  # noqa: ANN401 - the driver has no types
        connection.isolation_level = None  # transactions are begun below, not by the driver
        cursor = connection.cursor()
        for pragma in _SQLITE_PRAGMAS:
            _set(cursor, pragma)
        cursor.close()

    @event.listens_for(engine.sync_engine, "invalidate")
    def invalidated(connection: Any, record: object, error: object) -> None:  # noqa: ANN401 - the driver has no types
        # Who is cancelled within a statement would else leave its transaction open, and the file locked, until Python happens
        # to collect the garbage: SQLite closes a connection only with its last statement.
        with suppress(MissingGreenlet, sqlite3.Error, ValueError):
            connection.rollback()

    @event.listens_for(engine.sync_engine, "begin")
    def begun(connection: Any) -> None:  # noqa: ANN401 - the driver has no types
        connection.exec_driver_sql(begin)

    return engine


def _set(cursor: Any, pragma: str) -> None:  # noqa: ANN401 - the driver has no types
    """Set it, also while others make the file: for the change to WAL SQLite does not wait by itself, whatever `busy_timeout` says."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            cursor.execute(pragma)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            await_only(asyncio.sleep(_LOOK_AGAIN_SECONDS))
        else:
            return
