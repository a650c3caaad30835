"""Five hundred clients in one process, on raw sockets: each checks the order of what it gets, and all must get the same bytes.

The first copy of every message is kept; each further copy is compared with it, and the kept ones are decoded and compared with what
was sent when a measurement is over.
"""

import selectors
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from bench.errors import BenchFailed
from bench.inbound import Inbound

SILENCE_SECONDS: Final = 15.0
_RECEIVE_BYTES: Final = 1 << 18
_CONNECTING: Final = 50
"""At most so many handshakes at a time: a listener's backlog is no queue."""


class Crowd:
    """Connected clients. Waits raise BenchFailed after SILENCE_SECONDS in which nobody received anything."""

    def __init__(self) -> None:
        self._delivered = 0
        self._messages: dict[int, bytes] = {}
        self._selector = selectors.DefaultSelector()
        self._sockets: list[socket.socket] = []
        self._clients: list[Inbound] = []

    def join(self, port: int, requests: Sequence[bytes], make: Callable[[], Inbound]) -> None:
        """One client a request; returns when the subscriptions of all hold."""
        for first in range(0, len(requests), _CONNECTING):
            for request in requests[first : first + _CONNECTING]:
                self._connect(port, request, make())
            self._poll_until(lambda: all(client.standing is not None for client in self._clients))

    @property
    def standing(self) -> int:
        """The offset after which all of them began. Raises BenchFailed where they do not agree."""
        offsets = {client.standing for client in self._clients}
        if len(offsets) != 1 or None in offsets:
            raise BenchFailed(f"clients began at {len(offsets)} different places")
        return next(offset for offset in offsets if offset is not None)

    def __len__(self) -> int:
        return len(self._clients)

    def wait_for(self, messages: int) -> None:
        """Until every client has had so many messages in all: no more were sent, and no client gets one twice."""
        wanted = messages * len(self)
        self._poll_until(lambda: self._delivered >= wanted)
        if self._delivered > wanted:
            raise BenchFailed(f"{self._delivered} deliveries instead of {wanted}")

    def messages(self) -> list[bytes]:
        """Every message that there was, in order; each was received by all."""
        return [self._messages[offset] for offset in sorted(self._messages)]

    def close(self) -> None:
        self._selector.close()
        for each in self._sockets:
            each.close()

    def _connect(self, port: int, request: bytes, client: Inbound) -> None:
        connection = socket.create_connection(("127.0.0.1", port), timeout=SILENCE_SECONDS)
        self._sockets.append(connection)
        self._clients.append(client)
        if request:
            connection.sendall(request)
        connection.settimeout(0)
        self._selector.register(connection, selectors.EVENT_READ, client)

    def _poll_until(self, done: Callable[[], bool]) -> None:
        heard = time.monotonic()
        while not done():
            ready = self._selector.select(timeout=1)
            if ready:
                heard = time.monotonic()
            elif time.monotonic() - heard > SILENCE_SECONDS:
                raise BenchFailed(f"no client received anything for {SILENCE_SECONDS:g} s")
            for key, _ in ready:
                self._read(key.fileobj, key.data)  # type: ignore[arg-type]

    def _read(self, connection: socket.socket, client: Inbound) -> None:
        data = connection.recv(_RECEIVE_BYTES)
        if not data:
            raise BenchFailed("the server closed a client's connection")
        deliveries = client.receive(data)
        self._delivered += len(deliveries)
        for offset, message in deliveries:
            if self._messages.setdefault(offset, message) != message:
                raise BenchFailed(f"two clients got different messages at offset {offset}")


@contextmanager
def crowd_of(port: int, requests: Sequence[bytes], make: Callable[[], Inbound]) -> Iterator[Crowd]:
    """One client a request, all subscribed; gone at the end."""
    crowd = Crowd()
    try:
        crowd.join(port, requests, make)
        yield crowd
    finally:
        crowd.close()
