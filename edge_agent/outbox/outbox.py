"""The outbox as the agent sees it: give it readings and device events, hand it what the hub says, ask it what is unsent.

Every start opens a fresh random epoch whose first entry names the epoch before (delivery rules 1 and 2). `commit` gives each
entry its sequence at once, so that the order of calls is the order of sequences, and returns when the entry is on the disk.
When the disk refuses, `commit` returns too, with `durable` false: the entry is held in memory and goes out on the live lane, and
is written when the disk recovers. That, and not a halt of the live values, is what a full disk costs.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec

from edge_agent.errors import DiskProblem, OutboxFault
from edge_agent.outbox import schema
from edge_agent.outbox.live import LiveQueue
from edge_agent.outbox.rows import Kind, Row, Summary
from edge_agent.outbox.states import EntryEvent
from edge_agent.outbox.store import Store
from edge_agent.outbox.writer import Writer
from vitals.envelope import (
    Acknowledgement,
    DeviceEvent,
    DeviceEventEntry,
    Greeting,
    OutboxStarted,
    ReadingEntry,
    Rejection,
    Tombstone,
    encode,
    ranges_of,
)
from vitals.readings import Reading

logger = logging.getLogger(__name__)

NO_ID: Final = -1
_RESTART_BITS: Final = 96


class OutboxLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How much an outbox may take. `max_bytes` is of the database file; the log beside it adds about 8 MiB."""

    max_bytes: int = 256 << 20
    held_bytes: int = 8 << 20
    retry_seconds: float = 1.0
    keep_acknowledged_seconds: float = 24 * 3600
    live_entries: int = 500


class Committed(msgspec.Struct, frozen=True, kw_only=True):
    """Under which sequence an entry stands; `durable` false: in memory until the disk recovers."""

    sequence: int
    durable: bool


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """What a word from the hub did. `heeded` false: it was of an older record epoch. `newer`: of a newer one than ever seen."""

    heeded: bool
    newer: bool = False


def random_epoch() -> str:
    return secrets.token_hex(_RESTART_BITS // 8)


class Outbox:
    """One open outbox; made by `open`."""

    def __init__(self, path: Path, *, clock: Callable[[], datetime], limits: OutboxLimits) -> None:
        self._clock = clock
        self._limits = limits
        self._top = 0
        self._epoch_number = 0
        self._session = 0
        self._epoch_names: dict[int, str] = {}
        self.epoch = ""
        self.record_epoch = 0
        self.fault: OutboxFault | None = None
        self.started: Row
        """The first entry of this epoch, there once `open` is back."""
        self.live = LiveQueue(limits.live_entries)
        self.rewound = 0
        """Rises when entries that were passed over may be unsent now: who reads in order starts again at the oldest."""
        self._writer = Writer(
            path,
            max_bytes=limits.max_bytes,
            held_bytes=limits.held_bytes,
            retry_seconds=limits.retry_seconds,
            clock=clock,
            on_fault=self._faulted,
        )

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        clock: Callable[[], datetime],
        limits: OutboxLimits | None = None,
        new_epoch: Callable[[], str] = random_epoch,
    ) -> "Outbox":
        """Open or make the outbox at `path` and begin a new epoch; a corrupt file is put aside. Raises OutboxFault."""
        limits = limits or OutboxLimits()
        try:
            return await cls._open(path, clock, limits, new_epoch)
        except OutboxFault as fault:
            if fault.reason is not DiskProblem.CORRUPT:
                raise
            aside = path.with_suffix(f".corrupt-{clock():%Y%m%dT%H%M%S}")
            logger.exception("outbox: %s is corrupt; kept as %s for recovery, an empty one is begun", path, aside)
            _put_aside(path, aside)
        return await cls._open(path, clock, limits, new_epoch)

    @classmethod
    async def _open(
        cls, path: Path, clock: Callable[[], datetime], limits: OutboxLimits, new_epoch: Callable[[], str]
    ) -> "Outbox":
        outbox = cls(path, clock=clock, limits=limits)
        try:
            await outbox._begin(new_epoch())
        except BaseException:
            await outbox.close()
            raise
        return outbox

    async def close(self) -> None:
        """Commit what was given, and close."""
        lost = await self._writer.close()
        if lost:
            logger.error("outbox: closed while the disk refused writes; %d held steps are lost", lost)

    async def commit(self, *items: Reading | DeviceEvent) -> tuple[Committed, ...]:
        """Keep readings and events, in this order, in one transaction; back when they are on the disk (see `Committed`)."""
        rows = tuple(self._row(item) for item in items)
        if not rows:
            return ()
        try:
            await asyncio.shield(self._writer.submit(lambda store: store.insert(rows), rows=rows))
            durable = True
        except OutboxFault:
            durable = False
        self.live.extend(rows)
        return tuple(Committed(sequence=row.sequence, durable=durable) for row in rows)

    async def apply(self, word: Acknowledgement | Greeting) -> Applied:
        """Learn what the hub says is committed or rejected; back when that is on the disk, or held while the disk refuses."""
        if word.record_epoch < self.record_epoch:  # delivery rule 6
            return Applied(heeded=False)
        newer = word.record_epoch > self.record_epoch
        self.record_epoch = word.record_epoch
        try:
            await asyncio.shield(self._writer.submit(lambda store: _learn(store, word, newer=newer)))
        except OutboxFault:
            logger.debug("outbox: a word of the hub is held until the disk recovers")
        if newer:
            self.rewound += 1
        return Applied(heeded=True, newer=newer)

    async def unsent(self, kind: Kind, *, after: int = NO_ID, before: int | None = None, limit: int) -> list[Row]:
        """Unsent entries of all epochs with `after < id < before`, oldest first. Raises OutboxFault."""
        bound = before if before is not None else self.next_id
        rows: list[Row] = await self._writer.query(
            lambda store: store.unsent(kind, after=after, before=bound, limit=limit)
        )
        return rows

    async def owed_tombstones(self, *, after: int = NO_ID, limit: int) -> list[Row]:
        """A tombstone for each evicted entry that the hub doesn't know of, after id `after`. Raises OutboxFault."""
        owed = await self._writer.query(lambda store: store.owed_tombstones(after=after, limit=limit))
        return [_tombstone_row(identity, evicted, reason) for identity, evicted, reason in owed]

    async def next_session(self) -> int:
        """The number of a new connection to the broker, greater than any before.

        It is the time in seconds where that is greater than the last one and one, so that it rises over the loss of a disk too.
        """
        self._session = session = max(self._session + 1, int(self._clock().timestamp()))
        try:
            await self._writer.submit(lambda store: store.set_counter("session", session))
        except OutboxFault:
            logger.debug("outbox: session number is held until the disk recovers")
        return session

    async def expire(self) -> int:
        """Let a step of acknowledged entries go that are older than they need be kept; call again while it isn't 0."""
        now = self._clock()
        before = now - timedelta(seconds=self._limits.keep_acknowledged_seconds)
        gone: int = await self._writer.query(
            lambda store: store.expire(before=_milliseconds(before), now=_milliseconds(now))
        )
        return gone

    async def summary(self) -> Summary:
        """Raises OutboxFault."""
        found: Summary = await self._writer.query(lambda store: store.summary())
        return found

    def epoch_name(self, row: Row) -> str:
        """The epoch under which an entry was committed."""
        return self._epoch_names[row.epoch_number]

    @property
    def next_id(self) -> int:
        """No entry has this id yet, nor a greater one."""
        return schema.entry_id(self._epoch_number, self._top + 1)

    async def _begin(self, epoch: str) -> None:
        """Open an epoch, its first entry in the same transaction."""
        now = self._clock()

        def begin(store: Store) -> tuple[Row, int, int, dict[int, str]]:
            before = store.latest_epoch()
            number, previous, top = before or (0, None, 0)
            store.add_epoch(number + 1, epoch)  # delivery rule 1
            entry = OutboxStarted(sequence=1, previous_epoch=previous, previous_top=top, at=now)  # delivery rule 2
            row = Row(
                id=schema.entry_id(number + 1, 1), kind=Kind.EVENT, committed=_milliseconds(now), body=encode(entry)
            )
            store.insert((row,))
            return row, store.counter("record_epoch"), store.counter("session"), store.epoch_names()

        self.started, self.record_epoch, self._session, self._epoch_names = await self._writer.query(begin)
        self.epoch, self._epoch_number, self._top = epoch, self.started.epoch_number, 1
        self.live.extend((self.started,))

    def _row(self, item: Reading | DeviceEvent) -> Row:
        self._top += 1
        sequence = self._top
        reading = isinstance(item, Reading)
        entry = (
            ReadingEntry(sequence=sequence, reading=item)
            if isinstance(item, Reading)
            else DeviceEventEntry(sequence=sequence, event=item)
        )
        return Row(
            id=schema.entry_id(self._epoch_number, sequence),
            kind=Kind.READING if reading else Kind.EVENT,
            committed=_milliseconds(self._clock()),
            body=encode(entry),
        )

    def _faulted(self, fault: OutboxFault | None) -> None:
        if fault is None:
            logger.info("outbox: the disk takes writes again")
            self.rewound += 1
        else:
            logger.error(
                "%s; readings are held in memory and still sent live; free some space or check the disk", fault
            )
        self.fault = fault


def _learn(store: Store, word: Acknowledgement | Greeting, *, newer: bool) -> None:
    if newer:
        store.learn_record_epoch(word.record_epoch)
    if isinstance(word, Greeting):
        for epoch, ranges in word.committed.items():
            store.decide(epoch, ranges, EntryEvent.COMMITTED, record_epoch=word.record_epoch)
        return
    store.decide(word.epoch, word.committed, EntryEvent.COMMITTED, record_epoch=word.record_epoch)
    for reason, sequences in _by_reason(word.rejected).items():
        store.decide(
            word.epoch, ranges_of(sequences), EntryEvent.REJECTED, record_epoch=word.record_epoch, reason=reason
        )


def _by_reason(rejected: Sequence[Rejection]) -> dict[str, list[int]]:
    reasons: dict[str, list[int]] = {}
    for rejection in rejected:
        reasons.setdefault(rejection.reason, []).append(rejection.sequence)
    return reasons


def _put_aside(path: Path, aside: Path) -> None:
    path.rename(aside)
    for suffix in ("-wal", "-shm"):
        log = Path(f"{path}{suffix}")
        if log.exists():
            log.rename(f"{aside}{suffix}")


def _tombstone_row(identity: int, evicted: int, reason: str) -> Row:
    at = datetime.fromtimestamp(evicted / 1000, UTC)
    entry = Tombstone(sequence=schema.sequence(identity), at=at, reason=reason)
    return Row(id=identity, kind=Kind.EVENT, committed=evicted, body=encode(entry))


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)
