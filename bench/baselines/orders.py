"""How the benchmark tells a baseline's server what to do: lines on a TCP connection of its own, one connection a measurement.

`gather N` is answered when N clients are there. `send KIND MODE COUNT`, with COUNT messages behind it a line each, is answered when
they have been sent to all clients; MODE `joined` asks for one write a client, `single` for one a message. Answers are `ok`, after
`gather` with the server's name and version.
"""

import socket
from collections.abc import Sequence
from types import TracebackType
from typing import Final

from bench.errors import BenchFailed

ANSWER_SECONDS: Final = 30.0


class Orders:
    """The benchmark's end. `server` is what the server calls itself, once it has gathered clients."""

    def __init__(self, port: int) -> None:
        self.server = ""
        self._connection = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_SECONDS)
        self._answers = self._connection.makefile("rb")
        self._asked = False

    def __enter__(self) -> "Orders":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._answers.close()
        self._connection.close()

    def gather(self, clients: int) -> None:
        """Have the server wait for so many clients, which may come from now on."""
        self._give(f"gather {clients}\n".encode())

    def send(self, kind: str, messages: Sequence[bytes], *, joined: bool) -> None:
        """Have messages sent, after the order before is done, and do not wait for this one."""
        mode = "joined" if joined else "single"
        self._give(b"send %b %b %d\n" % (kind.encode(), mode.encode(), len(messages)) + b"\n".join([*messages, b""]))

    def done(self) -> None:
        """Wait for the answer to the last order. Raises BenchFailed."""
        if not self._asked:
            return
        self._asked = False
        word, _, rest = self._answers.readline().decode().strip().partition(" ")
        if word != "ok":
            raise BenchFailed("a baseline's server did not do what it was told; see its log")
        self.server = rest or self.server

    def _give(self, order: bytes) -> None:
        self.done()
        self._connection.sendall(order)
        self._asked = True
