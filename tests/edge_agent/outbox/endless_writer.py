"""Commits readings until it is killed, and says each epoch and sequence once it is committed. Run as a program: PATH."""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

from edge_agent.outbox import Outbox
from tests.edge_agent.samples import reading


async def main(path: Path) -> None:
    outbox = await Outbox.open(path, clock=lambda: datetime.now(UTC))

    async def commit_for_ever(value: int) -> None:
        while True:
            (committed,) = await outbox.commit(reading(value))
            sys.stdout.write(f"{outbox.epoch} {committed.sequence} {value}\n")
            sys.stdout.flush()

    async with asyncio.TaskGroup() as tasks:
        for value in (90, 95, 99):
            tasks.create_task(commit_for_ever(value))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
