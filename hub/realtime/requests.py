"""What a WebSocket client may send, decoded strictly: a struct for each type, or an error that names the fault."""

from collections.abc import Mapping
from enum import StrEnum, unique
from types import MappingProxyType
from typing import Annotated, Any, Final, TypeAlias

import msgspec

from hub.errors import HubError
from hub.rooms.messages import Position
from hub.rooms.presence import Activity


@unique
class Code(StrEnum):
    """The `code` of an `error` message."""

    BAD_MESSAGE = "bad_message"
    UNKNOWN_TYPE = "unknown_type"
    UNKNOWN_ROOM = "unknown_room"
    FORBIDDEN = "forbidden"
    RATE_LIMITED = "rate_limited"
    TOO_MANY_ROOMS = "too_many_rooms"
    TOO_LARGE = "too_large"
    CONFLICT = "conflict"
    UNAVAILABLE = "unavailable"


class BadRequest(HubError):
    """A message that is answered with an error; `request_id` is the message's `id` where it could be read."""

    def __init__(self, code: Code, message: str, request_id: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.request_id = request_id


MaxRate: TypeAlias = Annotated[float, msgspec.Meta(ge=0.01, le=1000)]
"""Numerics a second, per room and parameter, the latest of them; spot values and alerts always come."""


class RoomRequest(msgspec.Struct, frozen=True, kw_only=True):
    room: str
    since: Position | None = None
    max_rate: MaxRate | None = None
    snapshot: bool = False


class Subscribe(msgspec.Struct, frozen=True, kw_only=True):
    """`room`, or several `rooms`, each a name or an object with its own `since`, `max_rate` and `snapshot`; for the rest the message's own count.
    With `presence`, who is there is told too.
    """

    room: str | None = None
    rooms: list[RoomRequest | str] | None = None
    since: Position | None = None
    max_rate: MaxRate | None = None
    snapshot: bool = False
    presence: bool = False
    id: int | None = None

    def wanted(self) -> list[RoomRequest]:
        """The rooms asked for. Raises BadRequest where there are none, or both forms."""
        if (self.room is None) == (self.rooms is None):
            raise BadRequest(Code.BAD_MESSAGE, "name one room, or a list of rooms", self.id)
        if self.room is not None:
            return [self._completed(RoomRequest(room=self.room, since=self.since))]
        named = [RoomRequest(room=room) if isinstance(room, str) else room for room in self.rooms or ()]
        return [self._completed(room) for room in named]

    def _completed(self, room: RoomRequest) -> RoomRequest:
        rate, snapshot = room.max_rate or self.max_rate, room.snapshot or self.snapshot
        return msgspec.structs.replace(room, max_rate=rate, snapshot=snapshot)


class Unsubscribe(Subscribe, frozen=True, kw_only=True):
    pass


class History(msgspec.Struct, frozen=True, kw_only=True):
    """Messages that a room still has: at most `limit` after `since`, or the newest."""

    room: str
    since: Position | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100
    id: int | None = None


class Ping(msgspec.Struct, frozen=True, kw_only=True):
    id: int | None = None


class Pong(msgspec.Struct, frozen=True, kw_only=True):
    id: int | None = None


class PresenceQuestion(msgspec.Struct, frozen=True, kw_only=True):
    room: str
    id: int | None = None


class ActivityReport(msgspec.Struct, frozen=True, kw_only=True):
    """How active the user is on this connection."""

    status: Activity
    id: int | None = None


class Refresh(msgspec.Struct, frozen=True, kw_only=True):
    """A new token of the same subject, before the present one ends."""

    token: str
    id: int | None = None


ClientRequest: TypeAlias = Subscribe | Unsubscribe | History | Ping | Pong | PresenceQuestion | ActivityReport | Refresh

TYPES: Final[Mapping[str, type[ClientRequest]]] = MappingProxyType(
    {
        "subscribe": Subscribe,
        "unsubscribe": Unsubscribe,
        "history": History,
        "ping": Ping,
        "pong": Pong,
        "presence": PresenceQuestion,
        "activity": ActivityReport,
        "refresh": Refresh,
    }
)


NEVER_LIMITED: Final = frozenset({"acknowledge", "pause"})
"""Types that pass whatever the rate: a person at an alarm must not wait."""


class _Outline(msgspec.Struct, frozen=True, kw_only=True):
    type: object = None
    id: object = None


_outline: Final = msgspec.json.Decoder(_Outline).decode


def is_limited(text: object) -> bool:
    """Whether a message is held to its user's rate; one that can't be read is."""
    return _outline_of(text).type not in NEVER_LIMITED


def is_pong(text: object) -> bool:
    """Whether a message is an answer to a ping."""
    return _outline_of(text).type == "pong"


def id_of(text: object) -> int | None:
    """A message's `id`, where it can be read."""
    request_id = _outline_of(text).id
    return request_id if type(request_id) is int else None


def _outline_of(text: object) -> _Outline:
    try:
        outline = _outline(text) if isinstance(text, str) else _Outline()
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _Outline()
    return outline if isinstance(outline.type, str) else _Outline(id=outline.id)


def decode_request(text: str | bytes) -> ClientRequest:
    """The request in one text frame. Fields that a type does not have are ignored. Raises BadRequest."""
    try:
        fields: Any = msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise BadRequest(Code.BAD_MESSAGE, "the message is not JSON") from error
    if not isinstance(fields, dict):
        raise BadRequest(Code.BAD_MESSAGE, "the message must be a JSON object with a type")
    request_id = fields.get("id")
    if type(request_id) is not int:
        request_id = None
    kind = fields.get("type")
    if not isinstance(kind, str):
        raise BadRequest(Code.BAD_MESSAGE, "the message has no type", request_id)
    if kind not in TYPES:
        raise BadRequest(Code.UNKNOWN_TYPE, f"there is no type {kind[:40]!r}; known are {', '.join(TYPES)}", request_id)
    try:
        return msgspec.convert(fields, TYPES[kind])
    except (msgspec.ValidationError, RecursionError) as error:
        raise BadRequest(Code.BAD_MESSAGE, str(error)[:200], request_id) from error
