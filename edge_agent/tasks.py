"""Ending tasks for certain."""

import asyncio
from typing import Any, Final

AGAIN_SECONDS: Final = 3.0


async def end(*tasks: "asyncio.Task[Any]") -> None:
    """Cancel tasks, and return when they have ended.

    A cancellation can get lost (in Python 3.11 `asyncio.wait_for` and a failing task group may swallow one), so it is repeated.
    """
    waiting = set(tasks)
    while waiting:
        for task in waiting:
            task.cancel()
        _, waiting = await asyncio.wait(waiting, timeout=AGAIN_SECONDS)
