"""Waiting for Redis, and not for ever."""

import asyncio
from collections.abc import Coroutine

from hub.errors import RoomsUnavailable


async def within(seconds: float, waiting: Coroutine[object, object, None]) -> None:
    """Wait; where that takes longer, raise RoomsUnavailable."""
    try:
        async with asyncio.timeout(seconds):
            await waiting
    except TimeoutError as error:
        raise RoomsUnavailable(f"Redis accepts connections but passes nothing on for {seconds:g} s") from error
