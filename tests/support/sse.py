"""Reading server-sent events as a browser does (HTML, section 9.2.6)."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx

WAIT_SECONDS = 10


@dataclass(kw_only=True)
class Event:
    """One event; `id` is the last one seen, as a browser would send it back. A comment has the name `:`."""

    name: str
    data: Any
    id: str | None


class Reader:
    """The events of one open response."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.retry: int | None = None
        self.last_id: str | None = None
        self._lines = response.aiter_lines()

    async def next(self, *, comments: bool = False) -> Event:
        """The next event, comments only when asked for. Fails after WAIT_SECONDS; StopAsyncIteration at the end."""
        async with asyncio.timeout(WAIT_SECONDS):
            name, data = "message", []
            while True:
                line = await anext(self._lines)
                if line.startswith(":"):
                    if comments:
                        return Event(name=":", data=None, id=self.last_id)
                    continue
                if not line:
                    if data:
                        return Event(name=name, data=json.loads("\n".join(data)), id=self.last_id)
                    name = "message"
                    continue
                field, _, value = line.partition(": ")
                if field == "event":
                    name = value
                elif field == "data":
                    data.append(value)
                elif field == "id":
                    self.last_id = value
                elif field == "retry":
                    self.retry = int(value)


@contextlib.asynccontextmanager
async def events(http: httpx.AsyncClient, path: str, headers: dict[str, str]) -> AsyncIterator[Reader]:
    async with http.stream("GET", path, headers=headers) as response:
        yield Reader(response)
