"""What one writes first: uvicorn with its defaults, `send_text` to each client, and a StreamingResponse with a queue each.

Run as `python -m bench.baselines.web PORT ORDERS_PORT`, until it is ended.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from fastapi import FastAPI
from starlette.responses import StreamingResponse
from starlette.websockets import WebSocket

from bench.baselines.messages import frame
from hub.realtime.frames import message_json

Outlet = WebSocket | asyncio.Queue[bytes]


class Audience:
    """Who is connected now."""

    def __init__(self) -> None:
        self.outlets: list[Outlet] = []
        self._changed = asyncio.Event()

    @contextmanager
    def holds(self, outlet: Outlet) -> Iterator[None]:
        """Count one in for the length of the block."""
        self.outlets.append(outlet)
        self._changed.set()
        try:
            yield
        finally:
            self.outlets.remove(outlet)
            self._changed.set()

    async def gather(self, clients: int) -> None:
        """Return when there are exactly so many: those of the measurement before may still be leaving."""
        while len(self.outlets) != clients:
            self._changed.clear()
            await self._changed.wait()


audience = Audience()


async def websocket(client: WebSocket) -> None:
    """Keep a client until it leaves."""
    await client.accept()
    with audience.holds(client):
        while (await client.receive())["type"] != "websocket.disconnect":
            pass


async def events() -> StreamingResponse:
    """A stream of what is put into its queue."""
    return StreamingResponse(_from_a_queue(), media_type="text/event-stream")


async def _from_a_queue() -> AsyncIterator[bytes]:
    queue: asyncio.Queue[bytes] = asyncio.Queue()
    with audience.holds(queue):
        while True:
            yield await queue.get()


async def obey(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Orders of one measurement, one after the other."""
    while line := await reader.readline():
        word, *rest = line.decode().split()
        if word == "gather":
            await audience.gather(int(rest[0]))
        else:
            _, first, count = rest
            for offset in range(int(first), int(first) + int(count)):
                await _send(offset)
        writer.write(b"ok\n")
    writer.close()


async def _send(offset: int) -> None:
    made = frame(offset)
    text, event = message_json(made.message).decode(), made.sse
    for outlet in audience.outlets:
        if isinstance(outlet, WebSocket):
            await outlet.send_text(text)
        else:
            outlet.put_nowait(event)


def make_app(orders_port: int) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with await asyncio.start_server(obey, "127.0.0.1", orders_port):
            yield

    app = FastAPI(lifespan=lifespan)
    app.add_api_websocket_route("/ws", websocket)
    app.add_api_route("/events", events)
    return app


if __name__ == "__main__":
    uvicorn.run(make_app(int(sys.argv[2])), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
