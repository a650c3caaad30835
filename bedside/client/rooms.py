"""The rooms that are wanted, and where each stands: which messages are new, which are repeats, which reveal a hole. Pure."""

from collections.abc import Iterable, Sequence
from enum import StrEnum, unique
from typing import Any

import msgspec

from bedside.client.events import (
    ClientEvent,
    Denied,
    Gap,
    Position,
    Recovered,
    Revoked,
    Subscribed,
)
from bedside.client.incoming import Frame


class RoomRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A room to subscribe to. `since`: go on after a position. `snapshot`, `max_rate` (numerics a second) and `presence` as in the contract."""

    room: str
    since: Position | None = None
    snapshot: bool = False
    max_rate: float | None = None
    presence: bool = False


@unique
class Standing(StrEnum):
    """`asked`: messages are not taken until the answer has come."""

    WANTED = "wanted"
    ASKED = "asked"
    HELD = "held"


@unique
class Fate(StrEnum):
    """What becomes of a message."""

    SHOWN = "shown"
    REPEAT = "repeat"
    HOLE = "hole"


class _Room:
    """`position` None: nothing is had yet. `asked_since`: the position of the request that is under way."""

    def __init__(self, wanted: RoomRequest) -> None:
        self.wanted = wanted
        self.position = wanted.since
        self.standing = Standing.WANTED
        self.asked_since: Position | None = None

    def request(self) -> dict[str, Any]:
        """The entry of a `subscribe` message."""
        wanted, since = self.wanted, self.position
        self.standing, self.asked_since = Standing.ASKED, since
        asked: dict[str, Any] = {"room": wanted.room}
        if since is not None:
            asked["since"] = {"epoch": since.epoch, "offset": since.offset}
        options = {"snapshot": wanted.snapshot, "max_rate": wanted.max_rate}
        return asked | {name: value for name, value in options.items() if value}

    def take(self, message: Frame) -> Fate:
        """Delivery rule 24: epoch first, then offset; rule 27: nothing that a snapshot has, which the hub may leave out, too."""
        position, offset, n = self.position, message.offset or 0, message.n
        if self.standing is not Standing.HELD or position is None:
            return Fate.REPEAT
        if message.epoch != position.epoch:
            return Fate.HOLE
        if offset <= position.offset:
            return Fate.REPEAT
        if offset > position.offset + 1 + message.skipped and position.n is None:
            return Fate.HOLE
        in_snapshot = n is not None and position.n is not None and n <= position.n
        self.position = Position(epoch=position.epoch, offset=offset, n=position.n if in_snapshot else None)
        return Fate.REPEAT if in_snapshot else Fate.SHOWN


class RoomBook:
    """All rooms of one client; it outlives connections."""

    def __init__(self) -> None:
        self._rooms: dict[str, _Room] = {}

    def __contains__(self, room: str) -> bool:
        return room in self._rooms

    def want(self, requests: Iterable[RoomRequest]) -> None:
        """Add rooms, or ask for those that are there anew under other options. A position that is known stays, unless `since` gives one."""
        for wanted in requests:
            known = self._rooms.get(wanted.room)
            self._rooms[wanted.room] = fresh = _Room(wanted)
            if known is not None and wanted.since is None:
                fresh.position = known.position

    def forget(self, rooms: Iterable[str]) -> list[str]:
        """Remove rooms; those that were there."""
        return [room for room in rooms if self._rooms.pop(room, None) is not None]

    def disconnected(self) -> None:
        for room in self._rooms.values():
            room.standing = Standing.WANTED

    def requests(self, *, presence: bool) -> list[dict[str, Any]]:
        """Entries for the rooms, with or without presence, that are neither held nor asked for; they are asked for now."""
        wanted = [room for room in self._rooms.values() if room.standing is Standing.WANTED]
        return [room.request() for room in wanted if room.wanted.presence is presence]

    def want_again(self, rooms: Sequence[str]) -> None:
        """The request failed for now, or a hole was seen: ask again, from where the room stands."""
        for name in rooms:
            if (room := self._rooms.get(name)) is not None:
                room.standing = Standing.WANTED

    def take(self, message: Frame) -> Fate:
        known = self._rooms.get(message.room or "")
        return Fate.REPEAT if known is None else known.take(message)

    def position(self, room: str) -> Position | None:
        """From where a room would be resumed."""
        known = self._rooms.get(room)
        return known.position if known else None

    def answered(self, answer: Frame, raw: bytes) -> ClientEvent | None:
        """Take a `subscription`, whose text is `raw`; what there is to tell of it."""
        room = self._rooms.get(answer.room or "")
        if room is None:
            return None
        match answer.status:
            case "subscribed":
                return _subscribed(room, answer, raw)
            case "denied":
                del self._rooms[room.wanted.room]
                return Denied(room=room.wanted.room, reason=answer.reason or "", raw=raw)
            case "revoked":
                del self._rooms[room.wanted.room]
                return Revoked(room=room.wanted.room, reason=answer.reason or "", raw=raw)
        return None


def _subscribed(room: _Room, answer: Frame, raw: bytes) -> ClientEvent | None:
    """A room's answer, or news of a standing one: messages of it are gone."""
    name, since = room.wanted.room, room.asked_since
    standing, room.standing, room.asked_since = room.standing, Standing.HELD, None
    if answer.recovered:
        return Recovered(room=name, replayed=answer.replayed, raw=raw)
    if standing is Standing.HELD and answer.missing is None:
        return None
    if answer.epoch is None:
        room.position = None
        return Subscribed(room=name, raw=raw)
    epoch, offset = answer.epoch, answer.offset or 0
    room.position = Position(epoch=epoch, offset=offset, n=answer.snapshot_n())
    if since is None and answer.missing is None:
        return Subscribed(
            room=name, epoch=epoch, offset=offset, n=answer.n, snapshot=answer.snapshot_content(), raw=raw
        )
    return Gap(
        room=name, missing=answer.missing, snapshot=answer.snapshot_content(), epoch=epoch, offset=offset, raw=raw
    )
