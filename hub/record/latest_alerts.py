"""The newest alert episodes of patients, and the newest announcements of alert rooms that belong to no such episode."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.record.publications import of_announcement
from hub.record.rows import Row
from hub.record.schema import announcements, episodes
from vitals.events import EVENTS
from vitals.identifiers import HospitalId, PatientId
from vitals.rooms import RoomKind

RECENT: Final = timedelta(hours=24)
"""How long after its end an episode still stands in the latest state, measured from the newest that the hospital had."""
MAX_ENDED: Final = 500
MAX_NOTICES: Final = 20
"""Announcements a room, the newest."""
PAGE: Final = 500
LOOK_BACK_N: Final = 100_000
"""How far back, in messages of the hospital, what an open episode last said is looked for."""

_ALERT_KINDS: Final = frozenset({RoomKind.PATIENT_ALERTS, RoomKind.WARD_ALERTS, RoomKind.HOSPITAL_ALERTS})
_EVENTS: Final = tuple(event.value for event, facts in EVENTS.items() if _ALERT_KINDS & set(facts.rooms))


class Alerts:
    """One hospital's, read once for all its rooms."""

    def __init__(self) -> None:
        self._episodes: dict[str, dict[str, Any]] = {}
        self._notices: dict[str, list[dict[str, Any]]] = defaultdict(list)

    def of_patients(self, patient_ids: Collection[PatientId]) -> list[dict[str, Any]]:
        """Episodes of patients, the newest first: open ones, and those that ended lately."""
        return [episode for episode in self._episodes.values() if episode["patient_id"] in patient_ids]

    def of_all(self) -> list[dict[str, Any]]:
        """Every patient's episodes, as in `of_patients`."""
        return [*self._episodes.values()]

    def notices(self, room: str) -> list[dict[str, Any]]:
        """What else was announced in a room, the newest first."""
        return self._notices[room]

    async def load(self, connection: AsyncConnection, hospital_id: HospitalId, n: int, rooms: Collection[str]) -> None:
        """Read everything, as of this transaction, which sees N = `n`. `rooms` are those whose notices are wanted."""
        for row in await _episode_rows(connection, hospital_id):
            self._episodes[row["episode_id"]] = _episode(row)
        unsaid = {episode_id for episode_id, episode in self._episodes.items() if episode["state"] == "open"}
        before, end = n + 1, n - LOOK_BACK_N
        while rows := await _page(connection, hospital_id, before, end):
            for row in rows:
                unsaid.discard(self._take(row, rooms))
            before = rows[-1]["n"]
            if not unsaid:
                return

    def _take(self, row: Row, rooms: Collection[str]) -> str:
        """The episode that an announcement tells of."""
        publication = of_announcement(row, 0)
        data: dict[str, Any] = msgspec.json.decode(publication.data)
        episode_id: str = data.get("episode_id", "")
        if (episode := self._episodes.get(episode_id)) is not None:
            for name in ("severity", "message", "kind", "data"):
                episode.setdefault(name, data.get(name))
            return episode_id
        notice = {
            "event": publication.event,
            "event_id": publication.event_id,
            "timestamp": publication.timestamp,
            "data": publication.data,
            "n": publication.n,
        }
        if publication.test:
            notice["test"] = True
        for room in set(publication.rooms).intersection(rooms):
            if len(self._notices[room]) < MAX_NOTICES:
                self._notices[room].append(notice)
        return episode_id


async def _episode_rows(connection: AsyncConnection, hospital_id: HospitalId) -> list[Row]:
    here = episodes.c.hospital_id == hospital_id
    open_ones = await connection.execute(select(episodes).where(here, episodes.c.ended.is_(None)))
    ended = await connection.execute(
        select(episodes).where(here, episodes.c.ended.is_not(None)).order_by(episodes.c.ended.desc()).limit(MAX_ENDED)
    )
    rows: list[Row] = [*open_ones.mappings(), *ended.mappings()]
    rows.sort(key=lambda row: (row["latest"], row["episode_id"]), reverse=True)
    oldest = rows[0]["latest"] - RECENT if rows else None
    return [row for row in rows if row["ended"] is None or row["ended"] >= oldest]


def _episode(row: Row) -> dict[str, Any]:
    episode: dict[str, Any] = {
        "episode_id": row["episode_id"],
        "patient_id": row["patient_id"],
        "alert_type": row["alert_type"],
        "state": "open" if row["ended"] is None else "ended",
        "repeat": row["repeats"],
        "started": row["started"],
        "timestamp": row["latest"],
    }
    if row["ended"] is not None:
        episode["ended"] = row["ended"]
    return episode


async def _page(connection: AsyncConnection, hospital_id: HospitalId, before: int, end: int) -> Sequence[Row]:
    """The newest announcements of alert rooms before an N, newest first."""
    found = await connection.execute(
        select(announcements)
        .where(
            announcements.c.hospital_id == hospital_id,
            announcements.c.n < before,
            announcements.c.n > end,
            or_(*(announcements.c.event == event for event in _EVENTS)),
        )
        .order_by(announcements.c.n.desc())
        .limit(PAGE)
    )
    return found.mappings().all()
