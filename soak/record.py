"""A hospital's record and owner, as far as rooms can tell: what is committed, what of it is published, and what a restore takes back."""

import asyncio
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from hub.errors import RecordUnavailable
from hub.latest import LatestStates
from hub.publication import Fence, Publication
from hub.rooms.messages import RoomAddress
from hub.rooms.rooms import MAX_MESSAGES, Rooms
from vitals.events import EventName

HOSPITAL: Final = "soak"
ROOMS: Final = tuple(
    RoomAddress(hospital_id=HOSPITAL, room=room) for room in ("patient:p1:vitals", "patient:p1:alerts", "patient:p1")
)
STATELESS: Final = ROOMS[2].room
"""Of this room the record here tells no state, so that what is left after a gap must be delivered."""


class Record:
    """The truth: `log` says for each N of the present record epoch which rooms its message goes to.

    What is read of it may be `lag` commits old, each time one less, as on a standby that catches up.
    """

    def __init__(self) -> None:
        self.record_epoch = 1
        self.n = 0
        self.published_through = 0
        self.log: dict[int, tuple[str, ...]] = {}
        self.away = False
        self.lag = 0

    def commit(self, rooms: Sequence[RoomAddress]) -> None:
        self.n += 1
        self.log[self.n] = tuple(address.room for address in rooms)

    def restore(self, lost: int) -> None:
        """Lose the last commits, as a restored database does (delivery rule 5)."""
        self.record_epoch += 1
        self.n = max(0, self.n - lost)
        self.published_through = min(self.published_through, self.n)
        self.log = {n: rooms for n, rooms in self.log.items() if n <= self.n}

    def of_room(self, room: str, *, after: int) -> list[int]:
        """Every N of a room after one."""
        return [n for n, rooms in self.log.items() if room in rooms and n > after]

    async def states(self, hospital_id: str, rooms: Sequence[str]) -> LatestStates:
        """Each state is the N that it is of."""
        if self.away:
            raise RecordUnavailable("the record is away, for this run")
        n, record_epoch = max(0, self.n - self.lag), self.record_epoch
        self.lag = max(0, self.lag - 1)
        await asyncio.sleep(0.001)
        state = msgspec.Raw(msgspec.json.encode({"n": n}))
        known = {room: None if room == STATELESS else state for room in rooms}
        return LatestStates(record_epoch=record_epoch, n=n, states=known)


async def publish(record: Record, rooms: Rooms, *, coalesced: bool = False) -> None:
    """Bring the rooms to the record's N, as an owner does (delivery rules 19, 20, 22, 23); `coalesced`: the last message alone."""
    fence = Fence(record_epoch=record.record_epoch, token=1, lease_ends=datetime.now(UTC) + timedelta(seconds=60))
    top = await rooms.top(HOSPITAL)
    if top is None or top.record_epoch < record.record_epoch:
        top = await rooms.begin_epoch(HOSPITAL, fence, new_epoch=_epoch(), from_n=record.published_through)
    due = [n for n in record.log if n > top.n]
    if coalesced:
        due = due[-1:]
    for start in range(0, len(due), MAX_MESSAGES):
        batch = [_publication(record, n) for n in due[start : start + MAX_MESSAGES]]
        top = await rooms.publish(fence, batch, new_epoch=_epoch())
    record.published_through = max(record.published_through, top.n)


def _publication(record: Record, n: int) -> Publication:
    return Publication(
        hospital_id=HOSPITAL,
        record_epoch=record.record_epoch,
        n=n,
        event=EventName.PATIENT_VITALS_UPDATE,
        event_id=f"{record.record_epoch}-{n}",
        rooms=record.log[n],
        data=msgspec.Raw(msgspec.json.encode({"heart_rate": n})),
        timestamp=datetime(2026, 11, 24, tzinfo=UTC),
    )


def _epoch() -> str:
    return secrets.token_hex(8)
