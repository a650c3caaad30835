"""Server-sent events: the same delivery as WebSocket, one way, in a form that browsers reconnect by themselves.

A stream's `id` is a cursor over its rooms. A client that comes back with one first gets what it missed, then `recovered` or
`gap`, then what is new. One event that goes to several of a stream's rooms is sent once.
"""

import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Final, Protocol

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hub.auth.tokens import Claims
from hub.realtime.clients import Close
from hub.realtime.cursor import decode_cursor
from hub.realtime.frames import LAST_CHUNK, Frame, chunk_of, sse_event, sse_message, with_cursor
from hub.realtime.live import Live
from hub.realtime.outbound import Outbound, Outlet
from hub.realtime.recipient import LiveClient
from hub.realtime.recovery import missing, position_members, snapshot_members
from hub.realtime.standing import NOWHERE
from hub.realtime.wire import EXTENSION
from hub.rooms.messages import Position, RoomAddress
from hub.rooms.watched import Joined, Wanted
from vitals.events import EVENTS
from vitals.rooms import RoomKind, is_live_only, parse_room

log = logging.getLogger(__name__)

InScope = Callable[[Claims], Awaitable[Sequence[RoomAddress]]]
"""All rooms that claims may watch."""

HEADERS: Final = {"cache-control": "no-store", "x-accel-buffering": "no", "connection": "close"}
REMEMBERED_EVENTS: Final = 1024
RETRY_MILLISECONDS: Final = 3000
COMMENT: Final = chunk_of(b": \n\n")
HELD: Final = 10_000
"""Messages that may come while a stream's rooms are still being joined."""
VITALS: Final = ":vitals"


class HttpConnection(Protocol):
    """The connection that a request came on."""

    def hand_over(self, outbound: Outbound) -> Outlet:
        """Take its transport, in the middle of a response whose head is sent."""


class Stream(LiveClient):
    """One SSE client. The cursor holds the `exact` rooms, all where not said; the others are live only.

    What was missed waits in `_early` until `connected` has been said; what comes live meanwhile in `_held` until it has been told, too, what
    became of the cursor.
    """

    __slots__ = (
        "_closing",
        "_early",
        "_exact",
        "_held",
        "_in_scope",
        "_is_near",
        "_is_to_reach_out",
        "_repeatable",
        "_seen",
        "_standing",
        "ended",
    )

    transport = "sse"

    def __init__(
        self,
        live: Live,
        claims: Claims,
        addresses: Sequence[RoomAddress],
        *,
        exact: frozenset[str] | None = None,
        in_scope: InScope | None = None,
    ) -> None:
        super().__init__(live, claims)
        self.rooms = {address.room: address for address in addresses}
        self.ended = False
        self._in_scope = in_scope
        self._is_to_reach_out = False
        self._exact = frozenset(room for room in self.rooms if not is_live_only(room)) if exact is None else exact
        self._is_near = exact is None
        self._standing = NOWHERE
        self._repeatable = repeatable_events(self.rooms)
        self._seen: OrderedDict[bytes, None] | None = OrderedDict() if self._repeatable else None
        self._early: list[bytes] | None = []
        self._held: list[Frame | Joined] | None = []
        self._closing = b""

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
        return self._is_near or not room.startswith(("patient:", "device:"))

    def deliver(self, frame: Frame) -> None:
        if self._held is not None:
            self._hold(frame)
        elif self._coalescer is None:
            self.pass_on(frame, 0)
        else:
            super().deliver(frame)

    def pass_on(self, frame: Frame, skipped: int) -> None:
        message = frame.message
        self._standing = standing = self._standing.after(frame, self._live.clients.outbound.turn)
        if message.event in self._repeatable and not self._remember(message.members):
            return
        if skipped:
            self._push(chunk_of(with_cursor(sse_message(message, skipped), standing.cursor)))
        else:
            self._push(standing.chunk(frame))

    def deliver_live(self, frame: Frame) -> None:
        if self._early is None:
            super().deliver_live(frame)

    def live_bytes(self, frame: Frame) -> bytes:
        return frame.live_chunk

    def missed(self, joined: Joined) -> None:
        if self._held is not None:
            self._hold(joined)
            return
        self.release(joined.address.room)
        self._tell_gap([joined], {})

    def _hold(self, told: Frame | Joined) -> None:
        assert self._held is not None  # noqa: S101 - both callers have looked
        self._held.append(told)
        if len(self._held) > HELD:
            self.end(Close.TOO_SLOW, "the rooms could not be joined in time; reconnect and recover")

    def tick(self, now: float) -> None:
        outlet = self._outlet
        if outlet is not None and self._early is None and now - outlet.last_sent >= self._live.limits.comment_seconds:
            outlet.push(COMMENT)

    def end(self, code: Close, reason: str) -> None:
        if not self.ended:
            log.debug("client %s is closed: %d %s", self.client_id, code, reason)
            self.ended = True
            self._closing = chunk_of(sse_event("closing", {"code": code, "reason": reason}))
            self._finish()
            self.depart(code)

    @property
    def subscribes(self) -> bool:
        return False

    def tell(self, kind: str, **fields: object) -> None:
        self._push(chunk_of(sse_event(kind, fields)))

    def lose(self, room: str) -> None:
        super().lose(room)
        self._exact -= {room}
        self._standing = self._standing.without(room)

    def _finish(self) -> None:
        if self._outlet is not None:
            self._outlet.finish([self._closing, LAST_CHUNK])
            self._outlet.hang_up()

    def _push(self, chunk: bytes) -> None:
        if self._early is not None:
            self._early.append(chunk)
        elif self._outlet is not None:
            self._outlet.push(chunk)

    # Rooms

    def reach_out(self) -> None:
        if self._in_scope is None:
            return
        if self._held is not None:  # still joining what was there at first
            self._is_to_reach_out = True
        else:
            self.work(self._gain(self._in_scope), name="sse-gain")

    async def _gain(self, in_scope: InScope) -> None:
        """Join what has come into the token's scope since: an admitted patient's rooms, a device's. They are live only."""
        addresses = await in_scope(self.claims)
        fresh = [address for address in addresses if address.room not in self.rooms]
        self.rooms |= {address.room: address for address in fresh}
        self._repeatable = repeatable_events(self.rooms)
        if self._seen is None and self._repeatable:
            self._seen = OrderedDict()
        await self._live.hold([Wanted(address=address) for address in fresh], self, lambda _: None)

    async def follow(self, cursor: str | None) -> None:
        """Join all rooms, from the cursor on where there is one; say `connected` when they hold, and what became of the cursor."""
        known = decode_cursor(cursor, self._exact) if cursor else {}
        for room, since in known.items():
            self._stand(room, since)
        joined: list[Joined] = []
        wanted = [
            Wanted(address=address, since=known.get(room), snapshot=bool(cursor) and self._resumes(room))
            for room, address in self.rooms.items()
        ]

        def announce(holds: Joined) -> None:
            joined.append(holds)
            for message in holds.messages:
                super(Stream, self).deliver(Frame(message))
            if not cursor or (holds.gap is None and holds.address.room in known):
                self._stand(holds.address.room, holds.position)  # of the others it is not said yet what they miss

        await self._live.hold(wanted, self, announce)
        positions = {holds.address.room: holds.position for holds in joined if holds.address.room in self._exact}
        connected = {
            "client_id": self.client_id,
            "rooms": [*self.rooms],
            "positions": {room: position_members(position) for room, position in positions.items()},
        }
        retry = b"retry: %d\n" % RETRY_MILLISECONDS
        early, self._early = self._early, None
        for chunk in (chunk_of(retry + sse_event("connected", connected)), *(early or ())):
            self._push(chunk)
        self._standing = self._standing.shared()
        if cursor:
            self._answer(known, joined)
        self._release()

    def _resumes(self, room: str) -> bool:
        """Whether a client that comes back is told the room's latest state: numerics, and what its cursor should have held."""
        return room in self._exact or room.endswith(VITALS)

    def _answer(self, known: Mapping[str, Position], joined: Sequence[Joined]) -> None:
        lost = [holds for holds in joined if self._is_lost(holds, known)]
        latest = [holds for holds in joined if holds.address.room not in self._exact]
        if lost:
            self._tell_gap([*lost, *latest], known)
            return
        answer: dict[str, object] = {
            "replayed": sum(len(holds.messages) for holds in joined),
            "rooms": sorted(self._exact),
        }
        answer |= self._states("latest", latest)
        self._push(chunk_of(sse_event("recovered", answer, cursor=self._standing.cursor)))

    def _is_lost(self, holds: Joined, known: Mapping[str, Position]) -> bool:
        return holds.gap is not None or (holds.address.room in self._exact and holds.address.room not in known)

    def _release(self) -> None:
        """Tell what came meanwhile; from here on everything at once."""
        held, self._held = self._held or [], None
        for told in held:
            if isinstance(told, Joined):
                self.missed(told)
            else:
                self.deliver(told)
        if self._is_to_reach_out:
            self.reach_out()

    def _tell_gap(self, told: Sequence[Joined], known: Mapping[str, Position]) -> None:
        """Say which messages are gone, and what the rooms' latest states are."""
        for holds in told:
            self._stand(holds.address.room, holds.position)
        gaps = [_gap(holds, known) for holds in told if self._is_lost(holds, known)]
        self._standing = self._standing.shared()
        answer = {"missing": gaps} | self._states("snapshot", told)
        self._push(chunk_of(sse_event("gap", answer, cursor=self._standing.cursor)))

    def _states(self, name: str, told: Sequence[Joined]) -> dict[str, object]:
        """Latest states by room, as many as a client that reads slowly can take; `omitted` says how many more there are."""
        states = {holds.address.room: holds.snapshot for holds in told if holds.snapshot is not None}
        left = self._live.limits.unsent_bytes // 2
        shown: dict[str, object] = {}
        for room, snapshot in states.items():
            left -= len(bytes(snapshot.state))
            if left >= 0:
                shown[room] = snapshot_members(snapshot)
        if not shown:
            return {}
        return {name: shown} | ({"omitted": len(states) - len(shown)} if len(shown) < len(states) else {})

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


def _gap(holds: Joined, known: Mapping[str, Position]) -> dict[str, object]:
    room = holds.address.room
    if holds.gap is None:
        return {"room": room, "epoch": None, "first": None, "last": None}
    return {"room": room, **missing(holds.gap, known.get(room))}


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
