"""The newest entries, in memory, for the live lane.

At most `size` are held; what overflows, or grows older than it should, is left to the backlog, which reads everything below
`floor` from the database. So the live lane always carries the present, however long the road was closed.
"""

import asyncio
from collections import deque
from collections.abc import Iterable

from edge_agent.outbox.rows import Row


class LiveQueue:
    """First in, first out; the oldest leave when it is full."""

    def __init__(self, size: int) -> None:
        self._rows: deque[Row] = deque()
        self._size = size
        self._top = 0
        self.available = asyncio.Event()

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def floor(self) -> int:
        """Entries below this id are not the live lane's (any more)."""
        return self._rows[0].id if self._rows else self._top + 1

    def extend(self, rows: Iterable[Row]) -> None:
        self._rows.extend(rows)
        if self._rows:
            self._top = max(self._top, self._rows[-1].id)
            self.available.set()
        while len(self._rows) > self._size:
            self._rows.popleft()

    def leave_to_backlog(self, *, committed_before: int) -> None:
        """Give up what was committed before this time (milliseconds)."""
        while self._rows and self._rows[0].committed < committed_before:
            self._rows.popleft()
        self._settle()

    def take(self, *, entries: int, size_bytes: int) -> list[Row]:
        """The oldest that make up at most this many entries and bytes; at least one where there is one."""
        taken: list[Row] = []
        total = 0
        while self._rows and len(taken) < entries:
            total += len(self._rows[0].body) + 1
            if taken and total > size_bytes:
                break
            taken.append(self._rows.popleft())
        self._settle()
        return taken

    def _settle(self) -> None:
        if not self._rows:
            self.available.clear()
