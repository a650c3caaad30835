"""The outbox: order, epochs, fates, bounds."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from edge_agent.outbox import Counts, Kind, Outbox, OutboxLimits, Row
from tests.edge_agent.samples import Clock, event, reading
from vitals.envelope import (
    Acknowledgement,
    DeviceEventEntry,
    Entry,
    Greeting,
    OutboxStarted,
    ReadingEntry,
    Rejection,
    RejectionReason,
    Tombstone,
    decode_entry,
)

SMALL = OutboxLimits(max_bytes=512 << 10)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.sqlite"


@pytest.fixture
async def outbox(path: Path) -> AsyncIterator[Outbox]:
    opened = await Outbox.open(path, clock=Clock())
    yield opened
    await opened.close()


async def reopened(path: Path, outbox: Outbox, limits: OutboxLimits | None = None) -> Outbox:
    await outbox.close()
    return await Outbox.open(path, clock=Clock(), limits=limits)


def entries(rows: list[Row]) -> list[Entry]:
    return [decode_entry(row.body) for row in rows]


async def unsent(outbox: Outbox) -> list[Entry]:
    found = []
    for kind in Kind:
        found += await outbox.unsent(kind, limit=10_000)
    return entries(sorted(found, key=lambda row: row.id))


async def counts(outbox: Outbox) -> Counts:
    return (await outbox.summary()).counts


def acknowledgement(outbox: Outbox, *ranges: tuple[int, int], record_epoch: int = 1) -> Acknowledgement:
    return Acknowledgement(record_epoch=record_epoch, token=1, epoch=outbox.epoch, committed=list(ranges))


def size(path: Path) -> int:
    return path.stat().st_size


def garble(path: Path) -> None:
    path.write_bytes(b"this is no database" * 400)


def beside(path: Path, pattern: str) -> list[Path]:
    return list(path.parent.glob(pattern))


async def test_readings_and_events_share_one_sequence(outbox: Outbox):
    await outbox.commit(reading(91), event(), reading(92))
    kinds = [(entry.sequence, type(entry)) for entry in await unsent(outbox)]
    assert kinds == [(1, OutboxStarted), (2, ReadingEntry), (3, DeviceEventEntry), (4, ReadingEntry)]


async def test_sequences_follow_the_order_of_the_calls(outbox: Outbox):
    committed = await asyncio.gather(*(outbox.commit(reading(value)) for value in range(80, 100)))
    assert [one.sequence for (one,) in committed] == list(range(2, 22))
    assert [row.sequence for row in outbox.live.take(entries=99, size_bytes=1 << 20)] == list(range(1, 22))


async def test_every_start_opens_a_fresh_epoch(path: Path, outbox: Outbox):
    """Delivery rule 1."""
    await outbox.commit(reading(91))
    again = await reopened(path, outbox)
    await again.commit(reading(92))
    assert again.epoch != outbox.epoch
    rows = await again.unsent(Kind.READING, limit=10)
    assert [(again.epoch_name(row), row.sequence) for row in rows] == [(outbox.epoch, 2), (again.epoch, 2)]
    await again.close()


async def test_an_epoch_is_never_used_twice(path: Path):
    """Delivery rule 1."""
    first = await Outbox.open(path, clock=Clock(), new_epoch=lambda: "same")
    await first.close()
    with pytest.raises(sqlite3.IntegrityError):
        await Outbox.open(path, clock=Clock(), new_epoch=lambda: "same")


async def test_the_first_entry_names_the_epoch_before_and_its_top(path: Path, outbox: Outbox):
    """Delivery rule 2."""
    await outbox.commit(reading(), reading())
    await outbox.apply(acknowledgement(outbox, (1, 3)))
    again = await reopened(path, outbox)
    (started,) = await unsent(again)
    assert isinstance(started, OutboxStarted)
    assert (started.sequence, started.previous_epoch, started.previous_top) == (1, outbox.epoch, 3)
    await again.close()


async def test_the_top_counts_what_was_evicted(path: Path):
    """Delivery rules 2 and 3."""
    clock = Clock()
    outbox = await Outbox.open(path, clock=clock, limits=OutboxLimits(keep_acknowledged_seconds=60))
    await outbox.commit(reading())
    await outbox.apply(acknowledgement(outbox, (1, 2)))
    clock.advance(61)
    assert await outbox.expire() == 2
    again = await reopened(path, outbox)
    (started,) = await unsent(again)
    assert isinstance(started, OutboxStarted)
    assert started.previous_top == 2
    await again.close()


async def test_an_acknowledgement_of_another_epoch_changes_nothing(outbox: Outbox):
    await outbox.commit(reading())
    await outbox.apply(Acknowledgement(record_epoch=1, token=1, epoch="another", committed=[(1, 99)]))
    assert await counts(outbox) == Counts(unsent_readings=1, unsent_events=1)


async def test_a_rejected_entry_is_set_aside_with_its_reason(outbox: Outbox):
    await outbox.commit(reading())
    rejection = Rejection(sequence=2, reason=RejectionReason.UNKNOWN_DEVICE)
    await outbox.apply(
        Acknowledgement(record_epoch=1, token=1, epoch=outbox.epoch, committed=[(1, 1)], rejected=[rejection])
    )
    summary = await outbox.summary()
    assert summary.counts == Counts(acknowledged=1, set_aside=1)
    assert summary.set_aside_reasons == {"unknown_device": 1}


async def test_an_older_record_epoch_is_ignored_also_after_a_restart(path: Path, outbox: Outbox):
    """Delivery rule 6."""
    await outbox.apply(acknowledgement(outbox, (1, 1), record_epoch=5))
    again = await reopened(path, outbox)
    applied = await again.apply(acknowledgement(again, (1, 1), record_epoch=4))
    assert not applied.heeded
    assert again.record_epoch == 5
    assert (await counts(again)).unsent_events == 1
    await again.close()


async def test_a_newer_record_epoch_unsends_acknowledged_and_set_aside_entries(outbox: Outbox):
    """Delivery rule 7."""
    await outbox.commit(reading(), reading())
    rejection = Rejection(sequence=3, reason=RejectionReason.UNKNOWN_DEVICE)
    await outbox.apply(
        Acknowledgement(record_epoch=1, token=1, epoch=outbox.epoch, committed=[(1, 2)], rejected=[rejection])
    )
    applied = await outbox.apply(Greeting(record_epoch=2, token=1, committed={outbox.epoch: [(1, 1)]}))
    assert applied.newer
    assert [entry.sequence for entry in await unsent(outbox)] == [2, 3]


async def test_what_was_acknowledged_under_this_record_epoch_stays_so(outbox: Outbox):
    """Delivery rule 7, its border."""
    await outbox.apply(acknowledgement(outbox, (1, 1), record_epoch=2))
    await outbox.apply(Greeting(record_epoch=2, token=9, committed={}))
    assert (await counts(outbox)).acknowledged == 1


async def test_an_evicted_acknowledged_entry_owes_a_tombstone_only_to_a_newer_record_epoch(path: Path):
    """Delivery rules 3 and 7."""
    clock = Clock()
    outbox = await Outbox.open(path, clock=clock, limits=OutboxLimits(keep_acknowledged_seconds=60))
    await outbox.commit(reading(), reading(), reading())
    await outbox.apply(acknowledgement(outbox, (1, 4)))
    clock.advance(61)
    await outbox.expire()
    assert await counts(outbox) == Counts(evicted=4)
    await outbox.apply(Greeting(record_epoch=2, token=1, committed={outbox.epoch: [(1, 1), (4, 4)]}))
    owed = entries(await outbox.owed_tombstones(limit=10))
    assert [(type(entry), entry.sequence) for entry in owed] == [(Tombstone, 2), (Tombstone, 3)]
    await outbox.apply(acknowledgement(outbox, (2, 3), record_epoch=2))
    assert await counts(outbox) == Counts(evicted=4)
    await outbox.close()


async def test_a_full_outbox_evicts_acknowledged_then_readings_then_events(path: Path):
    """Delivery rule 3, and promise 7: numerics before alerts."""
    outbox = await Outbox.open(path, clock=Clock(), limits=SMALL)
    await outbox.commit(*(event() for _ in range(300)))
    await outbox.commit(*(reading() for _ in range(500)))
    await outbox.apply(acknowledgement(outbox, (400, 600)))
    seen = []
    for _ in range(40):
        await outbox.commit(*(reading() for _ in range(400)))
        seen.append(await counts(outbox))
    final = seen[-1]
    assert final.unsent_events == 301
    assert final.acknowledged == 0
    assert final.evicted == 201
    assert final.tombstones > 1000
    assert final.unsent_readings + final.tombstones == 500 - 201 + 40 * 400
    first_loss = next(found for found in seen if found.tombstones)
    assert first_loss.acknowledged == 0, "no unsent reading goes while an acknowledged one is left"
    assert size(path) <= SMALL.max_bytes
    assert outbox.fault is None
    await outbox.close()


async def test_evicted_unsent_readings_are_told_one_by_one(path: Path):
    """Delivery rule 3."""
    outbox = await Outbox.open(path, clock=Clock(), limits=SMALL)
    for _ in range(20):
        await outbox.commit(*(reading() for _ in range(400)))
    owed: list[Row] = []
    while rows := await outbox.owed_tombstones(after=owed[-1].id if owed else -1, limit=500):
        owed += rows
    gone = {row.sequence for row in owed}
    left = {row.sequence for row in await outbox.unsent(Kind.READING, limit=100_000)}
    assert gone
    assert gone.isdisjoint(left)
    assert gone | left == set(range(2, 8002))
    await outbox.close()


async def test_sessions_rise_over_restarts(path: Path, outbox: Outbox):
    first, second = await outbox.next_session(), await outbox.next_session()
    again = await reopened(path, outbox)
    assert first < second < await again.next_session()
    await again.close()


async def test_sessions_rise_over_the_loss_of_the_disk(path: Path, outbox: Outbox):
    """Else a hub that remembers session 57 would take no state of the gateway for a long time."""
    lost = [await outbox.next_session() for _ in range(57)]
    await outbox.close()
    clock = Clock()
    clock.now += timedelta(minutes=5)
    anew = await Outbox.open(path.with_name("another.sqlite"), clock=clock)
    assert await anew.next_session() > lost[-1]
    await anew.close()


async def test_a_corrupt_file_is_put_aside_and_a_new_outbox_begun(path: Path, caplog: pytest.LogCaptureFixture):
    garble(path)
    outbox = await Outbox.open(path, clock=Clock())
    await outbox.commit(reading())
    assert (await counts(outbox)).unsent_readings == 1
    assert "corrupt" in caplog.text
    assert len(beside(path, "outbox.corrupt-*")) == 1
    await outbox.close()


async def test_a_garbled_entry_becomes_a_tombstone_and_holds_nothing_up(path: Path, outbox: Outbox):
    await outbox.commit(reading(), reading())
    with sqlite3.connect(path) as database:
        database.execute("UPDATE entries SET body = x'01ffff' WHERE id & 0xffffffffff = 2")
    database.close()
    assert [entry.sequence for entry in await unsent(outbox)] == [1, 3]
    assert [row.sequence for row in await outbox.owed_tombstones(limit=10)] == [2]


async def test_a_closed_outbox_has_committed_what_it_was_given(path: Path, outbox: Outbox):
    giving = asyncio.gather(*(outbox.commit(reading()) for _ in range(50)))
    await asyncio.sleep(0)
    again = await reopened(path, outbox)
    await giving
    assert (await counts(again)).unsent_readings == 50
    await again.close()
