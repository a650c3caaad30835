"""What the gateway's outbox file tells of its lives: what waits in it, what it believes, and when nobody can have kept anything."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from edge_agent.agent import OUTBOX_FILE
from edge_agent.outbox.schema import SEQUENCE_BITS, SEQUENCE_MASK
from edge_agent.outbox.states import EntryState
from simulators.ledger import Gap
from tests.end_to_end.road import Road

UNCOMMITTED = timedelta(seconds=1)
"""What a killed gateway had in hand: heard, and not yet committed in its outbox. A reading exists from that commit on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One outbox epoch: when its first and its last entry were committed."""

    began: datetime
    ended: datetime


def lives_of(road: Road) -> list[Life]:
    """The gateway's lives, in order."""
    with _outbox(road) as database:
        rows = database.execute(
            "SELECT min(committed), max(committed) FROM entries GROUP BY id >> ? ORDER BY id >> ?",
            (SEQUENCE_BITS, SEQUENCE_BITS),
        ).fetchall()
    return [Life(began=_at(first), ended=_at(last)) for first, last in rows]


def gaps_of(road: Road) -> list[Gap]:
    """What a killed gateway had in hand, of every device; and all that serial lines said, of which no witness is taken.

    A line has no memory: opening its port throws away what lies in it, and its driver holds the first frames until three show a device.
    """
    gaps = [Gap(since=life.ended - UNCOMMITTED, until=life.ended + UNCOMMITTED) for life in lives_of(road)[:-1]]
    always = {"since": datetime.min.replace(tzinfo=UTC), "until": datetime.max.replace(tzinfo=UTC)}
    return gaps + [Gap(**always, device_id=line) for line in road.lines]


def unsent(road: Road, end: datetime) -> int:
    """How many entries that the gateway committed before `end` the hub has not decided."""
    with _outbox(road) as database:
        (count,) = database.execute(
            "SELECT count(*) FROM entries WHERE state = ? AND committed < ?",
            (EntryState.UNSENT, end.timestamp() * 1000),
        ).fetchone()
    return count


def believed_recorded(road: Road) -> list[tuple[str, int]]:
    """The entries that the gateway believes recorded: outbox epoch and sequence of each."""
    with _outbox(road) as database:
        return database.execute(
            "SELECT name, id & ? FROM entries JOIN epochs ON number = id >> ? WHERE state = ?",
            (SEQUENCE_MASK, SEQUENCE_BITS, EntryState.ACKNOWLEDGED),
        ).fetchall()


@contextmanager
def _outbox(road: Road) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"file:{road.layout.gateway_state / OUTBOX_FILE}?mode=ro", uri=True)) as database:
        yield database


def _at(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
