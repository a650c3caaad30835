"""The client without I/O: what happens goes in, commands come out.

The shell that drives it looks at `link`: it asks the token callable while ASKING and says `token_given`, opens a connection while OPENING and
says `opened` or `lost`, sleeps until `wake_at` and says `woken`. After each call it takes `commands()` and carries them out in order.
`now` is any clock that only goes forward, in seconds. `clients/typescript/src/session.ts` is this module in TypeScript; the scenarios in
`tests/conformance/` hold both to the same behaviour.
"""

import itertools
import math
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec

from bedside.client.events import (
    ClientEvent,
    Closed,
    Condition,
    Expiring,
    PresenceChange,
    Reconnected,
    Refreshed,
    Refused,
    Unreadable,
)
from bedside.client.incoming import Frame, UnreadableMessage, decode_frame, document_of, event_of, raw_of
from bedside.client.link import BROKEN, UNAUTHENTICATED, BackOff, Link, Step, Timings, Verdict, transition, verdict
from bedside.client.rooms import Fate, RoomBook, RoomRequest

REMEMBERED_EVENTS: Final = 16_384
"""So many event ids are known, to drop what comes in several rooms."""
ROOMS_A_MESSAGE: Final = 100
"""The hub takes 64 KiB a message; a room with its position is below 400 bytes."""
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+-]+")
"""What can stand in a header and in a subprotocol; every JWT does (RFC 7515, section 7.1)."""
_PASSING: Final = frozenset({"unavailable", "rate_limited"})
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode


class Send(msgspec.Struct, frozen=True):
    """Send this text frame."""

    text: str


class Tell(msgspec.Struct, frozen=True):
    """Give this to whoever reads the client."""

    event: ClientEvent


class AskToken(msgspec.Struct, frozen=True):
    """Ask the token callable, on a standing connection, and say `token_given`."""


class Drop(msgspec.Struct, frozen=True):
    """Break the connection off and say `lost`."""


class Settle(msgspec.Struct, frozen=True, kw_only=True):
    """A request is answered; with `refused` (code, message) by an error, with neither not at all: the connection is gone."""

    request_id: int
    answer: dict[str, Any] | None = None
    refused: tuple[str, str] | None = None


Command: TypeAlias = Send | Tell | AskToken | Drop | Settle


class Session:
    """One client's life over all its connections. `fixed_token`: there is nobody to ask for another one."""

    def __init__(self, *, timings: Timings, random: Callable[[], float], fixed_token: bool = False) -> None:
        self.link = Link.IDLE
        self.rooms = RoomBook()
        self.token = ""
        self._timings = timings
        self._back_off = BackOff(timings, random)
        self._fixed_token = fixed_token
        self._refused_token: str | None = None
        self._refusal: tuple[int, str] = (UNAUTHENTICATED, "")
        self._commands: list[Command] = []
        self._ids = itertools.count(1)
        self._asked_rooms: dict[int, list[str]] = {}
        self._requests: set[int] = set()
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._was_open = False
        self._silent = False
        self._opened_at = 0.0
        self._received_at = 0.0
        self._pinged_at = 0.0
        self._due_at = 0.0
        self._retry_at: float | None = None
        self._ask_token_at: float | None = None
        self._asked_token_at = -math.inf

    def commands(self) -> list[Command]:
        """What is to be done since the last call, in order."""
        commands, self._commands = self._commands, []
        return commands

    @property
    def wake_at(self) -> float | None:
        """When `woken` is due; None: nothing waits for time."""
        if self.link is Link.WAITING:
            return self._due_at
        if self.link is not Link.OPEN:
            return None
        times = [self._received_at + self._timings.silence_seconds, self._pinged_at + self._timings.ping_seconds]
        return min(*times, *(at for at in (self._retry_at, self._ask_token_at) if at is not None))

    # The link

    def start(self) -> None:
        self._step(Step.STARTED)

    def token_given(self, token: str) -> None:
        """The callable's answer: for a connection while ASKING, to refresh the standing one while OPEN."""
        if self.link is Link.OPEN:
            self._refresh(token)
        elif self.link is Link.ASKING:
            if not _TOKEN.fullmatch(token):
                self._end(UNAUTHENTICATED, "what was given as token is none")
            elif token == self._refused_token:
                self._end(*self._refusal)
            else:
                self.token = token
                self._step(Step.TOKEN_GIVEN)

    def token_unavailable(self, now: float, why: str) -> None:
        """There is no token now: while ASKING, try again later; a standing connection goes on to its end."""
        if self.link is Link.ASKING:
            self._lose(now, BROKEN, f"there is no token now: {why}")

    def opened(self, now: float) -> None:
        """The handshake is done: ask for all rooms, from where they stand."""
        self._step(Step.OPENED)
        self._opened_at = self._received_at = self._pinged_at = now
        self._silent = False
        if self._was_open:
            self._tell(Reconnected(attempts=max(1, self._back_off.attempts)))
        self._was_open = True
        self._ask_for_rooms()

    def lost(self, now: float, code: int, reason: str) -> None:
        """The connection has ended, or could not be made."""
        if self.link not in (Link.OPENING, Link.OPEN):
            return
        if self._silent:
            code, reason = BROKEN, f"no frame for {self._timings.silence_seconds:g} s"
        if self.link is Link.OPEN and now - self._opened_at >= self._timings.stable_seconds:
            self._back_off.settled()
        self._disconnected()
        match verdict(code):
            case Verdict.RETRY:
                self._lose(now, code, reason)
            case Verdict.NEW_TOKEN if not self._fixed_token and self._refused_token is None:
                self._refused_token, self._refusal = self.token, (code, reason)
                self._tell(Closed(code=code, reason=reason, terminal=False))
                self._step(Step.TOKEN_REFUSED)
            case _:
                self._end(code, reason)

    def woken(self, now: float) -> None:
        """Do what is due."""
        if self.link is Link.WAITING and now >= self._due_at:
            self._step(Step.DUE)
        if self.link is not Link.OPEN:
            return
        if now - self._received_at >= self._timings.silence_seconds:
            if not self._silent:
                self._silent = True
                self._commands.append(Drop())
            self._received_at = now
            return
        if now - self._pinged_at >= self._timings.ping_seconds:
            self._pinged_at = now
            self._send({"type": "ping"})
        if self._retry_at is not None and now >= self._retry_at:
            self._retry_at = None
            self._ask_for_rooms()
        if self._ask_token_at is not None and now >= self._ask_token_at:
            self._ask_token(now)

    def not_listening(self, now: float) -> None:
        """The shell does not read, since its reader is slow: what does not come meanwhile is not the hub's silence."""
        self._received_at = now

    def end(self) -> None:
        """The user is done."""
        if self.link is not Link.ENDED:
            self._disconnected()
            self._step(Step.ENDED)

    # What the user asks

    def subscribe(self, wanted: Sequence[RoomRequest]) -> None:
        """Want rooms, from now on and after every reconnection."""
        self.rooms.want(wanted)
        if self.link is Link.OPEN:
            self._ask_for_rooms()

    def unsubscribe(self, rooms: Sequence[str]) -> None:
        known = self.rooms.forget(rooms)
        if known and self.link is Link.OPEN:
            self._send({"type": "unsubscribe", "rooms": known})

    def ask(self, kind: str, fields: Mapping[str, Any]) -> int | None:
        """Send a request whose answer will be settled under the number returned; None where there is no connection."""
        if self.link is not Link.OPEN:
            return None
        request_id = next(self._ids)
        self._requests.add(request_id)
        self._send({"type": kind, "id": request_id, **fields})
        return request_id

    def say(self, kind: str, fields: Mapping[str, Any]) -> bool:
        """Send what has no answer; whether there is a connection."""
        if self.link is Link.OPEN:
            self._send({"type": kind, **fields})
        return self.link is Link.OPEN

    # What the hub says

    def received(self, now: float, text: str | bytes) -> None:
        """A text frame."""
        self._received_at = now
        try:
            self._take(now, decode_frame(text), text)
        except UnreadableMessage:
            self._tell(Unreadable(raw=raw_of(text)))

    def _take(self, now: float, frame: Frame, text: str | bytes) -> None:
        if frame.event is not None:
            self._take_event(frame, text)
            return
        match frame.type:
            case "ping":
                self._send({"type": "pong"})
            case "pong" | "heartbeat" if frame.time is not None:
                self._refused_token = None
                self._tell(Condition(time=frame.time, upstream=frame.upstream, judged_at=frame.judged_at))
            case "subscription" if frame.id in self._requests:  # what was asked is about a room that may not be had
                refused = (frame.reason or "", f"the room is {frame.status}")
                self._settle(Settle(request_id=frame.id or 0, refused=refused))
            case "subscription":
                self._take_answer(frame, raw_of(text))
            case "expiring":
                self._tell(Expiring(expires=frame.expires))
                self._ask_token_at = max(now, self._asked_token_at + self._timings.refresh_wait_seconds)
                if self._ask_token_at <= now:
                    self._ask_token(now)
            case "refreshed":
                self._tell(Refreshed(expires=frame.expires))
            case "error":
                self._take_error(now, frame)
            case _ if frame.id in self._requests:
                self._settle(Settle(request_id=frame.id or 0, answer=document_of(text)))
            case "presence" | "presence_change":
                self._tell(PresenceChange(room=frame.room or "", change=document_of(text)))

    def _take_event(self, frame: Frame, text: str | bytes) -> None:
        room = frame.room or ""
        if frame.epoch is not None and frame.offset is not None:
            fate = self.rooms.take(frame)
            if fate is Fate.HOLE:
                self.rooms.want_again([room])
                self._ask_for_rooms()
            if fate is not Fate.SHOWN or not self._is_new(frame.event_id):
                return
        elif room not in self.rooms:
            return
        self._tell(event_of(frame, text))

    def _take_answer(self, answer: Frame, raw: bytes) -> None:
        if answer.status == "subscribed":
            self._refused_token = None
        self._no_longer_asked(answer)
        if self._is_asked_again(answer):
            return
        if (told := self.rooms.answered(answer, raw)) is not None:
            self._tell(told)

    def _is_asked_again(self, answer: Frame) -> bool:
        """Whether the room was asked for again since: then the later answer counts, from which on the hub goes."""
        request_id = answer.id
        return request_id is not None and any(
            answer.room in rooms for asked, rooms in self._asked_rooms.items() if asked > request_id
        )

    def _take_error(self, now: float, error: Frame) -> None:
        code, message = error.code or "", error.message or ""
        self._no_longer_asked(error)
        rooms = [error.room] if error.room else self._asked_rooms.pop(error.id or 0, [])
        if error.id in self._requests:
            self._settle(Settle(request_id=error.id or 0, refused=(code, message)))
        elif code in _PASSING and rooms:
            self.rooms.want_again(rooms)
            self._retry_at = now + self._timings.retry_seconds
        else:
            self.rooms.forget(rooms)
            self._tell(Refused(code=code, message=message, room=error.room))

    def _no_longer_asked(self, answer: Frame) -> None:
        asked = self._asked_rooms.get(answer.id or 0, [])
        if answer.room in asked:
            asked.remove(answer.room)
            if not asked:
                del self._asked_rooms[answer.id or 0]

    def _is_new(self, event_id: str | None) -> bool:
        if event_id is None:
            return True
        if event_id in self._seen:
            return False
        self._seen[event_id] = None
        if len(self._seen) > REMEMBERED_EVENTS:
            self._seen.popitem(last=False)
        return True

    # Saying

    def _ask_for_rooms(self) -> None:
        self._subscribe(self.rooms.requests(presence=False), {})
        self._subscribe(self.rooms.requests(presence=True), {"presence": True})

    def _subscribe(self, entries: Sequence[Mapping[str, Any]], options: Mapping[str, Any]) -> None:
        for start in range(0, len(entries), ROOMS_A_MESSAGE):
            some = entries[start : start + ROOMS_A_MESSAGE]
            request_id = next(self._ids)
            self._asked_rooms[request_id] = [entry["room"] for entry in some]
            self._send({"type": "subscribe", "id": request_id, "rooms": some, **options})

    def _ask_token(self, now: float) -> None:
        self._ask_token_at, self._asked_token_at = None, now
        self._commands.append(AskToken())

    def _refresh(self, token: str) -> None:
        if _TOKEN.fullmatch(token) and token != self.token:
            self.token = token
            self._send({"type": "refresh", "token": token})

    def _send(self, message: Mapping[str, Any]) -> None:
        self._commands.append(Send(_encode(message).decode()))

    def _tell(self, event: ClientEvent) -> None:
        self._commands.append(Tell(event))

    def _settle(self, settled: Settle) -> None:
        self._requests.discard(settled.request_id)
        self._commands.append(settled)

    # Ending

    def _disconnected(self) -> None:
        self.rooms.disconnected()
        self._asked_rooms.clear()
        self._retry_at = self._ask_token_at = None
        for request_id in sorted(self._requests):
            self._settle(Settle(request_id=request_id))

    def _lose(self, now: float, code: int, reason: str) -> None:
        self._due_at = now + self._back_off.next_wait(code)
        silent = self._timings.silence_seconds if self._silent else 0.0
        self._silent = False
        self._tell(Closed(code=code, reason=reason, terminal=False, silent_seconds=silent))
        self._step(Step.LOST)

    def _end(self, code: int, reason: str) -> None:
        self._tell(Closed(code=code, reason=reason, terminal=True))
        self._step(Step.ENDED)

    def _step(self, step: Step) -> None:
        self.link = transition(self.link, step)
