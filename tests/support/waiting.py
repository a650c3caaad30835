"""Waiting for what another process or thread does, where there is no event to wait for."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
_POLL_SECONDS = 0.02


async def eventually(look: Callable[[], T | Awaitable[T]], *, seconds: float = 10) -> T:
    """The first true answer of `look`, which may be a coroutine function. Fails the test after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (seen := await _answer(look)):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        await asyncio.sleep(_POLL_SECONDS)
    return seen


async def _answer(look: Callable[[], T | Awaitable[T]]) -> T:
    seen = look()
    return await seen if inspect.isawaitable(seen) else seen
