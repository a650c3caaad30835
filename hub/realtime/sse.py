"""Server-sent events: the same delivery as WebSocket, one way, in a form that browsers reconnect by themselves.

A stream's `id` is a cursor over its rooms. A client that comes back with one first gets what it missed, then `recovered` or
`gap`, then what is new. One event that goes to several of a stream's rooms is sent once.
"""

import asyncio
import contextlib
import logging
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hub.auth.tokens import Claims
from hub.errors import RoomsUnavailable
from hub.realtime.clients import Client, Close
from hub.realtime.cursor import decode_cursor, encode_cursor
from hub.realtime.frames import Frame, sse_event
from hub.realtime.live import Live
from hub.rooms.feed import Joined
from hub.rooms.messages import Gap, Position, RoomAddress

log = logging.getLogger(__name__)

HEADERS: Final = {"cache-control": "no-store", "x-accel-buffering": "no"}
REMEMBERED_EVENTS: Final = 1024
RETRY_MILLISECONDS: Final = 3000
COMMENT: Final = b": \n\n"


class Stream(Client):
    """One SSE client. What it has not taken yet waits in `_chunks`, at most `unsent_bytes` of it.

    The cursor holds the `exact` rooms, all where not said; the others are live only.
    """

    def __init__(
        self, live: Live, claims: Claims, addresses: Sequence[RoomAddress], *, exact: frozenset[str] | None = None
    ) -> None:
        super().__init__(live.new_id(), claims)
        self.rooms = {address.room: address for address in addresses}
        self.ended = False
        self._live = live
        self._exact = frozenset(self.rooms) if exact is None else exact
        self._cursor_now: str | None = None
        self._positions: dict[str, Position] = {}
        self._seen: OrderedDict[bytes, None] = OrderedDict()
        self._chunks: deque[bytes] = deque()
        self._unsent = 0
        self._filled = asyncio.Event()
        self._opened = asyncio.Event()
        self._spoken = asyncio.get_running_loop().time()

    def deliver(self, frame: Frame) -> None:
        message = frame.message
        self._stand(message.room, message.position)
        if self._remember(message.members):
            self._push(b"id: %b\n%b" % (self._cursor().encode(), frame.sse))

    def missed(self, address: RoomAddress, gap: Gap, position: Position) -> None:
        self._stand(address.room, position)
        self._tell_gap([_gap(address.room, gap, None)])

    def tick(self, now: float) -> None:
        if now - self._spoken >= self._live.limits.comment_seconds:
            self._push(COMMENT)

    def end(self, code: Close, reason: str) -> None:
        log.debug("client %s is closed: %d %s", self.client_id, code, reason)
        self.ended = True
        self._filled.set()
        self._opened.set()

    async def take(self) -> bytes:
        """What waits, as soon as something does; empty at the end."""
        await self._opened.wait()
        await self._filled.wait()
        if not self.ended:
            self._filled.clear()
        taken = b"".join(self._chunks)
        self._chunks.clear()
        self._unsent = 0
        return taken

    async def follow(self, cursor: str | None) -> None:
        """Join all rooms, from the cursor on where there is one; say `connected` when they hold, and what became of the cursor."""
        known = decode_cursor(cursor, self._exact) if cursor else {}
        for room, since in known.items():
            self._stand(room, since)
        joined: list[Joined] = []
        fresh = [address for room, address in self.rooms.items() if room not in known]
        await self._live.hold(
            fresh, self, lambda holds: self._positions.__setitem__(holds.address.room, holds.position)
        )
        for room, since in known.items():
            await self._resume(self.rooms[room], since, joined)
        connected = {
            "client_id": self.client_id,
            "rooms": [*self.rooms],
            "positions": {room: _position(position) for room, position in self._positions.items()},
        }
        retry = b"retry: %d\n" % RETRY_MILLISECONDS
        self._chunks.appendleft(retry + sse_event("connected", connected))
        self._filled.set()
        self._opened.set()
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
        self._push(sse_event("recovered", answer, cursor=self._cursor()))

    def _tell_gap(self, gaps: list[dict[str, object]]) -> None:
        self._push(sse_event("gap", {"missing": gaps}, cursor=self._cursor()))

    def _stand(self, room: str, position: Position) -> None:
        if room in self._exact:
            self._positions[room] = position
            self._cursor_now = None

    def _cursor(self) -> str:
        if self._cursor_now is None:
            self._cursor_now = encode_cursor(self._positions)
        return self._cursor_now

    def _remember(self, event: bytes) -> bool:
        """Whether an event is new to this client. The members hold its id."""
        if event in self._seen:
            return False
        self._seen[event] = None
        if len(self._seen) > REMEMBERED_EVENTS:
            self._seen.popitem(last=False)
        return True

    def _push(self, chunk: bytes) -> None:
        if self.ended:
            return
        self._chunks.append(chunk)
        self._unsent += len(chunk)
        self._spoken = asyncio.get_running_loop().time()
        self._filled.set()
        if self._unsent > self._live.limits.unsent_bytes:
            self._chunks.clear()
            self.end(Close.TOO_SLOW, "too slow; reconnect and recover")


def _position(position: Position) -> dict[str, object]:
    return {"epoch": position.epoch, "offset": position.offset}


def _gap(room: str, gap: Gap, since: Position | None) -> dict[str, object]:
    if gap.first is not None or since is None:
        return {"room": room, "epoch": gap.top.epoch, "first": gap.first, "last": gap.last}
    return {"room": room, "epoch": since.epoch, "first": since.offset + 1, "last": None}


class EventStream(Response):
    """The response that serves a Stream to its end: the client leaves, is too slow, or is asked to reconnect."""

    media_type = "text/event-stream"

    def __init__(self, live: Live, stream: Stream, cursor: str | None) -> None:
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        self._live = live
        self._stream = stream
        self._cursor = cursor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        tasks = [
            asyncio.create_task(self._stream.follow(self._cursor), name="sse-follow"),
            asyncio.create_task(self._until_disconnected(receive), name="sse-receive"),
            asyncio.create_task(self._write(send), name="sse-write"),
        ]
        self._stream.rely_on(tasks[0])
        try:
            await asyncio.wait(tasks[1:], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._live.feed.leave(self._stream.rooms.values(), self._stream)
            self._live.clients.leave(self._stream)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            log.debug("client %s is gone", self._stream.client_id)

    async def _write(self, send: Send) -> None:
        while not self._stream.ended:
            taken = await self._stream.take()
            await send({"type": "http.response.body", "body": taken, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _until_disconnected(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
