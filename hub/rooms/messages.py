"""What a room carries: positions, messages, and the bytes of a message in Redis.

A body is three lines, none of which holds a line feed: the event's name; the members that every client sees (`type`, `event_id`,
`timestamp`, `test`, `late`), as JSON without its braces; the event's data, as JSON. It is the same in every room that the event goes to, and each serving node puts room
and position around it once for all its clients.
"""

from datetime import UTC, datetime
from typing import Annotated, ClassVar, Final

import msgspec

from hub.errors import Unreadable
from hub.publication import Publication
from vitals.events import EventName, message_type
from vitals.identifiers import HospitalId

MAX_OFFSET: Final = 2**53 - 1
"""Which every client's numbers hold exactly (RFC 8259, section 6)."""


class RoomAddress(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A room's name and the hospital in whose stream it lives: `system` for system and admin rooms."""

    hospital_id: HospitalId
    room: str


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """Where a subscriber stands in a room: it has everything up to `offset` of `epoch`. The epoch is opaque."""

    epoch: str
    offset: Annotated[int, msgspec.Meta(ge=0, le=MAX_OFFSET)]


NOWHERE: Final = Position(epoch="", offset=0)
"""Where everybody stands in a room that remembers nothing."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message in one room, with its place there. `members` and `data` are JSON, see the module."""

    room: str
    record_epoch: int
    epoch: str
    offset: int
    n: int
    event: str
    members: bytes
    data: bytes

    @property
    def position(self) -> Position:
        return Position(epoch=self.epoch, offset=self.offset)

    @property
    def is_live_only(self) -> bool:
        """Whether it has no place in a history: see `hub.rooms.live_only`."""
        return not self.epoch


class RoomTop(msgspec.Struct, frozen=True, kw_only=True):
    """A room's newest position; `oldest` is the first offset that its history still has, 0 for none."""

    record_epoch: int
    epoch: str
    offset: int
    n: int
    oldest: int

    @property
    def position(self) -> Position:
        return Position(epoch=self.epoch, offset=self.offset)


class Recovered(msgspec.Struct, frozen=True, kw_only=True):
    """All messages after a position, up to `top`."""

    result: ClassVar[str] = "recovered"

    top: RoomTop
    messages: tuple[Message, ...]


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """Not all messages after a position can be had: those of `first`..`last` are gone (None: of another epoch, none is known).

    `messages` are the newest without a break, up to `top`: what is left after the gap.
    """

    result: ClassVar[str] = "gap"

    top: RoomTop
    first: int | None = None
    last: int | None = None
    messages: tuple[Message, ...] = ()


_encode: Final = msgspec.json.Encoder().encode


def body_of(publication: Publication) -> bytes:
    """The bytes under which a publication goes to Redis: derived from its content alone (delivery rule 19)."""
    marks = {"test": publication.test, "late": publication.late}
    return body_of_event(
        publication.event, publication.event_id, publication.timestamp, bytes(publication.data), **marks
    )


def body_of_event(event: EventName, event_id: str, timestamp: datetime, data: bytes, **marks: bool) -> bytes:
    """The bytes of one event; of `marks` those that are true are said."""
    members: dict[str, object] = {
        "type": message_type(event),
        "event_id": event_id,
        "timestamp": rfc3339(timestamp),
    } | {mark: True for mark, holds in marks.items() if holds}
    return b"\n".join((event.value.encode(), _encode(members)[1:-1], data.replace(b"\n", b" ").strip()))


def message_from(room: str, *, record_epoch: int, epoch: str, offset: int, n: int, body: bytes) -> Message:
    """The message that a plain body makes at a place. Raises Unreadable for bytes that no `body_of` made."""
    try:
        name, members, data = body.split(b"\n", 2)
        event = name.decode()
    except ValueError:
        raise Unreadable("a message in Redis is none of ours") from None
    return Message(
        room=room,
        record_epoch=record_epoch,
        epoch=epoch,
        offset=offset,
        n=n,
        event=event,
        members=members,
        data=data,
    )


def rfc3339(instant: datetime) -> str:
    """An aware instant in UTC with `Z`, as all our messages write it."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
