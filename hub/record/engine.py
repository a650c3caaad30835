"""Connections to the record: one writer and many readers on SQLite, a pool on PostgreSQL; the database's own clock.

Driver errors are translated here and nowhere else: callers see RecordUnavailable. Statements' parameters are patients' data: they
stand in no error and no log.
"""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, ColumnElement, event, func, literal_column, make_url, select, text
from sqlalchemy.exc import DBAPIError, MissingGreenlet, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from hub.errors import ConfigurationError, RecordUnavailable
from hub.record.sqlite_driver import Connection

_POSTGRES_TIMEOUTS: Final = (
    "-c idle_in_transaction_session_timeout=10000 -c statement_timeout=10000 -c lock_timeout=5000"
)
_SQLITE_CLOCK: Final = "(julianday('now') - 2440587.5) * 86400.0"
_POSTGRES_CLOCK: Final = "extract(epoch from clock_timestamp())"
_START_LOCK: Final = 0x62656473696465
"""The advisory lock of hubs that start."""
_DRIVERS: Final = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+psycopg"}


class Engine:
    """A database. Use `writing` for what changes it, one transaction at a time on SQLite, and `reading` for the rest."""

    def __init__(self, database_url: str) -> None:
        url = _address(database_url)
        self.is_sqlite: Final = url.get_backend_name() == "sqlite"
        self.url: Final = url
        self.clock: Final[ColumnElement[Any]] = literal_column(_SQLITE_CLOCK if self.is_sqlite else _POSTGRES_CLOCK)
        if self.is_sqlite:
            path = url.database or ""
            self._writer = _sqlite(path, pool_size=1, begin="BEGIN IMMEDIATE")
            self._reader = _sqlite(path, pool_size=4, begin="BEGIN")
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
        """A transaction that commits at the end of the block; it begins with its first statement. Raises RecordUnavailable; then its fate is unknown (rule 12)."""
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
        return float((await connection.execute(select(self.clock))).scalar_one())


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
        if url.query:
            raise ConfigurationError("database_url: SQLite's address takes no options after '?'")
        _check_file(url.database or ":memory:")
    return url


def _check_file(name: str) -> None:
    if name == ":memory:":
        raise ConfigurationError("database_url: SQLite needs a file; in memory nothing would be kept")
    folder = Path(name).parent
    if not folder.is_dir():
        raise ConfigurationError(f"database_url: there is no folder {folder}; make it, or name another")


def _sqlite(path: str, *, pool_size: int, begin: str) -> AsyncEngine:
    async def opened() -> Connection:
        return await Connection.open(path, begin=begin)

    engine = create_async_engine(
        "sqlite+aiosqlite://",
        async_creator=opened,
        poolclass=AsyncAdaptedQueuePool,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        hide_parameters=True,
    )

    @event.listens_for(engine.sync_engine, "invalidate")
    def invalidated(connection: Any, record: object, error: object) -> None:  # noqa: ANN401 - the driver has no types
        # Who is cancelled within a statement would else leave its transaction open, and the file locked, until Python happens
        # to collect the garbage: SQLite closes a connection only with its last statement.
        with suppress(MissingGreenlet, sqlite3.Error, ValueError):
            connection.rollback()

    return engine
