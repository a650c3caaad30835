"""Redis for the rooms, whatever its kind: scripts run on the master of their keys, and what a failover could lose does not count.

A publication counts when as many replicas have it as are asked for (`WAIT`, on the connection that wrote): a partitioned master
goes on to accept writes that are all lost when it is healed. A replica that is known to be down is not waited for.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from importlib import resources
from typing import Any, Final, TypeVar

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.commands.core import AsyncScript
from redis.exceptions import ConnectionError as RedisLost
from redis.exceptions import MovedError, NoScriptError, ReadOnlyError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeout

from hub.errors import RoomsUnavailable
from hub.limits import Limits
from hub.rooms.connections import DEFAULT_PORT as PORT
from hub.rooms.connections import (
    SENTINEL_PORT,
    Address,
    Connections,
    addresses,
    data_connections,
    reason,
    sentinel_connections,
)
from hub.rooms.layout import Cluster, Finder, Layout, OneServer, Sentinels, Shard
from hub.rooms.routed import Routed
from hub.settings import RedisSettings

log = logging.getLogger(__name__)

ANSWER_SECONDS: Final = 5
"""What Redis gets to answer one call."""
REPLICA_SECONDS: Final = 1.0
"""What replicas get to acknowledge a write."""
ASK_AGAIN_SECONDS: Final = 1.0
REDIRECTIONS: Final = 3

Argument = str | bytes | int
T = TypeVar("T")
_LOST: Final = (
    RedisLost,
    RedisTimeout,
    OSError,
    MovedError,
    ReadOnlyError,
)  # asyncio's TimeoutError is an OSError
"""Errors after which another server may be the master."""


class Servers:
    """All servers of the rooms. Every method raises RoomsUnavailable while the one that it needs does not answer."""

    def __init__(self, connections: Connections, finder: Finder, *, replicas: int, sharded: bool) -> None:
        self.is_sharded = sharded
        self._connections = connections
        self._finder = finder
        self._replicas = replicas
        self._layout: Layout | None = None
        self._clients: dict[Address, Redis] = {}
        self._finding = asyncio.Lock()
        self._asked_at = 0.0
        one = finder.address if isinstance(finder, OneServer) else None
        self.client: Redis = self._client(one) if one else Routed(self, connections.client(connections.address))

    def script(self, text: str) -> AsyncScript:
        """A script for `run`; in a Cluster its channels are sharded."""
        return AsyncScript(self.client, text.replace("'PUBLISH'", "'SPUBLISH'") if self.is_sharded else text)

    async def run(
        self, script: AsyncScript, keys: Sequence[str], arguments: Sequence[Argument], *, acknowledged: bool = False
    ) -> Any:  # noqa: ANN401 - what the script returns
        """A script's answer. All keys are of one hash slot. `acknowledged`: only when the replicas have what it wrote."""

        async def ask(client: "Redis", shard: Shard) -> Any:  # noqa: ANN401
            if acknowledged and (self._owed(shard) or await self._owed_by_now(shard, keys[0])):
                return await self._written(client, shard, script, keys, arguments)
            return await _evaluated(client, script, keys, arguments)

        return await self.led(keys[0], ask)

    async def led(self, key: str, ask: Callable[["Redis", Shard], Awaitable[T]]) -> T:
        """What `ask` gets from the master of `key`, asked again where that is another one now; a script's NoScriptError too."""
        try:
            return await self._led(key, ask)
        except NoScriptError:
            raise
        except ResponseError as error:
            raise RoomsUnavailable(f"Redis refused a command of the rooms: {error}") from error
        except (RedisError, OSError) as error:
            raise RoomsUnavailable(
                f"Redis does not answer ({reason(error)}); rooms stand still until it does"
            ) from error

    async def layout(self) -> Layout:
        """Who holds what, as was said last."""
        return self._layout or await self.refresh()

    async def refresh(self, first: Address | None = None) -> Layout:
        """Ask anew. Where nobody can be believed the last answer stays, with all that its masters owe."""
        before = self._layout
        async with self._finding:
            if self._layout is not before and self._layout is not None:
                return self._layout  # found while we waited
            self._asked_at = asyncio.get_running_loop().time()
            try:
                found = await self._finder.find(first)
            except RoomsUnavailable:
                if self._layout is None:
                    raise
                return self._layout
            self._layout = found
        if before is not None and before.places != found.places:
            log.warning(
                "the rooms are on other servers now: %s", ", ".join(str(shard.master) for shard in found.shards)
            )
        await self._leave(found)
        return found

    def connection(self, address: Address) -> AbstractConnection:
        """A connection of its own, not yet made."""
        return self._connections.connection(address)

    async def masters(self) -> dict[str, "Redis"]:
        """A client for each master, by its address."""
        return {str(shard.master): self._client(shard.master) for shard in (await self.layout()).shards}

    async def ping(self) -> None:
        """Nothing, when every master answers."""
        await self.everywhere(lambda client, _: client.execute_command("PING"))  # type: ignore[no-untyped-call]

    async def everywhere(self, ask: Callable[["Redis", Shard], Awaitable[T]]) -> list[T]:
        """What `ask` gets from every master."""
        layout = await self.layout()
        return [await self.led(layout.name_on(shard, "bedside"), ask) for shard in layout.shards]

    async def close(self) -> None:
        for client in dict.fromkeys((*self._clients.values(), self.client)):
            await client.aclose()

    async def _led(self, key: str, ask: Callable[["Redis", Shard], Awaitable[T]]) -> T:
        for _ in range(REDIRECTIONS):
            shard = (await self.layout()).shard_of(key)
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    return await ask(self._client(shard.master), shard)
            except _LOST as error:
                first = Address(error.host, error.port) if isinstance(error, MovedError) else None
                if (await self.refresh(first)).shard_of(key).master == shard.master:
                    raise
        raise RoomsUnavailable("Redis names another master each time; rooms stand still until it has settled")

    async def _written(
        self, client: "Redis", shard: Shard, script: AsyncScript, keys: Sequence[str], arguments: Sequence[Argument]
    ) -> Any:  # noqa: ANN401
        answer, acknowledged = await _and_waited(client, script, keys, arguments, self._replicas)
        if isinstance(answer, NoScriptError):
            await client.script_load(script.script)
            answer, acknowledged = await _and_waited(client, script, keys, arguments, self._replicas)
        if isinstance(answer, Exception):
            raise answer
        if acknowledged < self._replicas and acknowledged < await self._owed_now(shard, keys[0]):
            raise RoomsUnavailable("no replica of Redis has what was published; it does not count until one has")
        return answer

    async def _owed_by_now(self, shard: Shard, key: str) -> int:
        """What a master that had no replica owes: one that comes back is asked for within a second."""
        if not self._replicas or asyncio.get_running_loop().time() < self._asked_at + ASK_AGAIN_SECONDS:
            return 0
        return await self._owed_now(shard, key)

    async def _owed_now(self, shard: Shard, key: str) -> int:
        """The master itself knows its replicas first."""
        return self._owed((await self.refresh(shard.master)).shard_of(key))

    def _owed(self, shard: Shard) -> int:
        return self._replicas if shard.replicas is None else min(self._replicas, shard.replicas)

    def _client(self, address: Address) -> "Redis":
        if address not in self._clients:
            self._clients[address] = self._connections.client(address)
        return self._clients[address]

    async def _leave(self, layout: Layout) -> None:
        """Close what leads to servers that are no masters now."""
        masters = {shard.master for shard in layout.shards}
        for address in [address for address in self._clients if address not in masters]:
            await self._clients.pop(address).aclose()


async def _evaluated(client: "Redis", script: AsyncScript, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:  # noqa: ANN401
    try:
        return await client.evalsha(script.sha, len(keys), *keys, *arguments)
    except NoScriptError:  # a server that was restarted, or has become the master
        await client.script_load(script.script)
        return await client.evalsha(script.sha, len(keys), *keys, *arguments)


async def _and_waited(
    client: "Redis", script: AsyncScript, keys: Sequence[str], arguments: Sequence[Argument], replicas: int
) -> tuple[Any, int]:
    """A script's answer or error, and how many replicas have acknowledged: on one connection, as WAIT asks for."""
    async with client.pipeline(transaction=False) as pipeline:
        pipeline.evalsha(script.sha, len(keys), *keys, *arguments)
        pipeline.execute_command("WAIT", replicas, int(REPLICA_SECONDS * 1000))
        answer, acknowledged = await pipeline.execute(raise_on_error=False)
    return answer, acknowledged if isinstance(acknowledged, int) else 0


def script_text(name: str) -> str:
    """One of this package's scripts."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def open_servers(settings: RedisSettings, limits: Limits) -> Servers:
    """The servers that the settings name; nothing is sent yet. Raises ConfigurationError."""
    data = data_connections(settings, limits)
    if settings.cluster:
        finder: Finder = Cluster(data, addresses("redis.cluster", settings.cluster, PORT))
    elif settings.sentinels:
        sentinels = addresses("redis.sentinels", settings.sentinels, SENTINEL_PORT)
        finder = Sentinels(sentinel_connections(settings, limits), sentinels, settings.service)
    else:
        finder = OneServer(data.address)
    asked = settings.acknowledged_replicas
    replicas = (0 if isinstance(finder, OneServer) else 1) if asked is None else asked
    return Servers(data, finder, replicas=replicas, sharded=bool(settings.cluster))


async def layout_of(settings: RedisSettings, limits: Limits) -> Layout:
    """Who holds what now. Raises ConfigurationError and RoomsUnavailable."""
    servers = open_servers(settings, limits)
    try:
        return await servers.refresh()
    finally:
        await servers.close()
