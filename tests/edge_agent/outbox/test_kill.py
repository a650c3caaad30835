"""kill -9 of a process that writes to the outbox, at whatever instant."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from edge_agent.outbox import Kind, Outbox
from vitals.envelope import ReadingEntry, decode_entry

KILLS = 10


def written_until_killed(path: Path, lines: int) -> list[tuple[str, int, int]]:
    """What a writer said was committed when it had said `lines` lines and was killed."""
    program = [sys.executable, "-m", "tests.edge_agent.outbox.endless_writer", str(path)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        said = [writer.stdout.readline() for _ in range(lines)]
        writer.kill()
        said += writer.stdout.readlines()
    complete = [line.split() for line in said if line.endswith("\n")]
    return [(epoch, int(sequence), int(value)) for epoch, sequence, value in complete]


async def test_everything_that_was_reported_committed_survives_kill_9(tmp_path: Path):
    path = tmp_path / "outbox.sqlite"
    said: list[tuple[str, int, int]] = []
    for kill in range(KILLS):
        said += written_until_killed(path, 20 + 37 * kill)
    outbox = await Outbox.open(path, clock=lambda: datetime.now(UTC))
    rows = await outbox.unsent(Kind.READING, limit=1_000_000)
    kept = {}
    for row in rows:
        entry = decode_entry(row.body)
        assert isinstance(entry, ReadingEntry)
        kept[outbox.epoch_name(row), row.sequence] = int(entry.reading.values[0].number)
    await outbox.close()
    assert len({epoch for epoch, _, _ in said}) == KILLS
    assert [line for line in said if kept.get(line[:2]) != line[2]] == []
