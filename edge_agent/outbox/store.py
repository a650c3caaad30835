"""The outbox's tables: what is in the database, and the steps that one transaction may take.

Synchronous, for one thread; every method runs inside `transaction()` and leaves the decision to commit to it. Errors are
sqlite3's own: `edge_agent.outbox.writer` translates them.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from edge_agent.outbox import schema
from edge_agent.outbox.packing import pack, unpack
from edge_agent.outbox.rows import Counts, Kind, Range, Row, Summary, subtract
from edge_agent.outbox.states import WITH_CONTENT, EntryEvent, EntryState, moves, transition

EVICTION_STEP: Final = 1000
"""Entries evicted by one statement."""
EVICTION_ORDER: Final = (
    (EntryState.ACKNOWLEDGED, Kind.READING),
    (EntryState.ACKNOWLEDGED, Kind.EVENT),
    (EntryState.SET_ASIDE, Kind.READING),
    (EntryState.UNSENT, Kind.READING),
    (EntryState.SET_ASIDE, Kind.EVENT),
    (EntryState.UNSENT, Kind.EVENT),
)
"""What the hub has goes first, then numerics, then device events and what stands for alerts."""


class Store:
    """One open outbox database."""

    def __init__(self, path: Path, *, max_bytes: int) -> None:
        self._database = schema.connect(path, max_pages=max(64, max_bytes // schema.PAGE_BYTES))
        self._max_bytes = max_bytes
        self._epoch_numbers: dict[str, int] = dict(self._database.execute("SELECT name, number FROM epochs").fetchall())

    def close(self) -> None:
        self._database.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing. Leaving it without an error means that it is on the disk."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    def latest_epoch(self) -> tuple[int, str, int] | None:
        """Number, name and last sequence of the newest epoch."""
        row = self._database.execute("SELECT number, name FROM epochs ORDER BY number DESC LIMIT 1").fetchone()
        if row is None:
            return None
        number, name = row
        low, high = schema.entry_id(number, 0), schema.entry_id(number, schema.SEQUENCE_MASK)
        (top,) = self._database.execute(
            "SELECT max(ifnull((SELECT max(id) FROM entries WHERE id BETWEEN :low AND :high), :low),"
            " ifnull((SELECT max(last) FROM tombstones WHERE first BETWEEN :low AND :high), :low))",
            {"low": low, "high": high},
        ).fetchone()
        return number, name, schema.sequence(top)

    def add_epoch(self, number: int, name: str) -> None:
        """Raises sqlite3.IntegrityError for a name that was used before."""
        self._database.execute("INSERT INTO epochs VALUES (?, ?)", (number, name))
        self._epoch_numbers[name] = number

    def epoch_names(self) -> dict[int, str]:
        """The name of every epoch by its number."""
        return {number: name for name, number in self._epoch_numbers.items()}

    def counter(self, name: str) -> int:
        (value,) = self._database.execute("SELECT value FROM counters WHERE name = ?", (name,)).fetchone()
        return int(value)

    def set_counter(self, name: str, value: int) -> None:
        self._database.execute("UPDATE counters SET value = ? WHERE name = ?", (value, name))

    def insert(self, rows: Iterable[Row]) -> None:
        """Add unsent entries."""
        self._database.executemany(
            "INSERT INTO entries VALUES (?, ?, ?, 0, ?, NULL, ?)",
            [(row.id, row.kind, EntryState.UNSENT, row.committed, pack(row.body)) for row in rows],
        )

    def unsent(self, kind: Kind, *, after: int, before: int, limit: int) -> list[Row]:
        """Unsent entries with `after < id < before`, oldest first. One that the disk garbled becomes a tombstone."""
        found = self._database.execute(
            "SELECT id, committed, body FROM entries"
            " WHERE state = ? AND kind = ? AND id > ? AND id < ? ORDER BY id LIMIT ?",
            (EntryState.UNSENT, kind, after, before, limit),
        )
        rows, unreadable = [], []
        for identity, committed, body in found:
            try:
                rows.append(Row(id=identity, kind=kind, committed=committed, body=unpack(body)))
            except ValueError:
                unreadable.append((identity, committed))
        for identity, committed in unreadable:
            self._evict(identity, EntryState.UNSENT, 0, committed, "unreadable")
        return rows

    def owed_tombstones(self, *, after: int, limit: int) -> list[tuple[int, int, str]]:
        """Id, time and reason of evicted entries of which the hub doesn't know, one for each sequence after `after`."""
        found = self._database.execute(
            "SELECT first, last, evicted, reason FROM tombstones WHERE state = ? AND last > ? ORDER BY first LIMIT ?",
            (EntryState.TOMBSTONE, after, limit),
        )
        owed: list[tuple[int, int, str]] = []
        for first, last, evicted, reason in found:
            start = max(first, after + 1)
            stop = min(last, start + limit - len(owed) - 1)
            owed.extend((identity, evicted, reason) for identity in range(start, stop + 1))
        return owed

    def decide(
        self, epoch: str, ranges: Sequence[Range], event: EntryEvent, *, record_epoch: int, reason: str | None = None
    ) -> None:
        """Learn the hub's word on sequences of `epoch`; of an epoch that isn't ours, nothing."""
        number = self._epoch_numbers.get(epoch)
        if number is None:
            return
        for first, last in ranges:
            wanted = schema.entry_id(number, first), schema.entry_id(number, min(last, schema.SEQUENCE_MASK))
            for before, after in moves(event):
                if before in WITH_CONTENT:
                    self._move_rows(wanted, before, after, record_epoch, reason)
                else:
                    self._move_tombstones(wanted, before, after, record_epoch)

    def learn_record_epoch(self, record_epoch: int) -> None:
        """Void every fate that was learnt under an older record epoch than this one."""
        self.set_counter("record_epoch", record_epoch)
        for before, after in moves(EntryEvent.NEWER_RECORD_EPOCH):  # delivery rule 7
            table = "entries" if before in WITH_CONTENT else "tombstones"
            self._database.execute(
                f"UPDATE {table} SET state = ? WHERE state = ? AND record_epoch < ?",  # noqa: S608 - two known names
                (after, before, record_epoch),
            )

    def evict_to(self, target_bytes: int, *, now: int) -> int:
        """Evict until at most `target_bytes` are used, or nothing is left to evict; how many entries went."""
        evicted = 0
        for state, kind in EVICTION_ORDER:
            while self.used_bytes() > target_bytes and (gone := self._evict_oldest(state, kind, now, "space")):
                evicted += gone
        return evicted

    def expire(self, *, before: int, now: int) -> int:
        """Let acknowledged entries go that were committed before `before`; at most a step of each kind."""
        return sum(
            self._evict_oldest(EntryState.ACKNOWLEDGED, kind, now, "expired", committed_before=before) for kind in Kind
        )

    def add_tombstones(self, ranges: Iterable[Range], *, now: int, reason: str) -> None:
        """Stand for entries that were given a sequence and never got into the database."""
        for first, last in ranges:
            self._add_range(first, last, EntryState.TOMBSTONE, 0, now, reason)  # delivery rule 3

    def used_bytes(self) -> int:
        """Bytes of the database file that hold something; the write-ahead log is not counted."""
        (pages,) = self._database.execute("PRAGMA page_count").fetchone()
        (free,) = self._database.execute("PRAGMA freelist_count").fetchone()
        return int(pages - free) * schema.PAGE_BYTES

    def summary(self) -> Summary:
        rows = self._database.execute("SELECT state, kind, count(*) FROM entries GROUP BY state, kind").fetchall()
        content = {(state, kind): count for state, kind, count in rows}
        gone = dict(
            self._database.execute("SELECT state, sum(last - first + 1) FROM tombstones GROUP BY state").fetchall()
        )
        (oldest,) = self._database.execute(
            "SELECT min(committed) FROM entries WHERE id IN"
            " (SELECT min(id) FROM entries WHERE state = :unsent AND kind = 0"
            " UNION SELECT min(id) FROM entries WHERE state = :unsent AND kind = 1)",
            {"unsent": EntryState.UNSENT},
        ).fetchone()
        reasons = self._database.execute(
            "SELECT reason, count(*) FROM entries WHERE state = ? GROUP BY reason", (EntryState.SET_ASIDE,)
        )
        return Summary(
            counts=Counts(
                unsent_readings=content.get((EntryState.UNSENT, Kind.READING), 0),
                unsent_events=content.get((EntryState.UNSENT, Kind.EVENT), 0),
                acknowledged=sum(content.get((EntryState.ACKNOWLEDGED, kind), 0) for kind in Kind),
                set_aside=sum(content.get((EntryState.SET_ASIDE, kind), 0) for kind in Kind),
                tombstones=gone.get(EntryState.TOMBSTONE, 0),
                evicted=gone.get(EntryState.EVICTED, 0),
            ),
            oldest_unsent=oldest,
            used_bytes=self.used_bytes(),
            max_bytes=self._max_bytes,
            set_aside_reasons={reason or "": count for reason, count in reasons},
        )

    def _move_rows(
        self, wanted: Range, before: EntryState, after: EntryState, record_epoch: int, reason: str | None
    ) -> None:
        self._database.execute(
            "UPDATE entries SET state = ?, record_epoch = ?, reason = ?"
            " WHERE state = ? AND kind IN (0, 1) AND id BETWEEN ? AND ?",
            (after, record_epoch, reason, before, *wanted),
        )

    def _move_tombstones(self, wanted: Range, before: EntryState, after: EntryState, record_epoch: int) -> None:
        found = self._database.execute(
            "SELECT first, last, evicted, reason, record_epoch FROM tombstones"
            " WHERE state = ? AND last >= ? AND first <= ?",
            (before, *wanted),
        ).fetchall()
        for first, last, evicted, reason, older in found:
            self._database.execute("DELETE FROM tombstones WHERE first = ?", (first,))
            for left, right in subtract((first, last), wanted):
                self._insert_range(left, right, before, older, evicted, reason)
            decided = max(first, wanted[0]), min(last, wanted[1])
            self._add_range(*decided, after, record_epoch, evicted, reason)

    def _evict_oldest(
        self, state: EntryState, kind: Kind, now: int, reason: str, *, committed_before: int | None = None
    ) -> int:
        bound = "" if committed_before is None else f" AND committed < {committed_before:d}"
        found = self._database.execute(
            f"SELECT id, record_epoch FROM entries WHERE state = ? AND kind = ?{bound} ORDER BY id LIMIT ?",  # noqa: S608 - a number
            (state, kind, EVICTION_STEP),
        ).fetchall()
        for identity, record_epoch in found:
            self._evict(identity, state, record_epoch, now, reason)
        return len(found)

    def _evict(self, identity: int, state: EntryState, record_epoch: int, now: int, reason: str) -> None:
        self._database.execute("DELETE FROM entries WHERE id = ?", (identity,))
        after = transition(state, EntryEvent.EVICTION)  # delivery rule 3: a tombstone where the hub doesn't know
        self._add_range(identity, identity, after, record_epoch, now, reason)

    def _add_range(
        self, first: int, last: int, state: EntryState, record_epoch: int, evicted: int, reason: str
    ) -> None:
        """Insert, joined to the range before it where that says the same."""
        joined = self._database.execute(
            "UPDATE tombstones SET last = ? WHERE first ="
            " (SELECT max(first) FROM tombstones WHERE first < ?)"
            " AND last = ? AND state = ? AND record_epoch = ? AND reason = ?",
            (last, first, first - 1, state, record_epoch, reason),
        )
        if joined.rowcount == 0:
            self._insert_range(first, last, state, record_epoch, evicted, reason)

    def _insert_range(
        self, first: int, last: int, state: EntryState, record_epoch: int, evicted: int, reason: str
    ) -> None:
        self._database.execute(
            "INSERT INTO tombstones VALUES (?, ?, ?, ?, ?, ?)", (first, last, state, record_epoch, evicted, reason)
        )
