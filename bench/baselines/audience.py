"""What the Python baselines share: who is connected, and the orders of `bench.baselines.orders` read and obeyed."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, TypeVar

Outlet = TypeVar("Outlet")
LONGEST_LINE = 1 << 16


class Audience(Generic[Outlet]):
    """Who is connected now."""

    def __init__(self) -> None:
        self.outlets: list[Outlet] = []
        self._changed = asyncio.Event()

    def enter(self, outlet: Outlet) -> None:
        self.outlets.append(outlet)
        self._changed.set()

    def leave(self, outlet: Outlet) -> None:
        self.outlets.remove(outlet)
        self._changed.set()

    @contextmanager
    def holds(self, outlet: Outlet) -> Iterator[None]:
        """Count one in for the length of the block."""
        self.enter(outlet)
        try:
            yield
        finally:
            self.leave(outlet)

    async def gather(self, clients: int) -> None:
        """Return when there are exactly so many: those of the measurement before may still be leaving."""
        while len(self.outlets) != clients:
            self._changed.clear()
            await self._changed.wait()


async def obeyed(
    port: int, name: str, audience: Audience[Outlet], send: Callable[[Sequence[bytes]], Awaitable[None]]
) -> asyncio.Server:
    """A server that takes orders on `port`; `send` gives messages to everyone there. To be used as a context."""

    async def obey(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            word, *rest = line.decode().split()
            if word == "gather":
                await audience.gather(int(rest[0]))
            else:
                await send([(await reader.readline()).rstrip() for _ in range(int(rest[-1]))])
            writer.write(f"ok {name}\n".encode() if word == "gather" else b"ok\n")
        writer.close()

    return await asyncio.start_server(obey, "127.0.0.1", port, limit=LONGEST_LINE)
