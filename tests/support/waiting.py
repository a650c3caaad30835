"""Waiting for what another process or thread does, where there is no event to wait for."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
_POLL_SECONDS = 0.02


async def eventually(look: Callable[[], T], *, seconds: float = 10) -> T:
    """The first true answer of `look`. Fails the test after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        await asyncio.sleep(_POLL_SECONDS)
    return seen
