"""How many messages a user may send, over all connections and nodes.

A node takes tokens out of the user's one bucket in Redis, a few at a time, and spends them for a moment without asking again.
No token exists twice, so all nodes together never let through more than the bucket gives; a user may at most miss, for that
moment, the few tokens that another node holds. Once Redis has said how long there will be none, it is not asked until then.

While Redis does not answer, each node holds the same limit by itself, and counts that it did.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from hub.errors import RoomsUnavailable
from hub.limits import Limits
from hub.rooms.quotas import Quotas

log = logging.getLogger(__name__)

TOKENS_AT_ONCE: Final = 5
TOKEN_SECONDS: Final = 1.0
"""How long tokens that were taken may be spent."""
FORGET_SECONDS: Final = 30.0
ASK_AGAIN_SECONDS: Final = 5.0
"""How long a node holds the limits by itself before it asks Redis again."""


class _Purse:
    """A user's tokens on this node. `tokens` are good until `until`; there are none before `none_until`."""

    __slots__ = ("full", "none_until", "tokens", "until")

    def __init__(self) -> None:
        self.tokens = 0
        self.until = 0.0
        self.none_until = 0.0
        self.full = 0.0

    def put(self, tokens: int, now: float) -> None:
        self.tokens = tokens if now >= self.until else self.tokens + tokens
        self.until = now + TOKEN_SECONDS

    def spend(self, now: float) -> bool:
        if not self.tokens or now >= self.until:
            return False
        self.tokens -= 1
        return True


class Fallback:
    """Whether Redis is asked. `times` counts how often a limit was held without it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.times = 0
        self._clock = clock
        self._ask_at = 0.0

    @property
    def is_in_force(self) -> bool:
        return self._clock() < self._ask_at

    def begin(self, error: RoomsUnavailable) -> None:
        if not self._ask_at:
            log.warning("limits are held by each node alone: %s", error)
        self._ask_at = self._clock() + ASK_AGAIN_SECONDS

    def end(self) -> None:
        if self._ask_at:
            log.info("limits are held over all nodes again")
        self._ask_at = 0.0


class Rates:
    """Everybody's rate of messages. `refused` counts the messages beyond."""

    def __init__(self, quotas: Quotas, limits: Limits, fallback: Fallback, *, clock: Callable[[], float]) -> None:
        self.refused = 0
        self._quotas = quotas
        self._limits = limits
        self._fallback = fallback
        self._clock = clock
        self._purses: dict[str, _Purse] = {}

    async def wait_seconds(self, user: str) -> float:
        """0: a message of the user may pass, and is counted. Else how long until one may."""
        purse = self._purses.setdefault(user, _Purse())
        if purse.spend(self._clock()):
            return 0.0
        wait = purse.none_until - self._clock()
        if wait <= 0:
            wait = await self._ask(user, purse)
        if wait > 0:
            self.refused += 1
        return wait

    async def forget_for_ever(self) -> None:
        """Let go of purses that say nothing any more, now and then, until cancelled."""
        while True:
            await asyncio.sleep(FORGET_SECONDS)
            self.forget()

    def forget(self) -> None:
        now = self._clock()
        self._purses = {
            user: purse for user, purse in self._purses.items() if max(purse.until, purse.none_until, purse.full) > now
        }

    async def _ask(self, user: str, purse: _Purse) -> float:
        if not self._fallback.is_in_force:
            try:
                granted = await self._quotas.tokens(user, TOKENS_AT_ONCE)
            except RoomsUnavailable as error:
                self._fallback.begin(error)
            else:
                self._fallback.end()
                return self._take(purse, granted.tokens, granted.wait_seconds)
        self._fallback.times += 1
        return self._alone(purse)

    def _take(self, purse: _Purse, tokens: int, wait_seconds: float) -> float:
        now = self._clock()
        if tokens:
            purse.put(tokens - 1, now)
            return 0.0
        if purse.spend(now):  # another connection has got some meanwhile
            return 0.0
        purse.none_until = now + wait_seconds
        return wait_seconds

    def _alone(self, purse: _Purse) -> float:
        """The same bucket, for this node: `full` is when it will be."""
        now, interval = self._clock(), 1 / self._limits.user_messages_a_second
        full = max(purse.full, now) + interval
        wait = full - now - self._limits.user_message_burst * interval
        if wait > 1e-9:
            return wait
        purse.full = full
        return 0.0
