"""How the rooms' Redis servers are spoken to: user, password, TLS, and a bounded pool of connections to each.

No `socket_timeout`: with it redis-py waits by `asyncio.wait_for`, which on Python 3.11 may swallow a cancellation. Whoever asks says
how long it waits. A pool that is used up makes its callers wait for their turn, up to a limit; it never grows.
"""

import ssl
from pathlib import Path
from typing import Any, Final, NamedTuple

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection, SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError

from hub.errors import ConfigurationError
from hub.limits import Limits
from hub.settings import RedisSettings
from hub.tls import tls_fault

CONNECT_SECONDS: Final = 5
DEFAULT_PORT: Final = 6379
SENTINEL_PORT: Final = 26379


class Address(NamedTuple):
    """A server's host and port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Connections:
    """Makes clients and connections for any server of one installation. Raises ConfigurationError for what can't be used."""

    def __init__(self, options: dict[str, Any], limits: Limits) -> None:
        retry = Retry(NoBackoff(), 1)  # a pooled connection may have died unseen; more patience is the caller's
        common = {"protocol": 2, "socket_timeout": None, "socket_connect_timeout": CONNECT_SECONDS, "retry": retry}
        self._options = options | common
        self._limits = limits

    @property
    def address(self) -> Address:
        """The server that the options name."""
        return Address(self._options.get("host", "localhost"), self._options.get("port", DEFAULT_PORT))

    def client(self, address: Address, *, most: int | None = None) -> "Redis":
        """A client with a pool of its own, of at most `most` connections (the limit). Nothing is sent yet."""
        pool = BlockingConnectionPool(
            max_connections=most or self._limits.redis_connections,
            timeout=self._limits.redis_wait_seconds,
            **self._at(address),
        )
        return Redis.from_pool(pool)

    def connection(self, address: Address) -> AbstractConnection:
        """One connection outside any pool, not yet made."""
        options = self._at(address)
        made: AbstractConnection = options.pop("connection_class", _connection_class(options))(**options)
        return made

    def _at(self, address: Address) -> dict[str, Any]:
        return (
            self._options if "path" in self._options else self._options | {"host": address.host, "port": address.port}
        )


def _connection_class(options: dict[str, Any]) -> type[AbstractConnection]:
    pool = BlockingConnectionPool(**options)
    return pool.connection_class


def data_connections(settings: RedisSettings, limits: Limits) -> Connections:
    """To the servers that hold the rooms."""
    options: dict[str, Any] = {}
    if settings.url is not None:
        options |= parse_url(settings.url)
    if settings.username is not None:
        options["username"] = settings.username
    if settings.password_file is not None:
        options["password"] = secret_in("redis.password_file", settings.password_file)
    return Connections(options | _tls(settings, given=options.get("connection_class")), limits)


def sentinel_connections(settings: RedisSettings, limits: Limits) -> Connections:
    """To the Sentinels, which have a password of their own, or none."""
    options: dict[str, Any] = {}
    if settings.sentinel_password_file is not None:
        options["password"] = secret_in("redis.sentinel_password_file", settings.sentinel_password_file)
    return Connections(options | _tls(settings), limits)


def addresses(key: str, names: tuple[str, ...], port: int) -> tuple[Address, ...]:
    """`HOST`, `HOST:PORT` or `[IPv6]:PORT` each. Raises ConfigurationError."""
    return tuple(_address(key, name, port) for name in names)


def secret_in(key: str, path: Path) -> str:
    """The one line of a file. Raises ConfigurationError."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "is no text"
        raise ConfigurationError(f"{key}: {path} can't be read: {said}") from error


def server_of(connection: AbstractConnection) -> str:
    """Whom a connection is to, for a person: host and port, or the socket's path; no user and no password."""
    path: str | None = getattr(connection, "path", None)
    return path or str(Address(getattr(connection, "host", ""), getattr(connection, "port", 0)))


def reason(error: BaseException) -> str:
    """Why a server could not be spoken to, for a person: its certificate, the password, or the error's kind; no secret in it."""
    if (fault := tls_fault(error)) is not None:
        return fault
    if isinstance(error, AuthenticationError | NoPermissionError):
        return "it refuses the user or the password"
    return type(error).__name__


def _tls(settings: RedisSettings, *, given: object = None) -> dict[str, Any]:
    if not settings.tls and given is not SSLConnection:
        return {}
    files = {
        "ssl_ca_certs": settings.ca_file,
        "ssl_certfile": settings.certificate_file,
        "ssl_keyfile": settings.key_file,
    }
    return {
        "connection_class": SSLConnection,
        "ssl_cert_reqs": "required",
        "ssl_check_hostname": True,
        "ssl_min_version": ssl.TLSVersion.TLSv1_2,
    } | {name: str(path) for name, path in files.items() if path is not None}


def _address(key: str, name: str, port: int) -> Address:
    host, _, last = name.rpartition(":")
    if ":" not in name or name.endswith("]"):
        host, last = name, str(port)
    if not host.strip("[]") or not last.isdecimal() or not 0 < int(last) <= 65535:
        raise ConfigurationError(f"{key}: {name!r} is no HOST:PORT")
    return Address(host.strip("[]"), int(last))
