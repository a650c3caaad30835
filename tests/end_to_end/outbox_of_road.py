"""What the gateway's outbox file tells of its lives: what waits in it, what it believes, and when nobody can have kept anything."""

import itertools
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from device_drivers.framing import IN_A_ROW
from edge_agent.agent import OUTBOX_FILE
from edge_agent.outbox.packing import unpack
from edge_agent.outbox.rows import Kind
from edge_agent.outbox.schema import SEQUENCE_BITS, SEQUENCE_MASK
from edge_agent.outbox.states import EntryState
from simulators.ledger import Gap
from tests.end_to_end.road import Road
from vitals.envelope import DeviceEventEntry, DeviceEventKind, decode_entry

UNCOMMITTED = timedelta(seconds=1)
"""What a killed gateway had in hand: heard, and not yet committed in its outbox. A reading exists from that commit on."""

HELD = timedelta(seconds=IN_A_ROW)
"""What a driver holds of a line without checksums that has just been opened: one frame a second, until so many show a device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One outbox epoch: when its first and its last entry were committed, and when which device was first connected."""

    began: datetime
    ended: datetime
    connected: dict[str, datetime]


def lives_of(road: Road) -> list[Life]:
    """The gateway's lives, in order."""
    with _outbox(road) as database:
        rows = database.execute(
            "SELECT id >> ?, committed, kind, body FROM entries ORDER BY id", (SEQUENCE_BITS,)
        ).fetchall()
    return [_life(list(entries)) for _, entries in itertools.groupby(rows, key=lambda row: row[0])]


def gaps_of(road: Road) -> list[Gap]:
    """What a killed gateway had in hand, of every device; and of serial lines what was said until the next life had opened them.

    A line has no memory, and opening a port throws away what lies in it.
    """
    lives = lives_of(road)
    gaps = [Gap(since=life.ended - UNCOMMITTED, until=life.ended + UNCOMMITTED) for life in lives[:-1]]
    since = datetime.min.replace(tzinfo=UTC)
    for life in lives:
        gaps += [Gap(since=since, until=life.connected.get(line, life.ended), device_id=line) for line in road.lines]
        since = life.ended - HELD
    return gaps


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


def _life(rows: list[tuple[int, int, int, bytes]]) -> Life:
    connected: dict[str, datetime] = {}
    for _, _, kind, body in rows:
        entry = decode_entry(msgspec.Raw(unpack(body))) if kind == Kind.EVENT else None
        if isinstance(entry, DeviceEventEntry) and entry.event.kind is DeviceEventKind.CONNECTED:
            connected.setdefault(entry.event.device.device_id, entry.event.at)
    return Life(began=_at(rows[0][1]), ended=_at(rows[-1][1]), connected=connected)


@contextmanager
def _outbox(road: Road) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"file:{road.layout.gateway_state / OUTBOX_FILE}?mode=ro", uri=True)) as database:
        yield database


def _at(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
