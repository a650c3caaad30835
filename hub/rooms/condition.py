"""How the rooms' Redis servers are: whether each answers, its memory, and this process's connections to it."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from hub.errors import RoomsUnavailable
from hub.rooms.servers import Servers

ANSWER_SECONDS: Final = 2.0


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """Of one server. Where it does not answer, nothing is known but its connections, `in_use` and `idle`."""

    server: str
    answers: bool
    used_bytes: int = 0
    max_bytes: int = 0
    evicted_keys: int = 0
    connections: Mapping[str, int] = {}


async def conditions(servers: Servers) -> list[Condition]:
    """Of every master that is known, asked at the same time; none where nobody says who they are."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            masters = await servers.masters()
    except (RoomsUnavailable, TimeoutError):
        return []
    return list(await asyncio.gather(*(_of(server, client) for server, client in masters.items())))


async def _of(server: str, client: "Redis") -> Condition:
    idle, in_use = (count for count, _ in client.connection_pool.get_connection_count())
    connections = {"idle": idle, "in_use": in_use}
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            memory: dict[str, Any] = await client.info("memory")
            stats: dict[str, Any] = await client.info("stats")
    except (RedisError, OSError):
        return Condition(server=server, answers=False, connections=connections)
    return Condition(
        server=server,
        answers=True,
        used_bytes=memory["used_memory"],
        max_bytes=memory["maxmemory"],
        evicted_keys=stats["evicted_keys"],
        connections=connections,
    )
