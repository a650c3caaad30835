"""An open record, on each engine, and the engine of a second process beside it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from hub.record.engine import Engine
from hub.record.record import Record


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[Engine]:
    """The engine of an empty database."""
    opened = Engine(database_url)
    yield opened
    await opened.close()


@pytest.fixture
async def record(database_url: str) -> AsyncIterator[Record]:
    opened = await Record.open(database_url, clock=now)
    yield opened
    await opened.close()


@pytest.fixture
async def other(record: Record, database_url: str) -> AsyncIterator[Engine]:
    """Another process's engine on the same database."""
    opened = Engine(database_url)
    yield opened
    await opened.close()
