"""A real WebSocket server that plays one side of a scenario, and holds the client to the other.

A scenario is a list of steps, one after the other:

| step | meaning |
|---|---|
| `connects` | the next handshake comes with this token, and is let in |
| `refuses` | the next handshake is answered with this HTTP status |
| `hears` | the client's next message has these members; its pings are passed over unless one is asked for |
| `says` | the server sends this message; `publishes` an event, of which what matters is given; `says_text` any text |
| `closes` | the server closes with `[code, reason]`; `breaks` cuts the line |
| `orders` | what the client's user does |
| `shows` | the next that the client tells its user has these members (`null`: is absent or null) |
| `answers`, `fails` | the next is the answer to what was asked, or its refusal |
| `either` | the next two come in either order |
| `ends` | iterating ends, by this error (`null`: by none) |

When all steps are played the client is closed, and must have told nothing more.
"""

import asyncio
import contextlib
import http
import json
from collections.abc import AsyncIterator
from typing import Any

import websockets
from websockets.asyncio.server import Request, Response, ServerConnection, serve
from websockets.typing import Subprotocol

from tests.conformance.driven import WAIT_SECONDS, Driven, Open

DATA = {
    "patient.vitals.update": {"patient_id": "p1", "timestamp": "2026-11-25T10:00:00Z"},
    "patient.alert": {
        "patient_id": "p1",
        "alert_type": "high_blood_pressure",
        "severity": "warning",
        "message": "High blood pressure detected: 150/95",
        "data": {"systolic": 150},
        "episode_id": "e1",
        "kind": "physiological",
        "repeat": 1,
        "timestamp": "2026-11-25T10:00:00Z",
    },
    "patient.waveform": {"patient_id": "p1", "signal": "plethysmogram", "rate_hz": 75, "start": "2026-11-25T10:00:00Z", "scale": {"low": 0, "high": 255}, "unit": "1"},
}  # fmt: skip


def published(given: dict[str, Any]) -> dict[str, Any]:
    """The message of a `publishes` step; where it isn't said, `n` is the offset, and the event's id is made of `n`."""
    event = given["event"]
    place = {} if event == "patient.waveform" else {"epoch": "e1", "n": given["offset"]}
    return {
        "type": "vitals_update" if event == "patient.vitals.update" else event.replace(".", "_"),
        "event_id": f"id-{given.get('n', given.get('offset'))}",
        "timestamp": "2026-11-25T10:00:01Z",
        **place,
        **given,
        "data": DATA[event] | given.get("data", {}),
    }


class Server:
    """What handshakes get is decided by the scenario's steps, in order."""

    def __init__(self) -> None:
        self.url = ""
        self.last_refusal = http.HTTPStatus.OK
        self._fates: asyncio.Queue[http.HTTPStatus | None] = asyncio.Queue()
        self._tokens: asyncio.Queue[str] = asyncio.Queue()
        self._connections: asyncio.Queue[ServerConnection] = asyncio.Queue()

    async def let_in(self) -> tuple[str, ServerConnection]:
        """The token and the connection of the next handshake."""
        self.last_refusal = http.HTTPStatus.OK
        self._fates.put_nowait(None)
        return await self._tokens.get(), await self._connections.get()

    async def refuse(self, status: int) -> None:
        self.last_refusal = http.HTTPStatus(status)
        self._fates.put_nowait(self.last_refusal)
        await self._tokens.get()

    async def decide(self, connection: ServerConnection, request: Request) -> Response | None:
        if request.headers.get("Upgrade") is None:  # a browser's client asks why its handshake failed
            return _problem(connection, self.last_refusal)
        assert request.path == "/realtime/ws", request.path
        fate = await self._fates.get()
        self._tokens.put_nowait(_token(request))
        return None if fate is None else _problem(connection, fate)

    async def serve(self, connection: ServerConnection) -> None:
        self._connections.put_nowait(connection)
        await connection.wait_closed()


def _token(request: Request) -> str:
    if (authorization := request.headers.get("Authorization")) is not None:
        return authorization.removeprefix("Bearer ")
    bearer, token = request.headers["Sec-WebSocket-Protocol"].split(", ")
    assert bearer == "bearer"
    return token


def _problem(connection: ServerConnection, status: http.HTTPStatus) -> Response:
    response = connection.respond(status, json.dumps({"status": status, "detail": f"refused with {status}"}))
    del response.headers["Content-Type"]
    response.headers["Content-Type"] = "application/problem+json"
    return response


def _bearer(connection: ServerConnection, offered: Any) -> Subprotocol | None:
    return Subprotocol("bearer") if "bearer" in offered else None


@contextlib.asynccontextmanager
async def server() -> AsyncIterator[Server]:
    playing = Server()
    async with serve(
        playing.serve, "127.0.0.1", 0, process_request=playing.decide, select_subprotocol=_bearer, ping_interval=None
    ) as running:
        (socket,) = running.sockets
        playing.url = f"http://127.0.0.1:{socket.getsockname()[1]}"
        yield playing


class Player:
    """Plays one scenario's steps against one client."""

    def __init__(self, server: Server, client: Driven) -> None:
        self._server = server
        self._client = client
        self._connection: ServerConnection | None = None

    @property
    def connection(self) -> ServerConnection:
        assert self._connection is not None, "the scenario lets the client in first"
        return self._connection

    async def play(self, step: dict[str, Any]) -> None:
        ((verb, what),) = step.items()
        async with asyncio.timeout(WAIT_SECONDS):
            await getattr(self, f"_{verb}")(what)

    async def _connects(self, token: str) -> None:
        given, self._connection = await self._server.let_in()
        assert given == token

    async def _refuses(self, status: int) -> None:
        await self._server.refuse(status)

    async def _hears(self, expected: dict[str, Any]) -> None:
        while True:
            message = json.loads(await self.connection.recv())
            if message["type"] != "ping" or expected["type"] == "ping":
                break
        assert_has(message, expected)

    async def _says(self, message: dict[str, Any]) -> None:
        await self.connection.send(json.dumps(message))

    async def _says_text(self, text: str) -> None:
        await self.connection.send(text)

    async def _publishes(self, given: dict[str, Any]) -> None:
        await self._says(published(given))

    async def _closes(self, code_and_reason: tuple[int, str]) -> None:
        await self.connection.close(*code_and_reason)

    async def _breaks(self, _: bool) -> None:
        self.connection.transport.abort()

    async def _orders(self, order: dict[str, Any]) -> None:
        await self._client.order(order)

    async def _shows(self, expected: dict[str, Any]) -> None:
        said = await self._client.says()
        assert "event" in said, said
        assert_has(said["event"], expected)

    async def _answers(self, expected: dict[str, Any]) -> None:
        said = await self._client.says()
        assert "answer" in said, said
        assert_has(said["answer"], expected)

    async def _fails(self, expected: dict[str, Any]) -> None:
        assert_has(await self._client.says(), expected)

    async def _either(self, steps: list[dict[str, Any]]) -> None:
        said = [await self._client.says() for _ in steps]
        for step in steps:
            expected = {"event": step["shows"]} if "shows" in step else step["fails"]
            assert any(_has(one, expected) for one in said), said

    async def _ends(self, error: str | None) -> None:
        assert_has(await self._client.says(), {"ended": error})


def assert_has(found: Any, expected: Any, where: str = "it") -> None:
    """Whether everything expected is there; members that aren't named don't matter, and an expected null may be absent."""
    if isinstance(expected, dict):
        assert isinstance(found, dict), f"{where} is {found!r}, not {expected!r}"
        for name, value in expected.items():
            assert_has(found.get(name), value, f"{where}.{name}")
    elif isinstance(expected, list):
        assert isinstance(found, list), f"{where} is {found!r}, not {expected!r}"
        assert len(found) == len(expected), f"{where} is {found!r}, not {expected!r}"
        for number, value in enumerate(expected):
            assert_has(found[number], value, f"{where}[{number}]")
    else:
        assert found == expected, f"{where} is {found!r}, not {expected!r}"


def _has(found: Any, expected: Any) -> bool:
    try:
        assert_has(found, expected)
    except AssertionError:
        return False
    return True


async def play(scenario: dict[str, Any], open_client: Open) -> None:
    """A whole scenario. Fails at the first step that is not as it should be, which the error names."""
    async with server() as playing:
        settings = {"url": playing.url, "timings": TIMINGS, **scenario["client"]}
        settings["timings"] = TIMINGS | scenario["client"].get("timings", {})
        async with open_client(settings) as client:
            player = Player(playing, client)
            for number, step in enumerate(scenario["steps"], 1):
                try:
                    await player.play(step)
                except (AssertionError, TimeoutError, websockets.ConnectionClosed) as error:
                    raise AssertionError(f"step {number}, {json.dumps(step)}: {error or 'nothing came'}") from error
            if "ends" not in scenario["steps"][-1]:
                await client.order({"do": "close"})
                assert await client.says() == {"ended": None}


TIMINGS = {"first_wait_seconds": 0.02, "longest_wait_seconds": 0.1, "busy_wait_seconds": 0.02, "retry_seconds": 0.05}
"""Real time, compressed: what a scenario does not say about time does not matter to it."""
