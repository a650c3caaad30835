"""How the benchmark tells a baseline's server what to do: a line each way on a TCP connection of its own.

`gather N` is answered when N clients are there; `send KIND FIRST COUNT` sends so many messages, numbered from FIRST, to each of them,
and is answered when that is done.
"""

import socket
from types import TracebackType
from typing import Final

from bench.errors import BenchFailed

ANSWER_SECONDS: Final = 30.0


class Orders:
    """The benchmark's end."""

    def __init__(self, port: int) -> None:
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
        """Return when the server has so many clients."""
        self.give(f"gather {clients}")
        self.done()

    def give(self, order: str) -> None:
        """Give an order, after the one before is done, and do not wait for this one."""
        self.done()
        self._connection.sendall(order.encode() + b"\n")
        self._asked = True

    def done(self) -> None:
        """Wait for the answer to the last order."""
        if self._asked and self._answers.readline() != b"ok\n":
            raise BenchFailed("a baseline's server did not do what it was told; see its log")
        self._asked = False
