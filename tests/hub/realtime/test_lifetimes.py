"""Ends and warnings by one timer, on a clock that a test sets: what is due is done at its moment, and nothing is kept of who has left."""

import asyncio
import gc
import weakref
from datetime import UTC, datetime, timedelta
from typing import Any

from hub.auth.tokens import Claims, Role
from hub.limits import Limits
from hub.realtime.lifetimes import Lifetimes
from tests.support.waiting import eventually

START = datetime(2026, 11, 25, 12, tzinfo=UTC)


class Connection:
    """What is told to a client, in order."""

    def __init__(self, seconds: int) -> None:
        self.claims = Claims(
            sub="a", jti="j", iss="i", aud="a", iat=0, exp=int(START.timestamp()) + seconds, roles=frozenset({Role.VIEWER})
        )  # fmt: skip
        self.told: list[Any] = []

    def tell(self, kind: str, **fields: object) -> None:
        self.told.append((kind, fields["seconds"]))

    def expire(self) -> None:
        self.told.append("expired")


class Day:
    """The clock of the day, and the lifetimes that go by it."""

    def __init__(self) -> None:
        self.now = START
        self.lifetimes = Lifetimes(Limits(expiring_seconds=60), lambda: self.now)

    async def passes(self, seconds: float) -> None:
        """Set the clock forward; the timer, which counts real seconds, is made to look at it."""
        self.now += timedelta(seconds=seconds)
        self.lifetimes._wake()
        await asyncio.sleep(0)


async def test_each_is_warned_and_ends_at_its_own_moment():
    day, first, second = Day(), Connection(100), Connection(200)
    for connection in (first, second):
        day.lifetimes.enter(connection)
    await day.passes(39)
    assert (first.told, second.told) == ([], [])
    await day.passes(1)
    assert (first.told, second.told) == ([("expiring", 60)], [])
    await day.passes(60)
    assert (first.told[-1], second.told) == ("expired", [])
    await day.passes(100)
    assert second.told[-1] == "expired"


async def test_a_token_that_ends_soon_is_warned_of_at_once():
    day, short = Day(), Connection(10)
    day.lifetimes.enter(short)
    await eventually(lambda: short.told == [("expiring", 10)], seconds=30)


async def test_who_has_left_is_told_nothing_and_not_kept():
    day, gone, stays = Day(), Connection(100), Connection(100)
    for connection in (gone, stays):
        day.lifetimes.enter(connection)
    day.lifetimes.leave(gone)
    await day.passes(100)
    assert (gone.told, stays.told[-1]) == ([], "expired")
    lost = weakref.ref(gone)
    del gone, connection
    gc.collect()
    assert lost() is None


async def test_coming_and_going_with_one_token_leaves_nothing_behind():
    day, connection = Day(), Connection(100)
    for _ in range(1000):
        day.lifetimes.enter(connection)
        day.lifetimes.leave(connection)
    assert (len(day.lifetimes._order), len(day.lifetimes._due)) <= (2, 2)


async def test_a_renewed_connection_ends_at_its_new_end():
    day, renewed = Day(), Connection(100)
    day.lifetimes.enter(renewed)
    day.lifetimes.leave(renewed)
    renewed.claims = Connection(1000).claims
    day.lifetimes.enter(renewed)
    await day.passes(150)
    assert renewed.told == []
    await day.passes(850)
    assert renewed.told[-1] == "expired"


async def test_a_clock_that_is_set_back_ends_nobody_early():
    day, connection = Day(), Connection(100)
    day.lifetimes.enter(connection)
    await day.passes(-3600)
    await day.passes(3600)
    assert connection.told == []
    await day.passes(100)
    assert connection.told[-1] == "expired"
