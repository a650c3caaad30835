"""What is unsent and not the live lane's, in the order in which it should go: device events, tombstones, readings; oldest first.

A place in each is kept, so that nothing is read twice, until `again`. What is on its way already is passed over.
"""

import asyncio
from enum import Enum, auto
from typing import Final

from edge_agent.outbox import Kind, Outbox, Row
from edge_agent.window import Window
from vitals.envelope import MAX_BATCH_ENTRIES

BATCH_BYTES: Final = 240 * 1024
"""Of entries; with the batch's own words it stays under the envelope's 256 KiB."""
_BEFORE_ALL: Final = -1


class _Source(Enum):
    EVENTS = auto()
    TOMBSTONES = auto()
    READINGS = auto()


class Backlog:
    """One connection's way through the backlog."""

    def __init__(self, outbox: Outbox, window: Window) -> None:
        self._outbox = outbox
        self._window = window
        self._rewound = outbox.rewound
        self._turn = 0  # rises with each `again`, so that what was read before it isn't taken for progress
        self._passed = dict.fromkeys(_Source, _BEFORE_ALL)
        self.restarted = asyncio.Event()

    def again(self) -> None:
        """Begin at the oldest entry, for what was sent counts as never sent."""
        self._turn += 1
        self._passed = dict.fromkeys(_Source, _BEFORE_ALL)
        self.restarted.set()

    async def next_batch(self) -> list[Row]:
        """The next entries of one epoch that one batch can carry; empty when there are none. Raises OutboxFault."""
        if self._rewound != self._outbox.rewound:
            self._rewound = self._outbox.rewound
            self.again()
        self.restarted.clear()
        for source in _Source:
            if rows := await self._next_of(source):
                return rows
        return []

    async def _next_of(self, source: _Source) -> list[Row]:
        while True:
            turn = self._turn
            rows = await self._read(source)
            if turn != self._turn:
                continue
            if not rows:
                return []
            batch = cut(rows)
            self._passed[source] = batch[-1].id
            if fresh := [row for row in batch if not self._window.holds(row)]:
                return fresh

    async def _read(self, source: _Source) -> list[Row]:
        after = self._passed[source]
        if source is _Source.TOMBSTONES:
            return await self._outbox.owed_tombstones(after=after, limit=MAX_BATCH_ENTRIES)
        kind = Kind.EVENT if source is _Source.EVENTS else Kind.READING
        return await self._outbox.unsent(kind, after=after, before=self._outbox.live.floor, limit=MAX_BATCH_ENTRIES)


def cut(rows: list[Row]) -> list[Row]:
    """The leading rows that one batch can carry: one epoch, a bounded size."""
    size = 0
    for index, row in enumerate(rows):
        size += len(row.body) + 1
        if row.epoch_number != rows[0].epoch_number or (index and size > BATCH_BYTES):
            return rows[:index]
    return rows
