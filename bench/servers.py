"""The servers that the crowd is connected to, and the hub as two of them. All send the same messages."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final, Protocol

from bench.crowd import Crowd, Talk
from bench.feed import Feed
from bench.results import Results
from bench.stack import Stack
from bench.ward import patient

HUB: Final = "hub"
WATCHED_BED: Final = 0
UNWATCHED_BED: Final = 1
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
    """One running server. `requests` opens so many clients, `outlet`, opened before, publishes to exactly so many once they are connected."""

    name: str
    kind: Kind
    pid: int
    port: int
    talk: Talk
    requests: Callable[[int], Sequence[bytes]]
    outlet: Callable[[int], AbstractContextManager[Outlet]]
    rooms: Sequence[str] = ()


def get(path: str, *headers: str) -> bytes:
    """A request for a path."""
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: 127.0.0.1", *headers, "", ""]).encode()


def handshake(path: str, *headers: str) -> bytes:
    """A request to speak WebSocket there."""
    upgrade = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {_KEY}")
    return get(path, *upgrade, *headers)


def vitals_room(bed: int) -> str:
    return f"patient:{patient(bed)}:vitals"


def watching(stack: Stack, bed: int, user: str) -> bytes:
    """The handshake of a user who watches a bed's patient."""
    return handshake(f"/realtime/ws/patient/{patient(bed)}", f"Authorization: Bearer {stack.token(user)}")


@contextmanager
def watching_rooms(stack: Stack, rooms: Sequence[str], *, clients: int) -> Iterator[Crowd]:
    """Clients that have asked for all these rooms in one message each."""
    crowd = Crowd(Talk.WEBSOCKET, rooms)
    try:
        users = [f"rooms-{place}" for place in range(clients)]
        requests = [handshake("/realtime/ws", f"Authorization: Bearer {stack.token(user)}") for user in users]
        crowd.join(stack.hub, requests, greeting=_masked(json.dumps({"type": "subscribe", "rooms": rooms}).encode()))
        yield crowd
    finally:
        crowd.close()


def _masked(text: bytes) -> bytes:
    """A text frame as clients send them, masked with zeros (RFC 6455, section 5.3)."""
    length = len(text).to_bytes(8) if len(text) > 65_535 else len(text).to_bytes(2)
    return bytes((0x81, 0x80 | (127 if len(length) == 8 else 126))) + length + bytes(4) + text


def hub_servers(stack: Stack, feed: Feed, results: Results) -> tuple[Server, Server]:
    """The hub by WebSocket and by server-sent events: a patient's endpoint, every client with a token and a name of its own."""

    @contextmanager
    def outlet(clients: int) -> Iterator[Outlet]:
        yield HubOutlet(feed, results, WATCHED_BED)

    def server(kind: Kind, talk: Talk, request: Callable[[str], bytes]) -> Server:
        return Server(
            name=HUB,
            kind=kind,
            pid=stack.pid,
            port=stack.hub,
            talk=talk,
            requests=lambda clients: [request(f"viewer-{place}") for place in range(clients)],
            outlet=outlet,
            rooms=[vitals_room(WATCHED_BED)],
        )

    def listening(user: str) -> bytes:
        path = f"/realtime/events/patient/{patient(WATCHED_BED)}"
        return get(path, f"Authorization: Bearer {stack.token(user)}")

    return (
        server(Kind.WEBSOCKET, Talk.WEBSOCKET, lambda user: watching(stack, WATCHED_BED, user)),
        server(Kind.EVENTS, Talk.EVENTS, listening),
    )


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
