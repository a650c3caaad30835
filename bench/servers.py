"""The servers that the crowd is connected to: the hub, and each baseline as a line of a table. All send the same messages."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum, unique
from pathlib import Path
from typing import Final, Protocol

from bedside.services.process import free_port, listens
from bench.baselines.orders import Orders
from bench.feed import Feed
from bench.inbound import DeflatedInbound, EventStreamInbound, Inbound, WebSocketInbound
from bench.machine import Cores
from bench.results import Results
from bench.stack import Stack, pid_of, python, started
from bench.ward import patient

WATCHED_BED: Final = 0
UNWATCHED_BED: Final = 1
_ROOM: Final = f"patient:{patient(WATCHED_BED)}:vitals"
_KEY: Final = "dGhlIHNhbXBsZSBub25jZQ=="


@unique
class Kind(StrEnum):
    """How clients are reached."""

    WEBSOCKET = "websocket"
    EVENTS = "events"


class Outlet(Protocol):
    """Sends to all clients there are."""

    def publish(self, first: int, count: int) -> None:
        """Send `count` messages, numbered from `first`; they may still be on their way."""

    def settle(self) -> None:
        """Return when the server has done all that publishing asks of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One running server. `requests` opens so many clients, `outlet` publishes to exactly so many once they are connected."""

    name: str
    kind: Kind
    pid: int
    port: int
    requests: Callable[[int], Sequence[bytes]]
    inbound: Callable[[], Inbound]
    outlet: Callable[[int], AbstractContextManager[Outlet]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """A server that is nothing else: `module` runs it, `inbound` and `request` make a client of it."""

    name: str
    module: str
    kind: Kind
    inbound: Callable[[], Inbound]
    request: bytes


def _get(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: 127.0.0.1", *headers, "", ""]).encode()


def _handshake(path: str, *headers: str) -> bytes:
    upgrade = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {_KEY}")
    return _get(path, *upgrade, *headers)


HUB: Final = "hub"
BARE: Final = "bare send()"
PLAIN: Final = "uvicorn, send_text each"
COMPRESSED: Final = "uvicorn's default (compressing), send_text each"
BARE_EVENTS: Final = "bare send() of events"
QUEUED: Final = "StreamingResponse with a queue each"

BASELINES: Final = (
    Baseline(
        name=BARE,
        module="bench.baselines.bare",
        kind=Kind.WEBSOCKET,
        inbound=lambda: WebSocketInbound(None, http=False),
        request=b"",
    ),
    Baseline(
        name=PLAIN,
        module="bench.baselines.web",
        kind=Kind.WEBSOCKET,
        inbound=lambda: WebSocketInbound(None),
        request=_handshake("/ws"),
    ),
    Baseline(
        name=COMPRESSED,
        module="bench.baselines.web",
        kind=Kind.WEBSOCKET,
        inbound=lambda: DeflatedInbound(None),
        request=_handshake("/ws", "Sec-WebSocket-Extensions: permessage-deflate"),
    ),
    Baseline(
        name=BARE_EVENTS,
        module="bench.baselines.bare",
        kind=Kind.EVENTS,
        inbound=lambda: EventStreamInbound(None, http=False),
        request=b"",
    ),
    Baseline(
        name=QUEUED,
        module="bench.baselines.web",
        kind=Kind.EVENTS,
        inbound=lambda: EventStreamInbound(None),
        request=_get("/events"),
    ),
)


def hub_servers(stack: Stack, feed: Feed, results: Results) -> tuple[Server, Server]:
    """The hub by WebSocket and by server-sent events: a patient's endpoint, every client with a token and a name of its own."""

    @contextmanager
    def outlet(clients: int) -> Iterator[Outlet]:
        yield HubOutlet(feed, results, WATCHED_BED)

    def requests(make: Callable[..., bytes], path: str) -> Callable[[int], Sequence[bytes]]:
        return lambda clients: [
            make(path, f"Authorization: Bearer {stack.token(f'viewer-{place}')}") for place in range(clients)
        ]

    subject = f"patient/{patient(WATCHED_BED)}"
    websocket = Server(
        name=HUB,
        kind=Kind.WEBSOCKET,
        pid=stack.pid,
        port=stack.hub,
        requests=requests(_handshake, f"/realtime/ws/{subject}"),
        inbound=lambda: WebSocketInbound(_ROOM),
        outlet=outlet,
    )
    events = Server(
        name=HUB,
        kind=Kind.EVENTS,
        pid=stack.pid,
        port=stack.hub,
        requests=requests(_get, f"/realtime/events/{subject}"),
        inbound=lambda: EventStreamInbound(_ROOM),
        outlet=outlet,
    )
    return websocket, events


@dataclass(frozen=True, slots=True)
class HubOutlet:
    """Publishes readings of one bed through the hub, each tick as one MQTT message."""

    feed: Feed
    results: Results
    bed: int

    def publish(self, first: int, count: int) -> None:
        self.feed.publish(self.bed, range(first - 1, first - 1 + count))

    def settle(self) -> None:
        self.feed.settle()
        self.results.wait_for_rooms()


@contextmanager
def running_baselines(folder: Path, cores: Cores) -> Iterator[tuple[Server, ...]]:
    """Every baseline's server on the server's core, one process for each module."""
    with ExitStack() as open_:
        processes = {module: open_.enter_context(_running(module, folder, cores)) for module in _modules()}
        yield tuple(_server(baseline, processes[baseline.module]) for baseline in BASELINES)


def _modules() -> Sequence[str]:
    return tuple(dict.fromkeys(baseline.module for baseline in BASELINES))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Process:
    pid: int
    port: int
    orders_port: int


@contextmanager
def _running(module: str, folder: Path, cores: Cores) -> Iterator[_Process]:
    port, orders_port = free_port(), free_port()
    service = python(module.rpartition(".")[2], module, [str(port), str(orders_port)], folder)
    service.answers = lambda: listens(orders_port)  # on the other, the probe would count as a client
    with ExitStack() as open_:
        with cores.serving():
            open_.enter_context(started(service))
        yield _Process(pid=pid_of(service), port=port, orders_port=orders_port)


def _server(baseline: Baseline, process: _Process) -> Server:
    @contextmanager
    def outlet(clients: int) -> Iterator[Outlet]:
        with Orders(process.orders_port) as orders:
            orders.gather(clients)
            yield _OrderedOutlet(orders, baseline.kind)

    return Server(
        name=baseline.name,
        kind=baseline.kind,
        pid=process.pid,
        port=process.port,
        requests=lambda clients: [baseline.request] * clients,
        inbound=baseline.inbound,
        outlet=outlet,
    )


@dataclass(frozen=True, slots=True)
class _OrderedOutlet:
    orders: Orders
    kind: Kind

    def publish(self, first: int, count: int) -> None:
        self.orders.give(f"send {self.kind} {first} {count}")

    def settle(self) -> None:
        self.orders.done()
