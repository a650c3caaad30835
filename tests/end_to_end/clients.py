"""Clients of the running road, whose subscriptions hold before anything is told to the ward."""

import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import websockets

from tests.end_to_end.road import Road
from tests.support.sse import Event, Reader

WAIT_SECONDS = 30


@contextlib.asynccontextmanager
async def watched(road: Road, path: str, *, rooms: int) -> AsyncIterator[websockets.ClientConnection]:
    """A WebSocket whose auto-subscriptions hold."""
    async with websockets.connect(f"{road.live}/ws/{path}?token={road.token}") as socket:
        for _ in range(rooms):
            assert json.loads(await socket.recv())["status"] == "subscribed"
        yield socket


@contextlib.asynccontextmanager
async def subscribed(road: Road, rooms: Sequence[str]) -> AsyncIterator[websockets.ClientConnection]:
    """A WebSocket that watches these rooms."""
    async with websockets.connect(f"{road.live}/ws?token={road.token}") as socket:
        await socket.send(json.dumps({"type": "subscribe", "rooms": list(rooms)}))
        for _ in rooms:
            assert json.loads(await socket.recv())["status"] == "subscribed"
        yield socket


@contextlib.asynccontextmanager
async def streamed(road: Road, path: str) -> AsyncIterator[Reader]:
    """An SSE stream that has said `connected`."""
    async with (
        httpx.AsyncClient(headers=road.headers, timeout=WAIT_SECONDS) as client,
        client.stream("GET", f"{road.hub}/realtime/events/{path}") as answer,
    ):
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        reader = Reader(answer)
        assert (await reader.next()).name == "connected"
        yield reader


def has(data: dict[str, Any], expected: dict[str, Any]) -> bool:
    """Whether everything expected is there; a group's members that are not named don't matter."""
    return all(
        has(data.get(name) or {}, value) if isinstance(value, dict) else data.get(name) == value
        for name, value in expected.items()
    )


async def message_with(socket: websockets.ClientConnection, type_: str, **expected: Any) -> dict[str, Any]:
    """The next message of a type whose data has this; the caller says how long it may take."""
    while True:
        message: dict[str, Any] = json.loads(await socket.recv())
        if message["type"] == type_ and has(message["data"], expected):
            return message


async def event_with(stream: Reader, name: str, **expected: Any) -> Event:
    """The next server-sent event of a name whose data has this."""
    while True:
        event = await stream.next()
        if event.name == name and has(event.data, expected):
            return event
