"""What one writes first: uvicorn, `send_text` to each client, and a StreamingResponse with a queue each.

Run as `python -m bench.baselines.web PORT ORDERS_PORT [WEBSOCKET_IMPLEMENTATION]`, until it is ended.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from bench.baselines.audience import Audience, obeyed

audience: Audience[WebSocket | asyncio.Queue[bytes]] = Audience()


async def websocket(client: WebSocket) -> None:
    """Keep a client until it leaves."""
    await client.accept()
    with audience.holds(client):
        while (await client.receive())["type"] != "websocket.disconnect":
            pass


async def events(request: Request) -> Response:
    """A stream of what is put into its queue."""
    return StreamingResponse(_from_a_queue(), media_type="text/event-stream")


async def _from_a_queue() -> AsyncIterator[bytes]:
    queue: asyncio.Queue[bytes] = asyncio.Queue()
    with audience.holds(queue):
        while True:
            yield await queue.get()


async def send(messages: Sequence[bytes]) -> None:
    for message in messages:
        text, event = message.decode(), b"event: patient.vitals.update\ndata: %b\n\n" % message
        for outlet in audience.outlets:
            if isinstance(outlet, WebSocket):
                await outlet.send_text(text)
            else:
                outlet.put_nowait(event)


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    async with await obeyed(int(sys.argv[2]), f"uvicorn {uvicorn.__version__}", audience, send):
        yield


if __name__ == "__main__":
    uvicorn.run(
        Starlette(lifespan=lifespan, routes=[WebSocketRoute("/ws", websocket), Route("/events", events)]),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        ws="websockets-sansio" if "sansio" in sys.argv else "auto",
        log_level="warning",
    )
