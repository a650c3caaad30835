"""Everyone who is connected to this node: limits, life signs, figures, and the end."""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from enum import IntEnum, unique
from random import Random
from typing import ClassVar, Final

from hub.auth.tokens import Claims
from hub.limits import Limits
from hub.realtime.attendance import Attendance
from hub.realtime.frames import Frame
from hub.realtime.lifetimes import Lifetimes
from hub.realtime.outbound import Outbound
from hub.rooms.messages import RoomAddress
from hub.rooms.presence import Activity
from hub.rooms.watched import Joined

log = logging.getLogger(__name__)

TRANSPORTS: Final = ("websocket", "sse")
TICKED_AT_ONCE: Final = 256
"""Clients that are looked at before the event loop gets its turn."""


@unique
class Close(IntEnum):
    """Closing codes: below 4500 the client should reconnect, from 4500 on it should not."""

    DRAINING = 1001
    FAILED = 1011
    TOO_MANY_CONNECTIONS = 1013
    NO_SIGN_OF_LIFE = 4408
    TOO_MANY_ERRORS = 4429
    TOO_SLOW = 4490
    TOKEN_EXPIRED = 4501
    FORBIDDEN = 4503


class Client(ABC):
    """One connection of one user. `rooms` are those it is subscribed to, or about to be."""

    __slots__ = ("activity", "claims", "client_id", "rooms")

    transport: ClassVar[str]

    def __init__(self, client_id: str, claims: Claims) -> None:
        self.client_id = client_id
        self.claims = claims
        self.rooms: dict[str, RoomAddress] = {}
        self.activity = Activity.ACTIVE

    @property
    def user(self) -> str:
        return self.claims.sub

    def is_present_in(self, room: str) -> bool:
        """Whether others in `room`, one of its rooms, see its user there."""
        return True

    @abstractmethod
    def deliver(self, frame: Frame) -> None:
        """The next message of a room."""

    @abstractmethod
    def deliver_live(self, frame: Frame) -> None:
        """A message of a live-only room; it may be left out."""

    @abstractmethod
    def missed(self, joined: Joined) -> None:
        """Messages of a room are gone (`joined.gap`); the next delivered is the one after `joined.position`."""

    @abstractmethod
    def reach_out(self) -> None:
        """The token may see more than before: look for it, where the client follows all of it."""

    @abstractmethod
    def tick(self, now: float) -> None:
        """Send what is due, and end what has shown no life. `now` is the event loop's clock."""

    @abstractmethod
    def end(self, code: Close, reason: str) -> None:
        """Close."""

    @abstractmethod
    def tell(self, kind: str, **fields: object) -> None:
        """Send a message of the server's own: `expiring`, a `subscription` that is revoked."""

    @property
    @abstractmethod
    def subscribes(self) -> bool:
        """Whether it can ask for other rooms than it has."""

    def lose(self, room: str) -> None:
        """The room is none of its own any more; nothing of it that waits is sent."""
        self.rooms.pop(room, None)

    def expire(self) -> None:
        self.end(Close.TOKEN_EXPIRED, "the token has expired")

    def rely_on(self, task: "asyncio.Task[None]") -> None:
        """End the connection where `task` fails: nobody must wait for what will not come."""
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("client %s: %s has failed", self.client_id, task.get_name(), exc_info=error)
            self.end(Close.FAILED, "the hub failed; reconnect")


class Clients:
    """The node's clients. One timer serves all of them."""

    def __init__(self, limits: Limits, *, now: Callable[[], datetime]) -> None:
        self._limits = limits
        self._now = now
        self._clients: dict[Client, None] = {}
        self._lifetimes = Lifetimes(limits, now)
        self.attendance = Attendance()
        self.ended: Counter[str] = Counter()
        self._draining = False
        self.outbound = Outbound(limits)

    def __len__(self) -> int:
        return len(self._clients)

    def enter(self, client: Client) -> bool:
        """Count a client in; False where its user has too many connections or the node is draining."""
        if self._draining or self.attendance.connections(client.user) >= self._limits.user_connections:
            return False
        self._clients[client] = None
        self._lifetimes.enter(client)
        self.attendance.enter(client)
        self.attendance.look(client)
        return True

    def everyone(self) -> tuple[Client, ...]:
        """Those who are connected now."""
        return tuple(self._clients)

    def renew(self, client: Client) -> None:
        """A client has another token: its end is another."""
        if client in self._clients:
            self._lifetimes.leave(client)
            self._lifetimes.enter(client)

    @property
    def draining(self) -> bool:
        """Whether no one comes in any more."""
        return self._draining

    @property
    def refusal(self) -> tuple[Close, str]:
        """How to close a client that did not get in."""
        if self._draining:
            return Close.DRAINING, "draining; reconnect elsewhere"
        return Close.TOO_MANY_CONNECTIONS, "too many connections of this user; try again later"

    def by_transport(self) -> dict[str, int]:
        """How many are connected, for each transport that there is."""
        return dict.fromkeys(TRANSPORTS, 0) | Counter(client.transport for client in self._clients)

    def leave(self, client: Client, code: Close | None = None) -> None:
        """Count a client out, once. `code` is why this node ends it; None: it left, or was lost."""
        if client in self._clients:
            del self._clients[client]
            self._lifetimes.leave(client)
            self.attendance.leave(client)
            self.ended["client" if code is None else str(code.value)] += 1

    async def run(self) -> None:
        """Watch over all clients, until cancelled."""
        loop = asyncio.get_running_loop()
        interval = min(1.0, self._limits.ping_seconds / 5, self._limits.silence_seconds / 5)
        while True:
            await asyncio.sleep(interval)
            now, expired = loop.time(), self._now().timestamp()
            for place, client in enumerate(tuple(self._clients), 1):
                if client.claims.exp <= expired:  # should the clock of the day have been set forward
                    client.expire()
                else:
                    client.tick(now)
                    self.attendance.glance(client)  # whatever else has opened or closed a room
                if not place % TICKED_AT_ONCE:
                    await asyncio.sleep(0)

    def close_doors(self) -> None:
        """Let no one in any more; readiness says so too."""
        self._draining = True

    async def drain(self, random: Random, *, hurried: Callable[[], bool] = lambda: False) -> None:
        """Let no one in, and ask all to reconnect elsewhere, in random order and at random moments within about `limits.drain_seconds`.

        Until its own moment a client gets every message, and those before its closing frame. Returns when all are asked; once
        `hurried` is true, they are asked without delay.
        """
        self.close_doors()
        clients = random.sample(tuple(self._clients), len(self._clients))
        pause = self._limits.drain_seconds / max(1, len(clients))
        for client in clients:
            client.end(Close.DRAINING, "draining; reconnect elsewhere")
            if not hurried():
                await asyncio.sleep(random.uniform(0, 2 * pause))
