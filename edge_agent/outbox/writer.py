"""The one thread that touches the outbox database.

Group commit without a timer: a transaction takes all that came in while the last one was committing, so it is quick when quiet
and dense under load. When the disk refuses, what came is *held* in memory and tried again every `retry_seconds`, in order; the
callers are told so at once and go on. At most `held_bytes` are held; past that the oldest held readings are let go (a tombstone
each), then the oldest held events.
"""

import asyncio
import contextlib
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from edge_agent.errors import DiskProblem, OutboxFault
from edge_agent.outbox.rows import Kind, Range, Row, ranges_of
from edge_agent.outbox.store import Store

EVICTION_FRACTION: Final = 0.90
"""Eviction begins above this part of the cap, a step after each transaction."""
EVICTION_BYTES: Final = 256 << 10
"""Freed by one step: little enough that no commit waits long, more than a transaction usually brings."""
BALLAST_BYTES: Final = 1 << 20
"""A file given up when the disk is full, so that eviction itself has room to write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A step of a transaction. `kept`: tried again after a fault; else its caller gets OutboxFault."""

    run: Callable[[Store], Any]
    done: "asyncio.Future[Any] | None"
    kept: bool
    rows: tuple[Row, ...] = ()


@dataclass(slots=True)
class _Held:
    """What waits for the disk."""

    operations: deque[Operation] = field(default_factory=deque)
    bytes: int = 0


class Writer:
    """Runs operations against the store, in order, as few transactions as their pace allows.

    `on_fault` is called on the event loop with a fault, and with None when the disk takes writes again.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_bytes: int,
        held_bytes: int,
        retry_seconds: float,
        clock: Callable[[], datetime],
        on_fault: Callable[[OutboxFault | None], None],
    ) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._held_bytes = held_bytes
        self._retry_seconds = retry_seconds
        self._clock = clock
        self._on_fault = on_fault
        self._loop = asyncio.get_running_loop()
        self._waiting: list[Operation] = []
        self._wakeup = threading.Condition()
        self._stopping = False
        self._held = _Held()
        self._fault: OutboxFault | None = None
        with _translated():
            self._store = Store(path, max_bytes=max_bytes)
        self._ballast = path.with_suffix(".ballast")
        self._keep_ballast()
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)
        self._thread.start()

    @property
    def held(self) -> int:
        """Operations that wait for the disk."""
        return len(self._held.operations)

    def submit(self, run: Callable[[Store], Any], *, rows: tuple[Row, ...] = ()) -> "asyncio.Future[Any]":
        """Have `run` done in a transaction. Its result is there after the commit; a fault leaves it to be tried again, and
        the result is then OutboxFault."""
        return self._enqueue(run, rows=rows, kept=True)

    def query(self, run: Callable[[Store], Any]) -> "asyncio.Future[Any]":
        """Have `run` done in a transaction, once. The result may be OutboxFault."""
        return self._enqueue(run, rows=(), kept=False)

    async def close(self) -> int:
        """Commit what came, and close; how many operations are lost because the disk still refuses them."""
        with self._wakeup:
            self._stopping = True
            self._wakeup.notify()
        await asyncio.to_thread(self._thread.join)
        self._store.close()
        return self.held

    def _enqueue(self, run: Callable[[Store], Any], *, rows: tuple[Row, ...], kept: bool) -> "asyncio.Future[Any]":
        done = self._loop.create_future()
        with self._wakeup:
            if self._stopping:
                raise OutboxFault(DiskProblem.BROKEN, "closed")
            self._waiting.append(Operation(run=run, done=done, kept=kept, rows=rows))
            self._wakeup.notify()
        return done

    def _run(self) -> None:
        while True:
            with self._wakeup:
                if not self._waiting and not self._stopping:
                    self._wakeup.wait(self._retry_seconds if self._fault else None)
                taken, self._waiting = self._waiting, []
                stopping = self._stopping
            self._commit([*self._held.operations, *taken], fresh=taken)
            if stopping:
                return

    def _commit(self, operations: Sequence[Operation], *, fresh: Sequence[Operation]) -> None:
        if not operations:
            return
        try:
            results = self._attempt(operations)
        except sqlite3.Error as error:
            self._refused(fault_of(error), fresh)
        else:
            self._answer([(operation.done, result) for operation, result in zip(operations, results, strict=True)])
            self._recovered()
            if any(operation.rows for operation in operations):
                self._evict_early()

    def _attempt(self, operations: Sequence[Operation]) -> list[Any]:
        try:
            return self._transaction(operations)
        except sqlite3.OperationalError as error:
            if fault_of(error).reason is not DiskProblem.FULL:
                raise
            self._make_room()
            return self._transaction(operations)

    def _transaction(self, operations: Sequence[Operation]) -> list[Any]:
        try:
            with self._store.transaction():
                return [operation.run(self._store) for operation in operations]
        except Exception as error:
            if _is_disk(error):
                raise
        # A bug in one of them: taken each alone, so that no other suffers.
        return [self._alone(operation) for operation in operations]

    def _alone(self, operation: Operation) -> Any:  # noqa: ANN401 - whatever the operation returns
        try:
            with self._store.transaction():
                return operation.run(self._store)
        except Exception as error:
            if _is_disk(error):
                raise
            return error

    def _make_room(self) -> None:
        self._ballast.unlink(missing_ok=True)
        self._evict_step()

    def _evict_step(self) -> None:
        with self._store.transaction():
            self._store.evict_to(self._store.used_bytes() - EVICTION_BYTES, now=_milliseconds(self._clock()))

    def _evict_early(self) -> None:
        try:
            if self._store.used_bytes() > self._max_bytes * EVICTION_FRACTION:
                self._evict_step()
        except sqlite3.Error as error:
            self._refused(fault_of(error), ())

    def _keep_ballast(self) -> None:
        with contextlib.suppress(OSError):  # a full disk has no room for it; tried again after the next recovery
            if not self._ballast.exists():
                self._ballast.write_bytes(bytes(BALLAST_BYTES))

    def _refused(self, fault: OutboxFault, fresh: Sequence[Operation]) -> None:
        self._answer([(operation.done, fault) for operation in fresh])
        for operation in fresh:
            if operation.kept:
                self._held.operations.append(operation)
                self._held.bytes += _size(operation)
        self._shed()
        if self._fault is None or self._fault.reason is not fault.reason:
            self._fault = fault
            self._tell(fault)

    def _shed(self) -> None:
        for kind in Kind:
            if self._held.bytes <= self._held_bytes:
                return
            self._shed_kind(kind)

    def _shed_kind(self, kind: Kind) -> None:
        """Let the oldest held rows of one kind go; what is kept of them is their ranges, in one operation at the front."""
        dropped: list[int] = []
        kept: deque[Operation] = deque()
        for operation in self._held.operations:
            over = self._held.bytes > self._held_bytes
            if over and operation.rows and all(row.kind is kind for row in operation.rows):
                dropped.extend(row.id for row in operation.rows)
                self._held.bytes -= _size(operation)
            else:
                kept.append(operation)
        if dropped:
            kept.appendleft(_tombstones(ranges_of(sorted(dropped)), _milliseconds(self._clock())))
        self._held.operations = kept

    def _recovered(self) -> None:
        self._held = _Held()
        if self._fault is not None:
            self._fault = None
            self._keep_ballast()
            self._tell(None)

    def _answer(self, results: list[tuple["asyncio.Future[Any] | None", Any]]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(_resolve, results)

    def _tell(self, fault: OutboxFault | None) -> None:
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._on_fault, fault)


def _is_disk(error: Exception) -> bool:
    """Whether the disk is to blame, and not the one who asked."""
    return isinstance(error, sqlite3.Error) and not isinstance(error, sqlite3.IntegrityError | sqlite3.ProgrammingError)


def fault_of(error: sqlite3.Error) -> OutboxFault:
    """sqlite3's error in our words."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    reasons = {
        sqlite3.SQLITE_FULL: DiskProblem.FULL,
        sqlite3.SQLITE_READONLY: DiskProblem.READ_ONLY,
        sqlite3.SQLITE_CANTOPEN: DiskProblem.READ_ONLY,
        sqlite3.SQLITE_CORRUPT: DiskProblem.CORRUPT,
        sqlite3.SQLITE_NOTADB: DiskProblem.CORRUPT,
    }
    return OutboxFault(reasons.get(code, DiskProblem.BROKEN), str(error))


@contextlib.contextmanager
def _translated() -> Any:  # noqa: ANN401 - a context manager without a value
    try:
        yield
    except sqlite3.Error as error:
        raise fault_of(error) from error


def _tombstones(ranges: list[Range], now: int) -> Operation:
    return Operation(run=lambda store: store.add_tombstones(ranges, now=now, reason="disk_fault"), done=None, kept=True)


def _size(operation: Operation) -> int:
    return sum(len(row.body) for row in operation.rows)


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _resolve(results: list[tuple["asyncio.Future[Any] | None", Any]]) -> None:
    for done, result in results:
        if done is None or done.done():
            continue
        if isinstance(result, Exception):
            done.set_exception(result)
        else:
            done.set_result(result)
