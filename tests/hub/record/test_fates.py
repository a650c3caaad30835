"""The fate of every entry: what one transaction decided, the next one knows, exactly."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from hub.errors import RecordUnavailable
from hub.record.engine import Engine
from hub.record.fates import Fates, committed_of, load_fates
from hub.record.record import Record
from hub.record.schema import outbox_fates
from vitals.envelope import Rejection, RejectionReason, ranges_of

GATEWAY, EPOCH = "gw-1", "e1"
HIGHEST = 2**63 - 1
UNTIL_CERTAIN_SECONDS = 0.3
WAIT_SECONDS = 10


async def loaded(engine: Engine, epoch: str = EPOCH) -> Fates:
    async with engine.writing() as connection:
        return await load_fates(connection, GATEWAY, epoch)


async def decide(engine: Engine, committed: list[int], rejected: dict[int, RejectionReason] | None = None) -> None:
    async with engine.writing() as connection:
        fates = await load_fates(connection, GATEWAY, EPOCH)
        for sequence in committed:
            fates.commit(sequence)
        for sequence, reason in (rejected or {}).items():
            fates.reject(sequence, reason)
        await fates.save(connection)


async def test_an_epoch_never_heard_of_has_decided_nothing(record: Record):
    fates = await loaded(record.engine)
    assert not fates.is_committed(1)
    assert fates.rejection(1) is None


async def test_what_is_decided_is_known_to_the_next_transaction_and_to_other_processes(record: Record, other: Engine):
    """Delivery rule 10: repeats are refused per sequence, with the fate that is stored."""
    await decide(record.engine, [1, 2, 3, 7, HIGHEST], {5: RejectionReason.UNKNOWN_DEVICE})
    for engine in (record.engine, other):
        fates = await loaded(engine)
        assert [sequence for sequence in (*range(10), HIGHEST) if fates.is_committed(sequence)] == [1, 2, 3, 7, HIGHEST]
        assert fates.rejections(range(10)) == [Rejection(sequence=5, reason=RejectionReason.UNKNOWN_DEVICE)]


async def test_a_rejection_outlives_all_that_follows(record: Record):
    """Delivery rule 9."""
    await decide(record.engine, [], {2: RejectionReason.MALFORMED})
    await decide(record.engine, [1, 3, 4])
    fates = await loaded(record.engine)
    assert fates.rejection(2) is RejectionReason.MALFORMED
    assert not fates.is_committed(2)


async def test_a_transaction_that_failed_has_decided_nothing(record: Record):
    """Delivery rule 9: decided in the transaction, or not at all."""

    async def fail() -> None:
        async with record.engine.writing() as connection:
            fates = await load_fates(connection, GATEWAY, EPOCH)
            fates.commit(1)
            fates.reject(2, RejectionReason.MALFORMED)
            await fates.save(connection)
            raise RecordUnavailable

    with pytest.raises(RecordUnavailable):
        await fail()
    fates = await loaded(record.engine)
    assert not fates.is_committed(1)
    assert fates.rejection(2) is None


async def test_nothing_new_is_nothing_written(record: Record):
    await decide(record.engine, [])
    async with record.engine.reading() as connection:
        assert await connection.scalar(select(func.count()).select_from(outbox_fates)) == 0


async def test_epochs_and_gateways_are_decided_apart(record: Record):
    await decide(record.engine, [1, 2])
    assert not (await loaded(record.engine, "e2")).is_committed(1)
    async with record.engine.reading() as connection:
        assert await committed_of(connection, GATEWAY) == {EPOCH: [(1, 2)]}
        assert await committed_of(connection, "gw-2") == {}


async def test_the_epoch_before_is_kept_and_not_forgotten_by_later_decisions(record: Record):
    """Delivery rule 2: what the epoch before gave out and never sent is a possible loss."""
    async with record.engine.writing() as connection:
        fates = await load_fates(connection, GATEWAY, EPOCH)
        fates.previous = "e0", 41
        fates.commit(1)
        await fates.save(connection)
    await decide(record.engine, [2])
    async with record.engine.reading() as connection:
        row = (await connection.execute(select(outbox_fates))).mappings().one()
    assert (row["previous_epoch"], row["previous_top"]) == ("e0", 41)


async def test_the_fates_of_an_epoch_are_locked_until_the_transaction_ends(record: Record, other: Engine):
    """Delivery rule 10: else two transactions could both find an entry undecided."""
    await decide(record.engine, [1])
    async with record.engine.writing() as connection:
        fates = await load_fates(connection, GATEWAY, EPOCH)
        waiting = asyncio.create_task(loaded(other))
        done, _ = await asyncio.wait({waiting}, timeout=UNTIL_CERTAIN_SECONDS)
        assert not done
        fates.commit(2)
        await fates.save(connection)
    assert (await asyncio.wait_for(waiting, WAIT_SECONDS)).is_committed(2)


@given(st.lists(st.integers(1, 40)))
def test_committed_ranges_are_exactly_what_was_committed_in_any_order(sequences: list[int]):
    fates = Fates(GATEWAY, EPOCH, [], {})
    for sequence in sequences:
        fates.commit(sequence)
    assert fates.committed == ranges_of(sequences)
    assert {sequence for sequence in range(50) if fates.is_committed(sequence)} == set(sequences)
