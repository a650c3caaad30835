"""WebSocket clients: what they ask, what they are sent.

Requests are answered one after the other, in order, by a task that lives as long as there are any; meanwhile nothing more is read from the
client. Everything that goes out is pushed to the wire at once, from whatever task it comes; a client that does not take it is
closed, and recovers from the history.
"""

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from typing import Final

from starlette.websockets import WebSocket

from hub.auth.credentials import SUBPROTOCOL
from hub.auth.errors import Forbidden, InvalidToken
from hub.auth.rights import Verb, role_may
from hub.auth.tokens import Claims
from hub.errors import NotFound, Unavailable
from hub.realtime.clients import Close
from hub.realtime.cursor import decode_cursor
from hub.realtime.frames import Frame, json_frame, message_json, text_frame
from hub.realtime.inbound import Message
from hub.realtime.live import Live
from hub.realtime.presence import shown
from hub.realtime.recipient import LiveClient
from hub.realtime.recovery import history_page, subscribed
from hub.realtime.refreshing import refresh
from hub.realtime.requests import (
    ActivityReport,
    BadRequest,
    ClientRequest,
    Code,
    History,
    Ping,
    Pong,
    PresenceQuestion,
    Refresh,
    RoomRequest,
    Subscribe,
    Unsubscribe,
    decode_request,
    id_of,
    is_limited,
    is_pong,
)
from hub.realtime.wire import EXTENSION, Handshake, WebSocketWire
from hub.rest.problems import problem_of
from hub.rooms.messages import Position, RoomAddress
from hub.rooms.presence import Activity
from hub.rooms.watched import Joined, Wanted
from vitals.errors import InvalidRoom
from vitals.rooms import is_live_only, parse_room

log = logging.getLogger(__name__)

Answer = dict[str, object]


NO_POSITION: Final = Position(epoch="", offset=0)
"""Where a client stands in a room that its cursor does not hold: nowhere, so it is told of a gap."""

BURST: Final = 64
"""Requests of one client that are answered before others get their turn."""


class Socket(LiveClient):
    """One WebSocket."""

    __slots__ = ("_answering", "_asked", "_errors", "_over", "_pinged", "_pong_due", "_wire")

    transport = "websocket"

    def __init__(self, live: Live, claims: Claims, wire: WebSocketWire) -> None:
        super().__init__(live, claims)
        self._wire = self._outlet = wire
        self._pinged = wire.last_received
        self._errors = self._over = 0
        self._asked: list[Message] = []
        self._answering = False
        self._pong_due = False

    # Outbound

    def deliver(self, frame: Frame) -> None:
        if self._coalescer is None:
            self._wire.push(frame.websocket)
        else:
            super().deliver(frame)

    def pass_on(self, frame: Frame, skipped: int) -> None:
        self._wire.push(text_frame(message_json(frame.message, skipped)) if skipped else frame.websocket)

    def live_bytes(self, frame: Frame) -> bytes:
        return frame.websocket

    @property
    def subscribes(self) -> bool:
        return True

    def tell(self, kind: str, **fields: object) -> None:
        self.send({"type": kind, **fields})

    def send(self, message: Answer) -> None:
        self._wire.push(json_frame(message))

    def missed(self, joined: Joined) -> None:
        self.release(joined.address.room)
        self.send(subscribed(joined))

    def tick(self, now: float) -> None:
        limits = self._live.limits
        if now - self._wire.last_received > limits.silence_seconds:
            self.end(Close.NO_SIGN_OF_LIFE, f"no sign of life for {limits.silence_seconds:g} s")
        elif now - self._pinged >= limits.ping_seconds:
            self._pinged, self._pong_due = now, True
            self.send({"type": "ping"})

    def reach_out(self) -> None:
        """A WebSocket names its rooms."""

    def end(self, code: Close, reason: str) -> None:
        log.debug("client %s is closed: %d %s", self.client_id, code, reason)
        self._wire.end(code, reason)
        self.depart(code)

    # Inbound

    def serve(self, addresses: Sequence[RoomAddress], cursor: str | None = None) -> None:
        """Subscribe to `addresses`, from a cursor on where there is one, and answer requests until the connection ends."""
        self.rooms.update({address.room: address for address in addresses})
        self._live.clients.attendance.look(self)
        if addresses:
            self.work(self._hold(addresses, cursor), name="auto-subscriptions")
        self._wire.serve(self)

    async def _hold(self, addresses: Sequence[RoomAddress], cursor: str | None) -> None:
        known = {} if cursor is None else dict.fromkeys(self.rooms, NO_POSITION) | decode_cursor(cursor, self.rooms)
        wanted = [Wanted(address=address, since=known.get(address.room)) for address in addresses]
        await self._live.hold(wanted, self, lambda joined: self._announce(joined, since=known.get(joined.address.room)))

    def receive(self, messages: list[Message]) -> None:
        if self._pong_due and len(messages) == 1 and is_pong(messages[0]):
            self._pong_due = False  # what was asked for is not counted: thousands at rest would cost Redis a call each
            return
        self._asked += messages
        if not self._answering:
            self._answering = True
            self._wire.pause()
            self.work(self._answer_all(), name="answers")

    async def _answer_all(self) -> None:
        while self._asked and not self._wire.ended:
            burst, self._asked = self._asked[:BURST], self._asked[BURST:]
            for text in burst:
                await self._receive(text)
            await asyncio.sleep(0)
        self._answering = False
        self._wire.resume()

    async def _receive(self, text: Message) -> None:
        wait = await self._live.shared.rates.wait_seconds(self.user)
        if wait > 0 and is_limited(text):
            self._slow_down(wait, id_of(text))
            return
        self._over = max(0, self._over - 1)
        try:
            if text is None:
                raise BadRequest(Code.BAD_MESSAGE, "send text frames, not binary ones")  # noqa: TRY301
            await self._answer(decode_request(text))
        except BadRequest as error:
            self._refuse(error)
        except InvalidRoom as error:
            self._refuse(BadRequest(Code.UNKNOWN_ROOM, str(error), id_of(text)))
        else:
            self._errors = 0

    def _slow_down(self, wait_seconds: float, request_id: int | None) -> None:
        """A message beyond the user's rate: an error, and the end where they go on."""
        message = f"too many messages of this user; wait {wait_seconds:.2f} s"
        self.send(_with_id({"type": "error", "code": Code.RATE_LIMITED, "message": message}, request_id))
        self._over += 1
        if self._over >= self._live.limits.rate_errors:
            self.end(Close.TOO_MANY_ERRORS, "too many messages of this user")

    def _refuse(self, error: BadRequest, **about: object) -> None:
        self.send(_with_id({"type": "error", "code": error.code, "message": str(error), **about}, error.request_id))
        self._errors += 1
        if self._errors >= self._live.limits.message_errors:
            self.end(Close.TOO_MANY_ERRORS, "too many bad messages")

    async def _answer(self, request: ClientRequest) -> None:
        match request:
            case Unsubscribe():
                self._unsubscribe(request)
                self._live.clients.attendance.look(self)
            case Subscribe():
                await self._subscribe(request)
                self._live.clients.attendance.look(self)
                if request.presence:
                    self._watch_presence(request)
            case History():
                await self._history(request)
            case Ping():
                self.send(_with_id({"type": "pong", **self._live.condition()}, request.id))
            case Refresh():
                await refresh(self._live, self, request)
            case Pong():
                pass
            case PresenceQuestion():
                await self._tell_presence(request)
            case ActivityReport():
                self._live.shared.presence.become(self, request.status)

    # Presence

    def present(self, address: RoomAddress, users: Mapping[str, Activity]) -> None:
        self.send(_present(address, users))

    def presence_changed(self, address: RoomAddress, user: str, status: Activity | None) -> None:
        self.send({"type": "presence_change", "room": address.room, "user": user, "status": status or "left"})

    def _watch_presence(self, request: Subscribe) -> None:
        for room in map(parse_room, (wanted.room for wanted in request.wanted())):
            if (address := self.rooms.get(str(room))) and role_may(self.claims, Verb.PRESENCE, room.kind):
                self._live.shared.presence.watch(address, self)

    async def _tell_presence(self, question: PresenceQuestion) -> None:
        asked = RoomRequest(room=question.room)
        if (address := await self._permitted(asked, question.id, Verb.PRESENCE)) is None:
            return
        try:
            found = await self._live.shared.presence.read(address)
        except Unavailable as error:
            raise BadRequest(Code.UNAVAILABLE, str(error), question.id) from error
        self.send(_with_id(_present(address, found.users), question.id))

    # Subscriptions

    async def _subscribe(self, request: Subscribe) -> None:
        wanted = [*{room.room: room for room in request.wanted()}.values()]
        most = self._live.limits.connection_rooms
        if len(self.rooms.keys() | {room.room for room in wanted}) > most:
            raise BadRequest(Code.TOO_MANY_ROOMS, f"at most {most} rooms a connection", request.id)
        due: list[Wanted] = []
        for room in wanted:
            if (address := await self._permitted(room, request.id)) is None:
                continue
            self.limit(address.room, room.max_rate)
            if room.since is None and not room.snapshot and (standing := self._standing(address)) is not None:
                self.send(_with_id(subscribed(standing), request.id))
            else:
                due.append(Wanted(address=address, since=room.since, snapshot=room.snapshot))
        await self._join(due, request.id)

    def _standing(self, address: RoomAddress) -> Joined | None:
        feed = self._live.feed
        return feed.standing(address) if feed.joined(address, self) else None

    async def _permitted(
        self, wanted: RoomRequest, request_id: int | None, verb: Verb = Verb.WATCH
    ) -> RoomAddress | None:
        """The room's address, or None when the refusal has been sent."""
        denied: Answer = {"type": "subscription", "room": wanted.room, "status": "denied"}
        try:
            return await self._live.gate.pass_room(self.claims, verb, parse_room(wanted.room))
        except InvalidRoom as error:
            self._refuse(BadRequest(Code.UNKNOWN_ROOM, str(error), request_id), room=wanted.room[:200])
        except Forbidden:
            self.send(_with_id(denied | {"reason": Code.FORBIDDEN}, request_id))
        except NotFound:
            self.send(_with_id(denied | {"reason": Code.UNKNOWN_ROOM}, request_id))
        except Unavailable as error:
            self._refuse(BadRequest(Code.UNAVAILABLE, str(error), request_id), room=wanted.room)
        return None

    async def _join(self, due: Sequence[Wanted], request_id: int | None) -> None:
        feed = self._live.feed
        feed.leave([each.address for each in due], self)  # whoever has one of them already begins anew
        self.rooms.update({each.address.room: each.address for each in due})
        since = {each.address: each.since for each in due}
        with contextlib.suppress(Unavailable):
            await feed.join(
                due, self, lambda joined: self._announce(joined, since=since[joined.address], request_id=request_id)
            )
        for each in due:
            if not feed.joined(each.address, self):
                self._unavailable(each.address, request_id)

    def _unavailable(self, address: RoomAddress, request_id: int | None) -> None:
        self.rooms.pop(address.room, None)
        self.forget(address.room)
        message = "the room can't be followed now; subscribe again in a moment"
        self._refuse(BadRequest(Code.UNAVAILABLE, message, request_id), room=address.room)

    def _announce(self, joined: Joined, *, since: Position | None = None, request_id: int | None = None) -> None:
        self.release(joined.address.room)
        self.send(_with_id(subscribed(joined, since), request_id))
        for message in joined.messages:
            self.deliver(Frame(message))

    def _unsubscribe(self, request: Unsubscribe) -> None:
        for room in request.wanted():
            name = str(parse_room(room.room))
            if (address := self.rooms.pop(name, None)) is not None:
                self._live.feed.leave([address], self)
                self.forget(name)
            self.send(_with_id({"type": "subscription", "room": name, "status": "unsubscribed"}, request.id))

    async def _history(self, request: History) -> None:
        live = self._live
        try:
            if is_live_only(request.room):
                raise BadRequest(Code.BAD_MESSAGE, "the room is live only: it has no history", request.id)
            address = await live.gate.pass_room(self.claims, Verb.WATCH, parse_room(request.room))
            page = await history_page(live.rooms, address, since=request.since, limit=request.limit)
        except Forbidden as error:
            raise BadRequest(Code.FORBIDDEN, str(error), request.id) from error
        except (NotFound, InvalidRoom) as error:
            raise BadRequest(Code.UNKNOWN_ROOM, str(error), request.id) from error
        except Unavailable as error:
            raise BadRequest(Code.UNAVAILABLE, str(error), request.id) from error
        self.send(_with_id({"type": "history", **page}, request.id))


def _present(address: RoomAddress, users: Mapping[str, Activity]) -> Answer:
    return {"type": "presence", "room": address.room, "users": shown(users)}


def _with_id(message: Answer, request_id: int | None) -> Answer:
    return message if request_id is None else message | {"id": request_id}


async def serve_websocket(live: Live, websocket: WebSocket, claims: Claims, addresses: Sequence[RoomAddress]) -> None:
    """Accept a checked handshake, and serve it; returns at once, for the connection then lives without a task."""
    async with live.shared.admission.place(claims.sub) as allowed:
        try:
            claims = live.doorkeeper.still(
                claims
            )  # who waited for a place was not there when revocations were gone over
        except InvalidToken as error:
            await websocket.send_denial_response(problem_of(error))
            return
        await _accept(live, websocket, claims, addresses, allowed=allowed)


async def _accept(
    live: Live, websocket: WebSocket, claims: Claims, addresses: Sequence[RoomAddress], *, allowed: bool
) -> None:
    offered = websocket.scope.get("subprotocols", ())
    await websocket.accept(subprotocol=SUBPROTOCOL if SUBPROTOCOL in offered else None)
    handshake: Handshake = websocket.scope["extensions"][EXTENSION]
    client = Socket(live, claims, handshake.hand_over(live.clients.outbound))
    if allowed and live.clients.enter(client):
        log.debug("client %s is connected over WebSocket", client.client_id)
        client.serve(addresses, websocket.query_params.get("since"))
        return
    client.serve(())
    client.end(*live.clients.refusal)
