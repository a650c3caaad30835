"""The hub's rivals, a line each: what is connected to, and how. Several may be served by one program."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Final

from bench.baselines.orders import ANSWER_SECONDS, Orders
from bench.crowd import Talk
from bench.errors import BenchFailed
from bench.machine import Cores
from bench.messages import event_message, websocket_message
from bench.programs import Running, running_program
from bench.servers import Kind, Outlet, Server, get, handshake

BARE: Final = "bare send()"
COMPRESSED: Final = "uvicorn's default, compressing"
PLAIN: Final = "uvicorn, not compressing"
SANSIO: Final = "uvicorn, sans-I/O"
PICOWS: Final = "picows"
AIOHTTP: Final = "aiohttp"
NODE_WS: Final = "Node.js ws"
SOCKET_IO: Final = "Socket.IO, Redis adapter"
NCHAN: Final = "nchan"
QUEUED: Final = "StreamingResponse, a queue each"
SSE_STARLETTE: Final = "sse-starlette"
_POLL_SECONDS: Final = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """A server that is nothing else: `program` is in `bench.programs.PROGRAMS`, `request` makes a client of it."""

    name: str
    program: str
    kind: Kind = Kind.WEBSOCKET
    talk: Talk = Talk.WEBSOCKET
    request: bytes = handshake("/ws")


_DEFLATE: Final = "Sec-WebSocket-Extensions: permessage-deflate"
_ENGINE_IO: Final = "/socket.io/?EIO=4&transport=websocket"
_EVENTS: Final = get("/events", "Accept: text/event-stream")
RIVALS: Final = (
    Rival(name=BARE, program="bare", talk=Talk.RAW_WEBSOCKET, request=b""),
    Rival(name=COMPRESSED, program="uvicorn", talk=Talk.DEFLATED, request=handshake("/ws", _DEFLATE)),
    Rival(name=PLAIN, program="uvicorn"),
    Rival(name=SANSIO, program="uvicorn-sansio"),
    Rival(name=AIOHTTP, program="aiohttp"),
    Rival(name=PICOWS, program="picows"),
    Rival(name=NODE_WS, program="node-ws"),
    Rival(name=SOCKET_IO, program="socket.io", talk=Talk.SOCKET_IO, request=handshake(_ENGINE_IO)),
    Rival(name=NCHAN, program="nchan"),
    Rival(name=BARE, program="bare", kind=Kind.EVENTS, talk=Talk.RAW_EVENTS, request=b""),
    Rival(name=QUEUED, program="uvicorn", kind=Kind.EVENTS, talk=Talk.EVENTS, request=_EVENTS),
    Rival(name=SSE_STARLETTE, program="sse-starlette", kind=Kind.EVENTS, talk=Talk.EVENTS, request=_EVENTS),
    Rival(name=NCHAN, program="nchan", kind=Kind.EVENTS, talk=Talk.EVENTS, request=_EVENTS),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rivals:
    """Those that run, with what they call themselves; and the names of those that are not installed."""

    servers: Sequence[Server]
    versions: dict[str, str]
    missing: Sequence[str]


@contextmanager
def running_rivals(chosen: Sequence[Rival], folder: Path, cores: Cores, redis_url: str) -> Iterator[Rivals]:
    """Every rival on the server's core, one process for each program. Raises ServiceFailed."""
    versions: dict[str, str] = {}
    with ExitStack() as open_:
        running = {
            name: open_.enter_context(running_program(name, folder, cores, redis_url))
            for name in dict.fromkeys(rival.program for rival in chosen)
        }
        servers = [_server(rival, found, versions) for rival in chosen if (found := running[rival.program])]
        missing = [name for name, found in running.items() if found is None]
        yield Rivals(servers=servers, versions=versions, missing=missing)


def _server(rival: Rival, running: Running, versions: dict[str, str]) -> Server:
    @contextmanager
    def ordered(clients: int) -> Iterator[Outlet]:
        with Orders(running.orders_port) as orders:
            orders.gather(clients)
            yield _OrderedOutlet(orders, rival)
            versions[rival.program] = orders.server

    @contextmanager
    def posted(clients: int) -> Iterator[Outlet]:
        with closing(HTTPConnection("127.0.0.1", running.port, timeout=ANSWER_SECONDS)) as connection:
            outlet = _PostedOutlet(connection, _message_of(rival), clients)
            yield outlet
            versions[rival.program] = outlet.server

    return Server(
        name=rival.name,
        kind=rival.kind,
        pid=running.pid,
        port=running.port,
        talk=rival.talk,
        requests=lambda clients: [rival.request] * clients,
        outlet=posted if rival.program == "nchan" else ordered,
    )


def _message_of(rival: Rival) -> Callable[[int], bytes]:
    return websocket_message if rival.kind is Kind.WEBSOCKET else event_message


@dataclass(frozen=True, slots=True)
class _OrderedOutlet:
    orders: Orders
    rival: Rival

    def publish(self, first: int, count: int) -> None:
        message = _message_of(self.rival)
        self.orders.send(
            self.rival.kind, [message(offset) for offset in range(first, first + count)], joined=self.rival.name == BARE
        )

    def settle(self) -> None:
        self.orders.done()


@dataclass(slots=True)
class _PostedOutlet:
    """nchan's publishers post each message, once it has all its subscribers."""

    connection: HTTPConnection
    message: Callable[[int], bytes]
    clients: int
    server: str = ""

    def publish(self, first: int, count: int) -> None:
        if not self.server:
            self._gather()
        for offset in range(first, first + count):
            self._ask("POST", self.message(offset))

    def settle(self) -> None:
        """A post is answered when it is done."""

    def _gather(self) -> None:
        """Return when nchan has all subscribers. Raises BenchFailed."""
        deadline = time.monotonic() + ANSWER_SECONDS
        while (found := self._ask("GET"))[0] != self.clients:
            if time.monotonic() > deadline:
                raise BenchFailed(f"nchan has {found[0]} of {self.clients} subscribers")
            time.sleep(_POLL_SECONDS)
        self.server = found[1]

    def _ask(self, method: str, body: bytes | None = None) -> tuple[int, str]:
        """Subscribers, and what the server calls itself."""
        headers = {"Accept": "application/json", "X-EventSource-Event": "patient.vitals.update"}
        self.connection.request(method, "/publish", body=body, headers=headers)
        answer = self.connection.getresponse()
        said = answer.read()
        if answer.status not in (200, 201, 202, 404):
            raise BenchFailed(f"nchan answers {answer.status}: {said[:200]!r}")
        subscribers = 0 if answer.status == 404 else int(json.loads(said)["subscribers"])
        return subscribers, f"nchan in {answer.headers['Server']}"
