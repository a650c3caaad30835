"""How long connections may go on: a warning some time before a token ends, and the end at that instant.

One timer a node, for the next moment at which something is due, so that nothing is delivered after a token's end, however long the node's watch
takes to come round, and a connection at rest costs no timer.
"""

import asyncio
import heapq
from collections.abc import Callable
from datetime import datetime
from typing import Final, Protocol

from hub.auth.tokens import Claims
from hub.limits import Limits
from hub.rooms.messages import rfc3339

EARLY_SECONDS: Final = 0.005
"""How much before its moment something is done: more than an event loop's timers are late by themselves, so that the end is not after the end."""


class Mortal(Protocol):
    """A connection, as far as its end goes."""

    claims: Claims

    def tell(self, kind: str, **fields: object) -> None:
        """Send a message of the server's own."""

    def expire(self) -> None:
        """Close for the token's end."""


class Lifetimes:
    """Those of all a node's connections. A connection with another token leaves and enters again."""

    def __init__(self, limits: Limits, now: Callable[[], datetime]) -> None:
        self._limits = limits
        self._now = now
        self._booked: dict[Mortal, int] = {}
        self._due: dict[float, dict[Mortal, None]] = {}
        self._order: list[float] = []
        self._timer: asyncio.TimerHandle | None = None

    def enter(self, client: Mortal) -> None:
        self._booked[client] = client.claims.exp
        for moment in self._moments(client.claims.exp):
            if moment not in self._due:
                heapq.heappush(self._order, moment)
            self._due.setdefault(moment, {})[client] = None
        self._arm()

    def leave(self, client: Mortal) -> None:
        for moment in self._moments(self._booked.pop(client)):
            self._due.get(moment, {}).pop(client, None)  # an empty moment stays, in its place, until it is the next

    def _moments(self, ends: int) -> tuple[float, float]:
        return ends - self._limits.expiring_seconds, float(ends)

    def _arm(self) -> None:
        """Wake up at the next moment at which something is due."""
        while self._order and not self._due[self._order[0]]:
            del self._due[heapq.heappop(self._order)]
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._order:
            left = self._order[0] - EARLY_SECONDS - self._now().timestamp()
            self._timer = asyncio.get_running_loop().call_later(max(0.0, left), self._wake)

    def _wake(self) -> None:
        self._timer = None
        now = self._now().timestamp() + EARLY_SECONDS
        while self._order and self._order[0] <= now:
            for client in self._due.pop(heapq.heappop(self._order)):
                self._carry_out(client, now)
        self._arm()

    def _carry_out(self, client: Mortal, now: float) -> None:
        left = client.claims.exp - now
        if left <= 0:
            client.expire()
        else:
            client.tell("expiring", expires=rfc3339(client.claims.expires), seconds=round(left))
