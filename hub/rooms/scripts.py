"""A Lua script beside this module, called within a time of its own."""

import asyncio
from collections.abc import Sequence
from typing import Any

from hub.errors import RoomsUnavailable
from hub.rooms.servers import ANSWER_SECONDS, Servers, script_text


class Script:
    """One script. What it writes is no record: no replica is waited for."""

    def __init__(self, servers: Servers, name: str) -> None:
        self._servers = servers
        self._script = servers.script(script_text(name))

    async def __call__(
        self, key: str, arguments: Sequence[str | bytes | int], *, seconds: float = ANSWER_SECONDS
    ) -> list[Any]:
        """The answer of the server that holds `key`. Raises RoomsUnavailable, at the latest after `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                answer: list[Any] = await self._servers.run(self._script, [key], arguments)
        except TimeoutError as error:
            raise RoomsUnavailable(f"Redis does not answer within {seconds:g} s") from error
        return answer
