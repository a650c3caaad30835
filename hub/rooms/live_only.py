"""Messages of rooms that remember nothing: how they go over Redis's channel, one payload for all that a room is told at once.

A payload is their bodies (see `hub.rooms.messages`), one after the other. Such a message has no place: no epoch, no offset, no N.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

import msgspec

from hub.limits import Limits
from hub.publication import Fence
from hub.rooms.messages import Message, body_of_event, message_from
from vitals.events import EventName

BODY_LINES = 3


class LiveMessage(msgspec.Struct, frozen=True, kw_only=True):
    """What is told to those who are there. `data` is JSON of the event's data."""

    event: EventName
    event_id: str
    data: bytes
    timestamp: datetime
    test: bool = False


def payload_of(messages: Iterable[LiveMessage]) -> bytes:
    """What goes over the channel."""
    return b"\n".join(
        body_of_event(message.event, message.event_id, message.timestamp, message.data, test=message.test)
        for message in messages
    )


def messages_in(room: str, payload: bytes) -> Iterator[Message]:
    """The messages of a payload. Raises Unreadable for bytes that no `payload_of` made."""
    lines = payload.split(b"\n")
    for place in range(0, len(lines), BODY_LINES):
        body = b"\n".join(lines[place : place + BODY_LINES])
        yield message_from(room, record_epoch=0, epoch="", offset=0, n=0, body=body)


def arguments_of(fence: Fence | None, limits: Limits, payloads: Sequence[bytes]) -> list[str | bytes | int]:
    """What `publish_live.lua` is given."""
    if fence is None:
        return [0, 0, 0, *payloads]
    ends, margin = int(fence.lease_ends.timestamp() * 1000), int(limits.lease_margin_seconds * 1000)
    return [fence.record_epoch, ends, margin, *payloads]
