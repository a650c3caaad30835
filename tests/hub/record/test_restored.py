"""After a restore: a new record epoch, and nobody of the time before may write any more."""

import pytest
from sqlalchemy import update

from hub.errors import Conflict, Fenced
from hub.record.ownership import Lease
from hub.record.record import Record
from hub.record.restored import begin_record_epoch
from hub.record.schema import ownership, record_meta

HOSPITAL = "h1"


async def test_a_restored_record_begins_an_epoch_that_no_restore_before_it_began(record: Record):
    """Delivery rule 5: the same backup, restored twice, must not begin the same epoch twice, nor an epoch that is not newer."""
    before, after = await begin_record_epoch(record.engine, lease_seconds=0)
    assert before == 1
    assert after > 1_700_000_000  # the database's clock, in seconds
    async with record.engine.writing() as connection:
        await connection.execute(update(record_meta).values(record_epoch=after + 1000))
    assert await begin_record_epoch(record.engine, lease_seconds=0) == (after + 1000, after + 1001)


async def test_it_is_refused_while_a_hub_owns_a_hospital(record: Record):
    """Delivery rule 5: before any owner starts."""
    lease = Lease(record.engine, HOSPITAL, owner="one", seconds=60)
    assert await lease.take()
    with pytest.raises(Conflict, match="still owns h1: stop every hub"):
        await begin_record_epoch(record.engine, lease_seconds=0)
    async with lease.transaction() as tenure:
        tenure.n = 3
    await lease.release()
    await begin_record_epoch(record.engine, lease_seconds=0)


async def test_no_owner_starts_before_one_of_the_time_before_must_have_noticed(record: Record):
    """Delivery rule 21: for one lease nobody takes over; then whoever does is of the new epoch, from the N of the record."""
    old = Lease(record.engine, HOSPITAL, owner="one", seconds=60)
    assert await old.take()
    async with old.transaction() as tenure:
        tenure.n = 7
    await _let_it_end(record)
    _, after = await begin_record_epoch(record.engine, lease_seconds=60)
    new = Lease(record.engine, HOSPITAL, owner="two", seconds=60)
    assert not await new.take()
    with pytest.raises(Fenced):
        async with old.transaction():
            pass
    await _let_it_end(record)
    assert await new.take()
    assert new.fence.record_epoch == after
    async with new.transaction() as tenure:
        assert tenure.n == 7


async def _let_it_end(record: Record) -> None:
    async with record.engine.writing() as connection:
        await connection.execute(update(ownership).values(lease_ends=0.0))
