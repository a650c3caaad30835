"""What a client's iterator gives: the hub's events, and what happens to the link and to each room.

Every kind is a frozen struct whose `kind` names it in JSON; the TypeScript client gives objects of the same form.
"""

from datetime import datetime
from typing import Any, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from vitals.events import EventData


class Position(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything of a room up to `offset` of `epoch` is had. `n`: messages at or below it in that epoch are in a snapshot already."""

    epoch: str
    offset: int
    n: int | None = None


class _Told(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    pass


class Event(_Told, frozen=True, kw_only=True, tag="event"):
    """One event, once, however many rooms it came in; `room` is the first of them.

    `data` is the catalogue's struct for `event` (`vitals.events`), or the JSON as it came where the catalogue has none or a newer hub says it
    otherwise. `skipped`: so many older values of the same room and parameters were left out for this one. `raw` is the message as the hub
    sent it. Waveforms have no position.
    """

    event: str
    type: str
    event_id: str
    room: str
    data: EventData | dict[str, Any]
    timestamp: datetime
    epoch: str | None = None
    offset: int | None = None
    n: int | None = None
    test: bool = False
    late: bool = False
    skipped: int = 0
    raw: bytes = b""


class Subscribed(_Told, frozen=True, kw_only=True, tag="subscribed"):
    """A room that was asked for without a position holds: what comes is what is after `offset`. `snapshot` where it was asked for.

    A room that is live only (waveforms) has neither epoch nor offset, and is never resumed. `raw`, here as in all answers about rooms, is the message as the hub sent it.
    """

    room: str
    epoch: str | None = None
    offset: int | None = None
    n: int | None = None
    snapshot: Any = None
    raw: bytes = b""


class Recovered(_Told, frozen=True, kw_only=True, tag="recovered"):
    """A room goes on where it stood: the `replayed` messages that were missed follow, in order."""

    room: str
    replayed: int
    raw: bytes = b""


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """Offsets `first` to `last` of `epoch`; None is not known."""

    epoch: str | None = None
    first: int | None = None
    last: int | None = None


class Gap(_Told, frozen=True, kw_only=True, tag="gap"):
    """Messages of a room can't be had any more. `snapshot` is the room's latest state as the hub's record has it, None where it gave none.

    Messages that the snapshot has already (`n` at or below its own) are not given again.
    """

    room: str
    missing: Missing | None
    snapshot: Any = None
    epoch: str
    offset: int
    raw: bytes = b""


class Denied(_Told, frozen=True, kw_only=True, tag="denied"):
    """The room may not be had; it is not asked for again."""

    room: str
    reason: str
    raw: bytes = b""


class Revoked(_Told, frozen=True, kw_only=True, tag="revoked"):
    """The room is no longer ours: `rights`, `moved` or `discharged`."""

    room: str
    reason: str
    raw: bytes = b""


class PresenceChange(_Told, frozen=True, kw_only=True, tag="presence_change"):
    """Who is there, in a room that was subscribed to with `presence`. `change` is the hub's message: `presence`, all users, or `presence_change`, one."""

    room: str
    change: dict[str, Any]


class Expiring(_Told, frozen=True, kw_only=True, tag="expiring"):
    """The token ends soon; the token callable is being asked for another."""

    expires: datetime | None = None


class Refreshed(_Told, frozen=True, kw_only=True, tag="refreshed"):
    """The hub took a new token on the standing connection."""

    expires: datetime | None = None


class Reconnected(_Told, frozen=True, kw_only=True, tag="reconnected"):
    """The link is back after `attempts`; each room now says `recovered` or `gap`."""

    attempts: int


class Closed(_Told, frozen=True, kw_only=True, tag="closed"):
    """The link is lost, or could not be made. Not `terminal`: it is tried again by itself.

    `code` is the close code, 1006 where there was none, or the HTTP status of a refused handshake. `silent_seconds`: how long nothing had
    come when it was noticed.
    """

    code: int
    reason: str
    terminal: bool
    silent_seconds: float = 0.0


class Condition(_Told, frozen=True, kw_only=True, tag="condition"):
    """How the road behind the hub is: `upstream` is `ok`, `redis_lost` or `ingest_lost`. `time` is the hub's clock."""

    time: datetime
    upstream: str
    judged_at: datetime | None = None


class Refused(_Told, frozen=True, kw_only=True, tag="refused"):
    """The hub answered something of ours with an error that nobody waits for."""

    code: str
    message: str
    room: str | None = None


class Unreadable(_Told, frozen=True, kw_only=True, tag="unreadable"):
    """The hub sent what is no message; `raw` is it."""

    raw: bytes | UnsetType = UNSET


ClientEvent: TypeAlias = (
    Event
    | Subscribed
    | Recovered
    | Gap
    | Denied
    | Revoked
    | PresenceChange
    | Expiring
    | Refreshed
    | Reconnected
    | Closed
    | Condition
    | Refused
    | Unreadable
)
