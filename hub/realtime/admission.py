"""How many connections a user has over all nodes: each node says how many are here, under a lease.

A refusal is only believed after what dead nodes left was left out, so a node's death locks nobody out. While Redis does not answer,
each node holds the limit by itself, and counts that it did.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from weakref import WeakValueDictionary

from hub.errors import RoomsUnavailable
from hub.limits import Limits
from hub.realtime.attendance import Attendance
from hub.realtime.rates import Fallback
from hub.rooms.nodes import Nodes
from hub.rooms.quotas import Quotas

RENEWALS_AT_ONCE: Final = 8


class Admission:
    """This node's connections are those of `attendance`. `refused` counts who was not let in."""

    def __init__(
        self, quotas: Quotas, nodes: Nodes, attendance: Attendance, limits: Limits, fallback: Fallback
    ) -> None:
        self.refused = 0
        self._quotas = quotas
        self._nodes = nodes
        self._attendance = attendance
        self._kept: Counter[str] = Counter()
        self._asking: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._limits = limits
        self._fallback = fallback
        self._due: dict[str, None] = {}
        self._wake = asyncio.Event()
        attendance.listeners.append(self)

    def moved(self, *_: object) -> None:
        """Rooms are no matter here."""

    def gone(self, user: str) -> None:
        """A connection of a user has ended."""
        self._due[user] = None
        self._wake.set()

    @asynccontextmanager
    async def place(self, user: str) -> AsyncIterator[bool]:
        """Whether the user may have one more connection. Where so its place is kept until the end of the block: enter it there."""
        one_by_one = self._asking.setdefault(user, asyncio.Lock())
        async with one_by_one:  # else all are counted before any is allowed
            said = self._count(user) + 1
            try:
                allowed = await self._may_have(user, said)
            except BaseException:
                self.gone(user)  # what was said may have been heard
                raise
            self._kept[user] += allowed
        self.refused += not allowed
        try:
            yield allowed
        finally:
            self._kept[user] -= allowed
            if not self._kept[user]:
                del self._kept[user]
            if allowed and self._count(user) != said:
                self.gone(user)  # the place was not taken, or others have come and gone: say the number again

    def _count(self, user: str) -> int:
        return self._attendance.connections(user) + self._kept.get(user, 0)

    async def _may_have(self, user: str, count: int) -> bool:
        """Whether the user may have so many connections here."""
        if self._fallback.is_in_force:
            self._fallback.times += 1
            return True
        try:
            allowed = await self._quotas.may_have(user, count)
            if not allowed:
                allowed = await self._quotas.may_have(user, count, living=await self._nodes.living())
        except RoomsUnavailable as error:
            self._fallback.begin(error)
            self._fallback.times += 1
            return True
        self._fallback.end()
        return allowed

    async def say(self) -> None:
        """Say who has left, as they leave, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            due, self._due = self._due, {}
            try:
                await self._say(list(due))
            except RoomsUnavailable:
                await asyncio.sleep(self._limits.retry_seconds)
                self._due |= due
                self._wake.set()

    async def renew(self) -> None:
        """Say everybody's number again, every `presence_refresh_seconds`, until cancelled."""
        while True:
            await asyncio.sleep(self._limits.presence_refresh_seconds)
            self._due |= dict.fromkeys(self._attendance.users)
            self._wake.set()

    async def _say(self, users: list[str]) -> None:
        for start in range(0, len(users), RENEWALS_AT_ONCE):
            batch = users[start : start + RENEWALS_AT_ONCE]
            await asyncio.gather(*(self._quotas.have(user, self._count(user)) for user in batch))
