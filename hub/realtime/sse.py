"""Server-sent events: the same delivery as WebSocket, one way, in a form that browsers reconnect by themselves.

A stream's `id` is a cursor over its rooms. A client that comes back with one first gets what it missed, then `recovered` or
`gap`, then what is new. One event that goes to several of a stream's rooms is sent once.
"""

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Final, Protocol

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hub.auth.tokens import Claims
from hub.errors import RoomsUnavailable
from hub.realtime.clients import Close
from hub.realtime.cursor import decode_cursor
from hub.realtime.frames import LAST_CHUNK, Frame, chunk_of, sse_event, sse_message, with_cursor
from hub.realtime.live import Live
from hub.realtime.outbound import Outbound, Outlet
from hub.realtime.recipient import LiveClient
from hub.realtime.standing import NOWHERE
from hub.realtime.wire import EXTENSION
from hub.rooms.feed import Joined
from hub.rooms.messages import Gap, Position, RoomAddress
from vitals.events import EVENTS
from vitals.rooms import RoomKind, is_live_only, parse_room

log = logging.getLogger(__name__)

HEADERS: Final = {"cache-control": "no-store", "x-accel-buffering": "no", "connection": "close"}
REMEMBERED_EVENTS: Final = 1024
RETRY_MILLISECONDS: Final = 3000
COMMENT: Final = chunk_of(b": \n\n")


class HttpConnection(Protocol):
    """The connection that a request came on."""

    def hand_over(self, outbound: Outbound) -> Outlet:
        """Take its transport, in the middle of a response whose head is sent."""


class Stream(LiveClient):
    """One SSE client. The cursor holds the `exact` rooms, all where not said; the others are live only.

    What comes while the rooms are still being joined waits in `_early`, until `connected` has been said.
    """

    transport = "sse"

    def __init__(
        self, live: Live, claims: Claims, addresses: Sequence[RoomAddress], *, exact: frozenset[str] | None = None
    ) -> None:
        super().__init__(live, claims)
        self.rooms = {address.room: address for address in addresses}
        self.ended = False
        self._exact = frozenset(room for room in self.rooms if not is_live_only(room)) if exact is None else exact
        self._standing = NOWHERE
        self._repeatable = repeatable_events(self.rooms)
        self._seen: OrderedDict[bytes, None] | None = OrderedDict() if self._repeatable else None
        self._early: list[bytes] | None = []

    # Outbound

    def open(self, outlet: Outlet, cursor: str | None) -> None:
        """Send to `outlet` from now on, beginning with `connected`. The head of the response has been sent."""
        self._outlet = outlet
        outlet.open(self)
        if self.ended:
            self._finish()
        elif not outlet.ended:
            self.work(self.follow(cursor), name="sse-follow")

    def is_present_in(self, room: str) -> bool:
        """The global stream hears patients and devices from afar: its user is not at each of them."""
        return room in self._exact

    def pass_on(self, frame: Frame, skipped: int) -> None:
        message = frame.message
        if message.room in self._exact:
            self._standing = self._standing.after(frame)
        if message.event in self._repeatable and not self._remember(message.members):
            return
        if skipped:
            self._push(chunk_of(with_cursor(sse_message(message, skipped), self._standing.cursor)))
        else:
            self._push(self._standing.chunk(frame))

    def deliver_live(self, frame: Frame) -> None:
        if self._early is None:
            super().deliver_live(frame)

    def live_bytes(self, frame: Frame) -> bytes:
        return frame.live_chunk

    def missed(self, address: RoomAddress, gap: Gap, position: Position) -> None:
        self.release(address.room)
        self._stand(address.room, position)
        self._standing = self._standing.shared()
        self._tell_gap([_gap(address.room, gap, None)])

    def tick(self, now: float) -> None:
        outlet = self._outlet
        if outlet is not None and self._early is None and now - outlet.last_sent >= self._live.limits.comment_seconds:
            outlet.push(COMMENT)

    def end(self, code: Close, reason: str) -> None:
        if not self.ended:
            log.debug("client %s is closed: %d %s", self.client_id, code, reason)
            self.ended = True
            self._finish()
            self.depart(code)

    def _finish(self) -> None:
        if self._outlet is not None:
            self._outlet.finish([LAST_CHUNK])
            self._outlet.hang_up()

    def _push(self, chunk: bytes) -> None:
        if self._early is not None:
            self._early.append(chunk)
        elif self._outlet is not None:
            self._outlet.push(chunk)

    # Rooms

    async def follow(self, cursor: str | None) -> None:
        """Join all rooms, from the cursor on where there is one; say `connected` when they hold, and what became of the cursor."""
        known = decode_cursor(cursor, self._exact) if cursor else {}
        for room, since in known.items():
            self._stand(room, since)
        joined: list[Joined] = []
        fresh = [address for room, address in self.rooms.items() if room not in known]
        await self._live.hold(fresh, self, lambda holds: self._stand(holds.address.room, holds.position))
        for room, since in known.items():
            await self._resume(self.rooms[room], since, joined)
        connected = {
            "client_id": self.client_id,
            "rooms": [*self.rooms],
            "positions": {room: _position(position) for room, position in self._standing.positions.items()},
        }
        retry = b"retry: %d\n" % RETRY_MILLISECONDS
        early, self._early = self._early, None
        for chunk in (chunk_of(retry + sse_event("connected", connected)), *(early or ())):
            self._push(chunk)
        self._standing = self._standing.shared()
        if cursor:
            self._answer(known, joined)

    async def _resume(self, address: RoomAddress, since: Position, joined: list[Joined]) -> None:
        def announce(holds: Joined) -> None:
            joined.append(holds)
            for message in holds.messages:
                self.deliver(Frame(message))
            self._stand(address.room, holds.position)

        while not self._live.feed.joined(address, self):
            await self._live.feed.wait_healthy()
            with contextlib.suppress(RoomsUnavailable):
                await self._live.feed.resume(address, self, since, announce)
                return
            await asyncio.sleep(self._live.limits.retry_seconds)

    def _answer(self, known: Mapping[str, Position], joined: Sequence[Joined]) -> None:
        gaps = [_gap(holds.address.room, holds.gap, known[holds.address.room]) for holds in joined if holds.gap]
        gaps += [
            {"room": room, "epoch": None, "first": None, "last": None}
            for room in sorted(self._exact)
            if room not in known
        ]
        if gaps:
            self._tell_gap(gaps)
            return
        replayed = sum(len(holds.messages) for holds in joined)
        answer: dict[str, object] = {"replayed": replayed, "rooms": sorted(self._exact)}
        self._push(chunk_of(sse_event("recovered", answer, cursor=self._standing.cursor)))

    def _tell_gap(self, gaps: list[dict[str, object]]) -> None:
        self._push(chunk_of(sse_event("gap", {"missing": gaps}, cursor=self._standing.cursor)))

    def _stand(self, room: str, position: Position) -> None:
        if room in self._exact:
            self._standing = self._standing.at(room, position)

    def _remember(self, event: bytes) -> bool:
        """Whether an event is new to this client. The members hold its id."""
        if self._seen is None or event in self._seen:
            return False
        self._seen[event] = None
        if len(self._seen) > REMEMBERED_EVENTS:
            self._seen.popitem(last=False)
        return True


def repeatable_events(rooms: Iterable[str]) -> frozenset[str]:
    """The events that may come to more than one of these rooms: only they have to be remembered."""
    return _repeatable(frozenset(parse_room(room).kind for room in rooms))


@cache
def _repeatable(kinds: frozenset[RoomKind]) -> frozenset[str]:
    return frozenset(event for event, facts in EVENTS.items() if len(kinds.intersection(facts.rooms)) > 1)


def _position(position: Position) -> dict[str, object]:
    return {"epoch": position.epoch, "offset": position.offset}


def _gap(room: str, gap: Gap, since: Position | None) -> dict[str, object]:
    if gap.first is not None or since is None:
        return {"room": room, "epoch": gap.top.epoch, "first": gap.first, "last": gap.last}
    return {"room": room, "epoch": since.epoch, "first": since.offset + 1, "last": None}


class EventStream(Response):
    """The response that begins a Stream: its head goes out through uvicorn, all else by the stream's own outlet."""

    media_type = "text/event-stream"

    def __init__(self, live: Live, stream: Stream, cursor: str | None) -> None:
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        self._live = live
        self._stream = stream
        self._cursor = cursor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        wire: HttpConnection = scope["extensions"][EXTENSION]
        self._stream.open(wire.hand_over(self._live.clients.outbound), self._cursor)
