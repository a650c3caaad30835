"""Time that passes when a test says so."""

import asyncio
from datetime import UTC, datetime, timedelta

from edge_agent.device import Time
from tests.edge_agent.samples import NOON


class ManualTime:
    """Clock, monotonic clock and sleep, moved by `advance`; chance is always one half."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._sleepers: list[tuple[float, asyncio.Event]] = []

    @property
    def time(self) -> Time:
        return Time(clock=self.clock, monotonic=lambda: self.seconds, random=lambda: 0.5, sleep=self.sleep)

    def clock(self) -> datetime:
        return (NOON + timedelta(seconds=self.seconds)).astimezone(UTC)

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.Event()
        self._sleepers.append((self.seconds + seconds, woken))
        await woken.wait()

    async def advance(self, seconds: float, *, step: float = 0.25) -> None:
        """Let that much time pass, in steps, everybody who wakes being served between them."""
        await settle()
        until = self.seconds + seconds
        while self.seconds < until:
            self.seconds = min(until, self.seconds + step)
            for due, woken in self._sleepers:
                if due <= self.seconds:
                    woken.set()
            self._sleepers = [(due, woken) for due, woken in self._sleepers if not woken.is_set()]
            await settle()


async def settle() -> None:
    """Let every task that can run do so, until it waits."""
    for _ in range(50):
        await asyncio.sleep(0)
