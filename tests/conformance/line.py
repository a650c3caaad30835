"""A network line between a client and a hub, which can be cut, and stay cut."""

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Line:
    """What connects to `port` is connected to `target_port` while it isn't cut."""

    def __init__(self, target_port: int) -> None:
        self.port = 0
        self._target_port = target_port
        self._whole = True
        self._ends: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """End all connections without a word, and refuse new ones."""
        self._whole = False
        for end in tuple(self._ends):
            end.transport.abort()

    def mend(self) -> None:
        self._whole = True

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._whole:
            writer.transport.abort()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self._target_port)
        self._ends |= {writer, back}
        try:
            await asyncio.gather(_copy(reader, back), _copy(there, writer))
        finally:
            self._ends -= {writer, back}


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        return  # cut
    finally:
        writer.close()


@contextlib.asynccontextmanager
async def line(target_port: int) -> AsyncIterator[Line]:
    carrying = Line(target_port)
    server = await asyncio.start_server(carrying.carry, "127.0.0.1", 0)
    carrying.port = server.sockets[0].getsockname()[1]
    try:
        yield carrying
    finally:
        carrying.cut()
        server.close()
        await server.wait_closed()
