"""Batches that were sent and whose fate the hub hasn't told: at most `BATCHES`, each with a resend timer of its own.

Pure: time enters as seconds of a monotonic clock.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from edge_agent.outbox.rows import Range, Row
from vitals.envelope import Lane
from vitals.topics import Channel

BATCHES: Final = 64
BACKLOG_BATCHES: Final = 32
"""Of these the backlog may have so many, so that the live lane is never shut out."""
RESEND_SECONDS: Final = 5.0
RESEND_MOST_SECONDS: Final = 60.0


@dataclass(slots=True, kw_only=True)
class Flight:
    """One batch on its way: entries of one outbox epoch by sequence, those already decided taken out."""

    channel: Channel
    lane: Lane
    epoch: str
    rows: dict[int, Row]
    sent_at: float = 0.0
    sendings: int = 0

    @property
    def due_at(self) -> float:
        """When to send again: after its own last sending, later each time."""
        wait = RESEND_SECONDS * 2.0 ** max(0, self.sendings - 1)
        return self.sent_at + float(min(wait, RESEND_MOST_SECONDS))  # delivery rule 4

    def sent(self, now: float) -> None:
        self.sent_at = now
        self.sendings += 1


@dataclass(slots=True)
class Window:
    """The flights of one connection."""

    flights: list[Flight] = field(default_factory=list)
    _ids: set[int] = field(default_factory=set)

    def has_room(self, lane: Lane) -> bool:
        if len(self.flights) >= BATCHES:
            return False
        return lane is Lane.LIVE or sum(flight.lane is lane for flight in self.flights) < BACKLOG_BATCHES

    def add(self, flight: Flight) -> None:
        self.flights.append(flight)
        self._ids.update(row.id for row in flight.rows.values())

    def holds(self, row: Row) -> bool:
        """Whether this entry is on its way."""
        return row.id in self._ids

    def decide(self, epoch: str, ranges: Iterable[Range]) -> int:
        """Take out what the hub has decided, in ranges that don't overlap; how many entries that were."""
        wanted = sorted(ranges)
        firsts = [first for first, _ in wanted]

        def is_decided(sequence: int) -> bool:
            place = bisect_right(firsts, sequence) - 1
            return place >= 0 and sequence <= wanted[place][1]

        decided = 0
        for flight in self.flights:
            if flight.epoch != epoch:
                continue
            gone = [sequence for sequence in flight.rows if is_decided(sequence)]
            for sequence in gone:
                self._ids.discard(flight.rows.pop(sequence).id)
            decided += len(gone)
        self.flights = [flight for flight in self.flights if flight.rows]
        return decided

    def due(self, now: float) -> list[Flight]:
        return [flight for flight in self.flights if flight.sendings and flight.due_at <= now]

    def next_due(self) -> float | None:
        """When the next resend timer runs out; None when nothing is on its way."""
        return min((flight.due_at for flight in self.flights if flight.sendings), default=None)

    def clear(self) -> None:
        """Forget what was sent: it counts as never sent, and the backlog takes it."""
        self.flights.clear()
        self._ids.clear()
