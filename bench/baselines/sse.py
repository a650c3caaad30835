"""sse-starlette under uvicorn: an EventSourceResponse with a queue each.

Run as `python -m bench.baselines.sse PORT ORDERS_PORT`, until it is ended.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version

import uvicorn
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.baselines.audience import Audience, obeyed

audience: Audience[asyncio.Queue[str]] = Audience()


async def events(request: Request) -> Response:
    """A stream of what is put into its queue."""
    response: Response = EventSourceResponse(_from_a_queue())
    return response


async def _from_a_queue() -> AsyncIterator[ServerSentEvent]:
    queue: asyncio.Queue[str] = asyncio.Queue()
    with audience.holds(queue):
        while True:
            yield ServerSentEvent(await queue.get(), event="patient.vitals.update")


async def send(messages: Sequence[bytes]) -> None:
    for message in messages:
        text = message.decode()
        for queue in audience.outlets:
            queue.put_nowait(text)


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    async with await obeyed(int(sys.argv[2]), f"sse-starlette {version('sse-starlette')}", audience, send):
        yield


if __name__ == "__main__":
    app = Starlette(lifespan=lifespan, routes=[Route("/events", events)])
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
