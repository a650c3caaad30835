"""A Redis (or Valkey) server with an append-only file, behind a password of its own."""

import secrets
import socket
from collections.abc import Sequence
from pathlib import Path

from bedside.services.locate import locate
from bedside.services.paths import deployed
from bedside.services.process import Service, free_port, write_private


class Redis(Service):
    """A running server; `url` holds its password."""

    port: int
    password: str

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"


def redis(
    folder: Path, *, port: int | None = None, password: str | None = None, directives: Sequence[str] = ()
) -> Redis:
    """A server, not yet started, whose data lies in `folder`, with more lines of redis.conf; a free port where none is given."""
    folder.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    password = password or _kept_secret(folder / "password")
    lines = (
        "bind 127.0.0.1",
        f"port {port}",
        f'dir "{folder}"',
        f"requirepass {password}",
        "daemonize no",
        *directives,
    )
    configuration = write_private(
        folder / "redis.conf",
        "\n".join((deployed("redis/redis.conf").read_text(encoding="utf-8"), *lines, "")),
    )
    service = Redis(
        name="Redis",
        program=locate("redis-server"),
        arguments=[str(configuration)],
        log=folder / "redis.log",
        answers=lambda: _pings(port, password),
    )
    service.port = port
    service.password = password
    return service


def _kept_secret(path: Path) -> str:
    if not path.exists():
        write_private(path, secrets.token_urlsafe(32))
    return path.read_text(encoding="utf-8")


def _pings(port: int, password: str) -> bool:
    """Whether the server answers and has loaded its file."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            answer = b""
            while answer.count(b"\r\n") < 2:
                received = connection.recv(1024)
                if not received:
                    return False
                answer += received
    except OSError:
        return False
    return answer.endswith(b"+PONG\r\n")
