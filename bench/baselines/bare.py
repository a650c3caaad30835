"""Bare send(): one `socket.send` of a prebuilt frame a client and message, in a loop, and nothing else.

Run as `python -m bench.baselines.bare PORT ORDERS_PORT`, until it is ended.
"""

import socket
import sys
from contextlib import ExitStack

from bench.baselines.messages import frame

BACKLOG = 1024


def main(port: int, orders_port: int) -> None:
    """One measurement a connection of orders."""
    listener = socket.create_server(("127.0.0.1", port), backlog=BACKLOG)
    orders = socket.create_server(("127.0.0.1", orders_port))
    while True:
        _obey(listener, orders.accept()[0])


def _obey(listener: socket.socket, connection: socket.socket) -> None:
    with ExitStack() as open_:
        clients: list[socket.socket] = []
        for line in open_.enter_context(connection).makefile("r"):
            word, *rest = line.split()
            if word == "gather":
                clients = [open_.enter_context(_accepted(listener)) for _ in range(int(rest[0]))]
            else:
                kind, first, count = rest
                _send(clients, kind, range(int(first), int(first) + int(count)))
            connection.sendall(b"ok\n")


def _accepted(listener: socket.socket) -> socket.socket:
    client, _ = listener.accept()
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def _send(clients: list[socket.socket], kind: str, offsets: range) -> None:
    for offset in offsets:
        made = frame(offset)
        data = made.websocket if kind == "websocket" else _chunk(made.sse)
        for client in clients:
            client.send(data)


def _chunk(event: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(event), event)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
