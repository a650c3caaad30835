"""Whether what arrives is the newest of its kind, or was overtaken on its way: then it is late, and never shown as now.

Times are a gateway's clock, which may be wrong and be set right: a step back must not make all that follows late. So what has a
higher sequence of the same outbox epoch is never overtaken, and a time that lies in the hub's future overtakes nothing.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from vitals.identifiers import OutboxEpoch

AHEAD: Final = timedelta(minutes=1)
"""So far one clock may be ahead of another without being wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An entry's place in its gateway's outbox."""

    epoch: OutboxEpoch
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    at: datetime
    place: Place | None


class Newest:
    """The newest of each key that has been taken."""

    def __init__(self) -> None:
        self._seen: dict[Hashable, _Seen] = {}

    def takes(
        self,
        key: Hashable,
        at: datetime,
        *,
        now: datetime,
        place: Place | None = None,
        recorded: datetime | None = None,
    ) -> bool:
        """Whether nothing newer than `at` has been taken under `key`; then this is the newest.

        `now` is the hub's clock; `recorded` what the record has as the newest, for what was taken before this process.
        """
        seen = self._seen.get(key) or (_Seen(at=recorded, place=None) if recorded else None)
        if seen is not None and at < seen.at <= now + AHEAD and not _follows(place, seen.place):
            return False
        self._seen[key] = _Seen(at=at, place=place)
        return True


def _follows(place: Place | None, other: Place | None) -> bool:
    """Whether a gateway put this after the other into one outbox epoch."""
    return place is not None and other is not None and place.epoch == other.epoch and place.sequence > other.sequence
