"""Connections to the record: one writer and many readers on SQLite, a pool on PostgreSQL; the database's own clock.

Driver errors are translated here and nowhere else: callers see RecordUnavailable.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from sqlalchemy import event, literal_column, make_url, select
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from hub.errors import ConfigurationError, RecordUnavailable

_SQLITE_PRAGMAS: Final = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA busy_timeout=5000",
    "PRAGMA journal_size_limit=67108864",
)
_POSTGRES_TIMEOUTS: Final = (
    "-c idle_in_transaction_session_timeout=10000 -c statement_timeout=10000 -c lock_timeout=5000"
)
_DRIVERS: Final = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+psycopg"}


class Engine:
    """A database. Use `writing` for what changes it, one transaction at a time on SQLite, and `reading` for the rest."""

    def __init__(self, database_url: str) -> None:
        url = make_url(database_url)
        if _DRIVERS.get(url.get_backend_name()) != url.drivername:
            raise ConfigurationError(
                f"database_url: {url.drivername!r} is not supported; use {' or '.join(sorted(_DRIVERS.values()))}"
            )
        self.is_sqlite: Final = url.get_backend_name() == "sqlite"
        self.url: Final = url
        if self.is_sqlite:
            self._writer = _sqlite(database_url, pool_size=1, begin="BEGIN IMMEDIATE")
            self._reader = _sqlite(database_url, pool_size=4, begin="BEGIN")
        else:
            self._writer = self._reader = create_async_engine(
                database_url, pool_size=10, pool_pre_ping=True, connect_args={"options": _POSTGRES_TIMEOUTS}
            )

    async def close(self) -> None:
        await self._writer.dispose()
        await self._reader.dispose()

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that commits at the end of the block. Raises RecordUnavailable; then its fate is unknown (rule 12)."""
        async with _translated(), self._writer.begin() as connection:
            yield connection

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that sees one state of the database."""
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


def _sqlite(database_url: str, *, pool_size: int, begin: str) -> AsyncEngine:
    engine = create_async_engine(database_url, pool_size=pool_size, max_overflow=0, pool_timeout=10)

    @event.listens_for(engine.sync_engine, "connect")
    def connected(connection: Any, record: object) -> None:  # noqa: ANN401 - the driver has no types
        connection.isolation_level = None  # transactions are begun below, not by the driver
        cursor = connection.cursor()
        for pragma in _SQLITE_PRAGMAS:
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begun(connection: Any) -> None:  # noqa: ANN401 - the driver has no types
        connection.exec_driver_sql(begin)

    return engine
