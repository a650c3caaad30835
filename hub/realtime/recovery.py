"""What clients are told of where they stand: positions, what is missing, and a room's latest state; for WebSocket and SSE alike."""

from typing import Final

import msgspec

from hub.realtime.frames import message_json
from hub.rooms.messages import NOWHERE, Gap, Position, Recovered, RoomAddress
from hub.rooms.rooms import Rooms
from hub.rooms.watched import Joined, Snapshot

HISTORY_BYTES: Final = 256 * 1024
"""A page of history; at least one message. What does not fit comes with the next page, from its `next` on."""

Answer = dict[str, object]


def subscribed(joined: Joined, since: Position | None = None) -> Answer:
    """The `subscription` that tells that a room holds, and what became of `since`."""
    answer: Answer = {"type": "subscription", "room": joined.address.room, "status": "subscribed"}
    if joined.position == NOWHERE:
        return answer | {"live_only": True, "recovered": False, "replayed": 0}
    answer |= {
        **position_members(joined.position),
        "n": joined.n,
        "recovered": since is not None and joined.gap is None,
        "replayed": len(joined.messages),
    }
    if joined.gap is not None:
        answer["missing"] = missing(joined.gap, since)
    if joined.snapshot is not None:
        answer["snapshot"] = snapshot_members(joined.snapshot)
    return answer


def missing(gap: Gap, since: Position | None) -> Answer:
    """The range that can't be had: in the present epoch by its offsets, else by where the client stood."""
    if gap.first is not None or since is None:
        return {"epoch": gap.top.epoch, "first": gap.first, "last": gap.last}
    return {"epoch": since.epoch, "first": since.offset + 1, "last": None}


def snapshot_members(snapshot: Snapshot) -> Answer:
    """`{epoch, offset, n, state}`: clients don't show messages of `epoch` with an N up to `n` after it (delivery rule 27)."""
    return {**position_members(snapshot.position), "n": snapshot.n, "state": snapshot.state}


def position_members(position: Position) -> Answer:
    return {"epoch": position.epoch, "offset": position.offset}


async def history_page(rooms: Rooms, address: RoomAddress, *, since: Position | None, limit: int) -> Answer:
    """Messages that a room's history still has, oldest first: those after a position, or the newest; with where to go on.

    `recovered` false: what followed `since` is gone in part; go on from `next`, the oldest that is left. Raises RoomsUnavailable.
    """
    outcome = await rooms.history(address, since=since, limit=limit)
    recovered = isinstance(outcome, Recovered)
    messages: list[msgspec.Raw] = []
    reached = since if recovered and since is not None else outcome.top.position
    size = 0
    for message in outcome.messages if recovered else ():
        text = message_json(message)
        size += len(text)
        if messages and size > HISTORY_BYTES:
            break
        messages.append(msgspec.Raw(text))
        reached = message.position
    page: Answer = {"room": address.room, "recovered": recovered, "messages": messages}
    if isinstance(outcome, Gap):
        page["missing"] = missing(outcome, since)
        oldest = outcome.top.oldest - 1 if outcome.top.oldest else outcome.top.offset
        reached = Position(epoch=outcome.top.epoch, offset=oldest if outcome.last is None else outcome.last)
    top = {**position_members(outcome.top.position), "n": outcome.top.n}
    return page | {"next": position_members(reached), "top": top}
