"""A disk that refuses writes: the kernel's limit on file sizes makes the log's next write fail with a real I/O error."""

import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge_agent.errors import DiskProblem
from edge_agent.outbox import Kind, Outbox, OutboxLimits
from tests.edge_agent.samples import Clock, event, reading
from tests.support.waiting import eventually
from vitals.envelope import Acknowledgement

LIMITS = OutboxLimits(retry_seconds=0.05, held_bytes=4000)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.sqlite"


@pytest.fixture
async def outbox(path: Path) -> AsyncIterator[Outbox]:
    opened = await Outbox.open(path, clock=Clock(), limits=LIMITS)
    yield opened
    await opened.close()


@contextmanager
def no_growth(path: Path) -> Iterator[None]:
    """The write-ahead log can't grow."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = Path(f"{path}-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_the_live_path_goes_on_and_the_fault_is_shown(
    outbox: Outbox, path: Path, caplog: pytest.LogCaptureFixture
):
    with no_growth(path):
        (first,) = await outbox.commit(reading(91))
        (second,) = await outbox.commit(reading(92))
        assert (first.durable, second.durable) == (False, False)
        assert [row.sequence for row in outbox.live.take(entries=9, size_bytes=9999)] == [1, 2, 3]
        assert outbox.fault is not None
        assert outbox.fault.reason is DiskProblem.BROKEN
    await eventually(lambda: outbox.fault is None)
    assert [row.sequence for row in await outbox.unsent(Kind.READING, limit=9)] == [2, 3]
    assert sum(record.levelname == "ERROR" for record in caplog.records) == 1


async def test_recovery_makes_readers_begin_again(outbox: Outbox, path: Path):
    before = outbox.rewound
    with no_growth(path):
        await outbox.commit(reading())
    await eventually(lambda: outbox.rewound == before + 1)


async def test_an_acknowledgement_meanwhile_is_not_forgotten(outbox: Outbox, path: Path):
    with no_growth(path):
        await outbox.commit(reading(), reading())
        await outbox.apply(Acknowledgement(record_epoch=1, token=1, epoch=outbox.epoch, committed=[(2, 2)]))
    await eventually(lambda: outbox.fault is None)
    assert [row.sequence for row in await outbox.unsent(Kind.READING, limit=9)] == [3]


async def test_what_memory_cannot_hold_leaves_tombstones_readings_first(outbox: Outbox, path: Path):
    """Delivery rule 3."""
    with no_growth(path):
        await outbox.commit(event())
        for _ in range(40):
            await outbox.commit(reading())
    await eventually(lambda: outbox.fault is None)
    assert [row.sequence for row in await outbox.unsent(Kind.EVENT, limit=9)] == [1, 2]
    kept = [row.sequence for row in await outbox.unsent(Kind.READING, limit=99)]
    owed = [row.sequence for row in await outbox.owed_tombstones(limit=99)]
    assert owed + kept == list(range(3, 43))
    assert len(kept) >= 5
    assert len(owed) >= 5
