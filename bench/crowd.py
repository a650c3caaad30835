"""Hundreds or thousands of clients in one process of its own, written in C so that they cost little beside the server.

Each client checks the order of what it gets; the first copy of every message is kept, each further copy must equal it byte for byte,
and the kept ones can be compared with what was sent when a measurement is over. The commands are told in `native/crowd.c`.
"""

import contextlib
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum, unique

from bench.compiled import program
from bench.errors import BenchFailed


@unique
class Talk(StrEnum):
    """How a server talks to its clients; the raw ones begin without HTTP, as a loop of bare send() does."""

    WEBSOCKET = "websocket"
    DEFLATED = "deflated"
    SOCKET_IO = "socket_io"
    RAW_WEBSOCKET = "raw_websocket"
    EVENTS = "events"
    RAW_EVENTS = "raw_events"


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Seconds, over `count` deliveries; to 3 %."""

    count: int
    median: float
    p99: float
    longest: float


class Crowd:
    """Connected clients. `rooms` are those whose subscriptions must hold; without any, offsets begin at 1.

    Every method raises BenchFailed where a client received what it must not, or nobody anything for fifteen seconds.
    """

    def __init__(self, talk: Talk, rooms: Sequence[str] = ()) -> None:
        self._talk = talk
        self._readers = 0
        self._awaited = 0
        self._process = subprocess.Popen([program("crowd")], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if rooms:
            self._ask(f"rooms {len(rooms)}", *rooms)

    def __len__(self) -> int:
        """How many of them read."""
        return self._readers

    def join(self, port: int, requests: Sequence[bytes], *, greeting: bytes = b"", silent: bool = False) -> None:
        """One client a request; returns when the subscriptions of all hold. Silent ones never read after that.

        The greeting is what each sends when its connection is open.
        """
        body = b"".join(_long(request) + _long(greeting) for request in requests)
        self._send(f"connect {self._talk} {port} {len(requests) if silent else 0} {len(body)}\n".encode() + body)
        self._answer()
        self._readers += 0 if silent else len(requests)

    def receive(self, messages: int, *, nap: int = 0) -> None:
        """Until every client that reads has had so many more. Clients look every `nap` microseconds; 0: as soon as something comes."""
        self._awaited += messages * self._readers
        delivered = int(self._ask(f"wait {self._awaited} {nap}"))
        if delivered > self._awaited:
            raise BenchFailed(f"{delivered} deliveries instead of {self._awaited}")

    def messages(self) -> list[bytes]:
        """Every message that there was, room after room in order; each was received by all."""
        return [self._message() for _ in range(int(self._ask("dump")))]

    def latency(self) -> tuple[Latency, Latency]:
        """How long after publication and after measurement messages came, since the last time this was asked."""
        said = [float(word) for word in self._ask("latency").split()]
        return _latency(said[:4]), _latency(said[4:])

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.kill()
        with contextlib.suppress(BrokenPipeError):  # what it did not take before it failed
            self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def _ask(self, *lines: str) -> str:
        self._send("".join(f"{line}\n" for line in lines).encode())
        return self._answer()

    def _send(self, data: bytes) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(data)
            self._process.stdin.flush()
        except BrokenPipeError:
            self._answer()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        word, _, rest = self._process.stdout.readline().decode(errors="replace").strip().partition(" ")
        if word != "ok":
            raise BenchFailed(rest or "the clients' process ended")
        return rest

    def _message(self) -> bytes:
        assert self._process.stdout is not None
        _, length = self._process.stdout.readline().split()
        return self._process.stdout.read(int(length))


def _long(part: bytes) -> bytes:
    return len(part).to_bytes(4, "little") + part


def _latency(said: Sequence[float]) -> Latency:
    count, median, p99, longest = said
    return Latency(count=int(count), median=median / 1e6, p99=p99 / 1e6, longest=longest / 1e6)


@contextmanager
def crowd_of(port: int, requests: Sequence[bytes], talk: Talk, rooms: Sequence[str] = ()) -> Iterator[Crowd]:
    """One client a request, all subscribed; gone at the end."""
    crowd = Crowd(talk, rooms)
    try:
        crowd.join(port, requests)
        yield crowd
    finally:
        crowd.close()
