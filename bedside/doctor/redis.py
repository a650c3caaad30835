"""Looks at the rooms' Redis: does it answer, will it keep what it is given, has it room."""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError
from redis.retry import Retry

from bedside.doctor.findings import Finding, failed, ok, together, warning
from bedside.doctor.running import ASK_SECONDS
from bedside.doctor.subject import Subject
from bedside.exits import Exit
from hub.errors import ConfigurationError, RoomsUnavailable
from hub.rooms.connections import secret_in
from hub.rooms.servers import layout_of
from hub.settings import HubSettings, RedisSettings

OLDEST: Final = (7, 0)
FULL: Final = 0.8
"""Of its memory; beyond it is time to act."""
Info = Mapping[str, Any]


def connect(settings: HubSettings) -> "Redis":
    """A client of the (first) master that asks once and gives it ASK_SECONDS. The caller closes it. Raises HubError."""
    return _clients(settings)[0]


def look(settings: HubSettings, subject: Subject) -> Finding:
    try:
        clients = _clients(settings)
    except ConfigurationError as error:
        return failed(str(error), "see docs/reference/configuration.md", Exit.CONFIGURATION)
    except RoomsUnavailable as error:
        return failed(str(error), subject.see("redis", "redis-server"), Exit.UNREACHABLE)
    return together([_look_at(client, subject) for client in clients])


def _clients(settings: HubSettings) -> list["Redis"]:
    """One for the server that is named, or for each master that Sentinels or Cluster name."""
    redis = settings.rooms_redis
    options: dict[str, Any] = {
        "socket_connect_timeout": ASK_SECONDS,
        "socket_timeout": ASK_SECONDS,
        "retry": Retry(NoBackoff(), 0),
        **_credentials(redis),
    }
    if redis.url is not None:
        files = _tls_files(redis) if redis.url.startswith("rediss:") else {}
        return [Redis.from_url(redis.url, **options, **files)]
    options |= {"ssl": redis.tls, **_tls_files(redis)}
    layout = asyncio.run(layout_of(redis, settings.limits))
    return [Redis(host=shard.master.host, port=shard.master.port, **options) for shard in layout.shards]


def _credentials(redis: RedisSettings) -> dict[str, Any]:
    password = secret_in("redis.password_file", redis.password_file) if redis.password_file else None
    return {name: value for name, value in (("username", redis.username), ("password", password)) if value is not None}


def _tls_files(redis: RedisSettings) -> dict[str, Any]:
    files: dict[str, Path | None] = {
        "ssl_ca_certs": redis.ca_file,
        "ssl_certfile": redis.certificate_file,
        "ssl_keyfile": redis.key_file,
    }
    return {name: str(path) for name, path in files.items() if path is not None}


def _look_at(client: "Redis", subject: Subject) -> Finding:
    where = _where(client)
    try:
        with client:
            info: Info = client.info()
    except (AuthenticationError, NoPermissionError) as error:
        return failed(
            f"{where}: {error}",
            "give redis_url the password that Redis has (requirepass, or its ACL)",
            Exit.AUTHENTICATION,
        )
    except (RedisError, OSError) as error:
        return failed(f"{where}: {_reason(error)}", subject.see("redis", "redis-server"), Exit.UNREACHABLE)
    return together([*_faults(info), ok(f"{where}: {_told(info)}")])


def _faults(info: Info) -> Iterator[Finding]:
    if info.get("role") != "master":
        yield failed("is a replica, which takes no writes", "name the master in redis_url", Exit.CONFIGURATION)
    version = _version(info)
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        yield warning(f"version {version}", f"use {'.'.join(map(str, OLDEST))} or newer, with which Bedside is tested")
    yield from _keeping(info)
    yield from _memory(info)


def _keeping(info: Info) -> Iterator[Finding]:
    """The hubs' hash never expires: only a policy over all keys can evict it; Streams expire, so `volatile-…` takes history."""
    policy, limited = str(info.get("maxmemory_policy", "noeviction")), bool(info.get("maxmemory"))
    advice = "CONFIG SET maxmemory-policy noeviction, and in redis.conf"
    if policy.startswith("allkeys") and limited:
        yield failed(f"{policy} lets it drop a hospital's stream", advice, Exit.CONFIGURATION)
    elif policy != "noeviction":
        yield warning(f"maxmemory-policy is {policy}: rooms may lose history when memory is short", advice)
    if not info.get("aof_enabled"):
        yield warning(
            "has no append-only file: a restart loses all rooms' history",
            "CONFIG SET appendonly yes, and in redis.conf",
        )
    elif info.get("aof_last_write_status") != "ok":
        yield failed("can't write its append-only file", "look at its disk and its log", Exit.FAILED)


def _memory(info: Info) -> Iterator[Finding]:
    used = int(info.get("used_memory", 0))
    limit = int(info.get("maxmemory", 0)) or int(info.get("total_system_memory", 0))
    if limit and used > FULL * limit:
        advice = "give it more memory, or lower limits.history_seconds and limits.history_bytes"
        yield warning(f"uses {used / limit:.0%} of its {_size(limit)} of memory", advice)


def _told(info: Info) -> str:
    name = "Valkey" if "valkey_version" in info else "Redis"
    limit = int(info.get("maxmemory", 0))
    of = f" of {_size(limit)}" if limit else ""
    kept = "on" if info.get("aof_enabled") else "off"
    policy = info.get("maxmemory_policy", "unknown")
    return (
        f"{name} {_version(info)}, append-only file {kept}, {policy}, {_size(int(info.get('used_memory', 0)))}{of} used"
    )


def _version(info: Info) -> str:
    """Of Valkey, the Redis that it is like."""
    return str(info.get("redis_version", "0.0"))


def _where(client: "Redis") -> str:
    place = client.get_connection_kwargs()
    return str(place.get("path") or f"{place.get('host', 'localhost')}:{place.get('port', 6379)}")


def _reason(error: Exception) -> str:
    """redis-py says the address in front of the system's words: `Error 111 connecting to HOST:PORT. Connection refused.`"""
    said = str(error).partition(". ")[2] or str(error) or type(error).__name__
    return said.rstrip(".")


def _size(count: int) -> str:
    return f"{count / 1024**3:.1f} GiB" if count >= 1024**3 else f"{count / 1024**2:.1f} MiB"
