"""Publications and fences for tests: what an owner would hand to the rooms."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from hub.latest import LatestStates
from hub.publication import Fence, Publication
from vitals.events import EventName

HOSPITAL = "h1"
VITALS = "patient:p1:vitals"
ALERTS = "patient:p1:alerts"


class NoStates:
    """A record in which no room has a state, and that has committed all that was ever published."""

    async def states(self, hospital_id: str, rooms: Sequence[str]) -> LatestStates:
        return LatestStates(record_epoch=1, n=10**9, states=dict.fromkeys(rooms))


def fence(*, record_epoch: int = 1, lease_seconds: float = 60) -> Fence:
    return Fence(record_epoch=record_epoch, token=1, lease_ends=datetime.now(UTC) + timedelta(seconds=lease_seconds))


def publication(
    n: int,
    *rooms: str,
    record_epoch: int = 1,
    hospital_id: str = HOSPITAL,
    event: EventName = EventName.PATIENT_VITALS_UPDATE,
    test: bool = False,
    padding: int = 0,
) -> Publication:
    return Publication(
        hospital_id=hospital_id,
        record_epoch=record_epoch,
        n=n,
        event=event,
        event_id=f"{hospital_id}-{record_epoch}-{n}",
        rooms=rooms or (VITALS,),
        data=msgspec.Raw(msgspec.json.encode({"heart_rate": n, "padding": "x" * padding})),
        timestamp=datetime(2026, 11, 24, 12, tzinfo=UTC) + timedelta(seconds=n),
        test=test,
    )
