"""The fenced lease: one owner at a time, N that only rises, and an older owner that can do no harm."""

import asyncio
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from hub.errors import Fenced, RecordUnavailable
from hub.record.engine import Engine
from hub.record.ownership import Lease, standing
from hub.record.record import Record
from hub.record.schema import ownership, record_meta
from tests.support.waiting import eventually

HOSPITAL = "h1"
LONG_SECONDS = 60.0
SHORT_SECONDS = 0.3
UNTIL_CERTAIN_SECONDS = 0.3
WAIT_SECONDS = 10


def lease(engine: Engine, owner: str, *, seconds: float = LONG_SECONDS) -> Lease:
    return Lease(engine, HOSPITAL, owner=owner, seconds=seconds)


@pytest.fixture
def one(record: Record) -> Lease:
    return lease(record.engine, "one")


@pytest.fixture
def two(other: Engine) -> Lease:
    """Of another process."""
    return lease(other, "two")


async def row(engine: Engine) -> dict:
    async with engine.reading() as connection:
        return dict((await connection.execute(select(ownership))).mappings().one())


async def end_lease(engine: Engine) -> None:
    """As if its owner had been paused for longer than it lasts."""
    async with engine.writing() as connection:
        await connection.execute(update(ownership).values(lease_ends=0.0))


async def advance(owner: Lease, by: int = 1) -> int:
    async with owner.transaction() as tenure:
        tenure.n += by
    return tenure.n


async def clock(engine: Engine) -> float:
    async with engine.reading() as connection:
        return await engine.now(connection)


async def test_a_free_lease_is_won_and_held_against_others(one: Lease, two: Lease):
    assert await one.take()
    assert not await two.take()
    with pytest.raises(Fenced):
        _ = two.fence
    assert await advance(one) == 1


async def test_its_owner_takes_it_again_under_a_new_token(one: Lease):
    """Delivery rule 12: after a commit of unknown fate an owner begins anew, and its earlier transaction is fenced too."""
    await one.take()
    before = one.fence.token
    assert await one.take()
    assert one.fence.token == before + 1


async def test_hospitals_are_owned_apart(one: Lease, other: Engine):
    await one.take()
    assert await Lease(other, "h2", owner="two", seconds=LONG_SECONDS).take()


@pytest.mark.parametrize("known", [False, True], ids=["a new hospital", "a hospital whose owner is gone"])
async def test_of_owners_that_come_together_one_wins(record: Record, other: Engine, known):
    """Delivery rule 11."""
    await asyncio.gather(*(clock(engine) for engine in (record.engine, other) * 3))  # connected already
    for number in range(10):
        hospital = HOSPITAL if known else f"h{number}"
        owners = [
            Lease(engine, hospital, owner=f"owner-{n}", seconds=LONG_SECONDS)
            for n, engine in enumerate((record.engine, other) * 3)
        ]
        assert sorted(await asyncio.gather(*(owner.take() for owner in owners))) == [False] * 5 + [True]
        await end_lease(other)


async def test_an_ended_lease_is_taken_over_and_the_old_owners_next_transaction_refused(one: Lease, two: Lease, other):
    """Delivery rules 5 and 11: the token decides, whatever the old owner believes of its lease."""
    await one.take()
    assert await advance(one) == 1
    await end_lease(other)
    assert await two.take()
    with pytest.raises(Fenced):
        await advance(one)
    with pytest.raises(Fenced):
        _ = one.fence
    assert await advance(two) == 2


async def test_a_lease_ends_by_the_databases_clock(record: Record, two: Lease):
    short = lease(record.engine, "one", seconds=SHORT_SECONDS)
    earliest = await clock(record.engine) + SHORT_SECONDS
    await short.take()
    assert earliest <= (await row(record.engine))["lease_ends"] <= await clock(record.engine) + SHORT_SECONDS
    assert short.fence.lease_ends.timestamp() == pytest.approx((await row(record.engine))["lease_ends"], abs=1e-4)
    ends = (await row(record.engine))["lease_ends"]
    await eventually(two.take)
    assert await clock(record.engine) > ends


async def test_each_transaction_renews_the_lease_also_an_empty_one(record: Record, two: Lease):
    """Delivery rule 13."""
    short = lease(record.engine, "one", seconds=SHORT_SECONDS)
    await short.take()
    until = await clock(record.engine) + 3 * SHORT_SECONDS
    while await clock(record.engine) < until:
        async with short.transaction():
            pass
        assert not await two.take()
    assert short.fence.lease_ends > datetime.fromtimestamp(until, UTC)


async def test_a_released_lease_is_free_at_once(one: Lease, two: Lease):
    await one.take()
    await one.release()
    assert await two.take()
    with pytest.raises(Fenced):
        await advance(one)
    await one.release()
    assert await advance(two) == 1


async def test_an_old_owner_that_releases_takes_nothing_from_the_new_one(one: Lease, two: Lease, other: Engine):
    """Delivery rule 11."""
    await one.take()
    await end_lease(other)
    await two.take()
    await one.release()
    assert not await one.take()
    assert await advance(two) == 1


async def test_nobody_takes_over_while_a_transaction_of_the_owner_is_open(record: Record, other: Engine):
    """Delivery rule 11: the row stays locked from check to commit, so a late commit is a commit before the take-over, or none."""
    old, new = lease(record.engine, "one", seconds=0.0), lease(other, "two")
    await old.take()
    async with old.transaction() as tenure:
        taking = asyncio.create_task(new.take())
        done, _ = await asyncio.wait({taking}, timeout=UNTIL_CERTAIN_SECONDS)
        assert not done
        tenure.n = 5
    assert await asyncio.wait_for(taking, WAIT_SECONDS)
    async with new.transaction() as tenure:
        assert tenure.n == 5
    with pytest.raises(Fenced):
        await advance(old)


async def test_a_transaction_of_the_owner_waits_for_a_take_over_and_is_refused_after_it(record: Record, other: Engine):
    """Delivery rule 11: the check comes after the lock."""
    old, new = lease(record.engine, "one", seconds=0.0), lease(other, "two")
    await old.take()

    @asynccontextmanager
    async def slow_take():
        async with other.writing() as connection:
            await connection.execute(select(ownership).with_for_update())
            await connection.execute(update(ownership).values(token=99, owner="two"))
            yield

    async with slow_take():
        late = asyncio.create_task(advance(old))
        done, _ = await asyncio.wait({late}, timeout=UNTIL_CERTAIN_SECONDS)
        assert not done
    with pytest.raises(Fenced):
        await asyncio.wait_for(late, WAIT_SECONDS)
    assert (await row(record.engine))["n"] == 0
    assert not await new.take() or new.fence.token > 99


@pytest.mark.slow
async def test_a_transaction_that_sits_open_is_ended_by_the_server_and_commits_nothing_late(postgres_url: str):
    """Delivery rule 11: an owner that was paused inside a transaction holds the lock no longer than the time-out."""
    record, other = await Record.open(postgres_url, clock=None), Engine(postgres_url)
    old, new = lease(record.engine, "one", seconds=0.0), lease(other, "two")
    await old.take()
    resumed = asyncio.Event()

    async def paused() -> None:
        async with old.transaction() as tenure:
            tenure.n = 5
            await resumed.wait()

    late = asyncio.create_task(paused())

    async def won() -> bool:
        with suppress(RecordUnavailable):  # the lock could not be had
            return await new.take()
        return False

    assert not await won()
    await eventually(won, seconds=20)
    assert await advance(new) == 1
    resumed.set()
    with pytest.raises(RecordUnavailable):
        await late
    with pytest.raises(Fenced):
        await advance(old)
    assert (await row(other))["n"] == 1
    await other.close()
    await record.close()


async def test_a_newer_record_epoch_fences_every_owner_of_the_older_one(one: Lease, two: Lease, record: Record):
    """Delivery rule 5: the fence is (record epoch, token)."""
    await one.take()
    async with record.engine.writing() as connection:
        await connection.execute(update(record_meta).values(record_epoch=2))
    with pytest.raises(Fenced):
        await advance(one)
    await end_lease(record.engine)
    await two.take()
    assert two.fence.record_epoch == 2


async def test_n_goes_on_over_owners(one: Lease, two: Lease, other: Engine):
    """Delivery rule 16."""
    await one.take()
    assert [await advance(one), await advance(one, 3)] == [1, 4]
    await one.release()
    await two.take()
    assert await advance(two) == 5
    assert await standing(other, HOSPITAL) == (5, 0)


async def test_n_of_a_transaction_that_failed_was_never_given(one: Lease, other: Engine):
    """Delivery rule 16."""
    await one.take()

    async def fail() -> None:
        async with one.transaction() as tenure:
            tenure.n += 7
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await standing(other, HOSPITAL) == (0, 0)
    assert await advance(one) == 1


async def test_n_never_goes_back(one: Lease, other: Engine):
    """Delivery rule 16: else one N would name two messages."""
    await one.take()
    await advance(one, 5)
    with pytest.raises(ValueError, match="N"):
        await advance(one, -1)
    assert await standing(other, HOSPITAL) == (5, 0)


async def test_what_is_published_never_goes_back(one: Lease, other: Engine):
    """Delivery rule 22."""
    await one.take()
    for through, expected in ((3, 3), (None, 3), (1, 3), (6, 6)):
        async with one.transaction() as tenure:
            tenure.n = 9
            tenure.published_through = through
        assert await standing(other, HOSPITAL) == (9, expected)


async def test_a_hospital_that_never_had_an_owner_stands_at_nothing(other: Engine):
    assert await standing(other, HOSPITAL) == (0, 0)


async def test_the_fence_says_until_when_publishing_is_allowed(record: Record):
    """Delivery rule 21: the end of the lease as last confirmed, never as hoped for."""
    owner = lease(record.engine, "one")
    await owner.take()
    first = owner.fence.lease_ends

    async def fail() -> None:
        async with owner.transaction():
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert owner.fence.lease_ends == first
    await advance(owner)
    assert first < owner.fence.lease_ends <= datetime.now(UTC) + timedelta(seconds=LONG_SECONDS)
