"""What a hub says to its WebSocket clients besides events: one struct for each `type`, as one table.

The hub makes these messages where it has their parts; a test holds what it says to this table, from which the AsyncAPI document is made.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from vitals.readings import Instant


class HubMessage(msgspec.Struct, frozen=True, kw_only=True):
    """Base of them all. `id` is that of the request which it answers."""

    id: int | UnsetType = UNSET


class MissingRange(msgspec.Struct, frozen=True, kw_only=True):
    """Offsets `first` to `last` of `epoch`; null where it isn't known."""

    epoch: str | None
    first: int | None
    last: int | None


class SubscriptionAnswer(HubMessage, frozen=True, kw_only=True):
    """A subscription holds (`subscribed`, with the position from which on it does), or not (`denied`, `unsubscribed`, `revoked`).

    `missing`: not all messages after the position that was asked for can be had; `snapshot` is then the room's latest state.
    """

    room: str
    status: Literal["subscribed", "denied", "unsubscribed", "revoked"]
    reason: str | UnsetType = UNSET
    epoch: str | UnsetType = UNSET
    offset: int | UnsetType = UNSET
    n: int | UnsetType = UNSET
    recovered: bool | UnsetType = UNSET
    replayed: int | UnsetType = UNSET
    missing: MissingRange | UnsetType = UNSET
    snapshot: Any = UNSET


class ServerPing(HubMessage, frozen=True, kw_only=True):
    """Asks for a sign of life; any frame is one."""


class PongAnswer(HubMessage, frozen=True, kw_only=True):
    """How the road behind the hub is. `judged_at` is when ingest and timers were last alive."""

    time: Instant
    upstream: Literal["ok", "redis_lost", "ingest_lost"]
    judged_at: Instant | None


class ExpiringNotice(HubMessage, frozen=True, kw_only=True):
    """The connection's token is about to end: send `refresh`."""

    expires: Instant


class RefreshedAnswer(HubMessage, frozen=True, kw_only=True):
    """The new token counts from now on."""

    expires: Instant


class HistoryAnswer(HubMessage, frozen=True, kw_only=True):
    """Messages that a room still has, oldest first; go on from `next`."""

    room: str
    messages: list[dict[str, Any]]
    next: dict[str, Any]


class PresenceAnswer(HubMessage, frozen=True, kw_only=True):
    """Who is in a room."""

    room: str
    users: Any


class PresenceChangeNotice(HubMessage, frozen=True, kw_only=True):
    """Someone came, left, or is more or less active."""

    room: str
    user: str
    status: str


class ErrorAnswer(HubMessage, frozen=True, kw_only=True):
    """A message was refused; the connection goes on. `room` where it is about one."""

    code: str
    message: str
    room: str | UnsetType = UNSET


HUB_MESSAGES: Final[Mapping[str, type[HubMessage]]] = MappingProxyType(
    {
        "subscription": SubscriptionAnswer,
        "ping": ServerPing,
        "pong": PongAnswer,
        "heartbeat": PongAnswer,
        "expiring": ExpiringNotice,
        "refreshed": RefreshedAnswer,
        "history": HistoryAnswer,
        "presence": PresenceAnswer,
        "presence_change": PresenceChangeNotice,
        "error": ErrorAnswer,
    }
)
