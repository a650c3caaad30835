"""Who holds which rooms: one server, the master that Sentinels name, or the masters of a Cluster.

A layout is what the servers said last. Only a majority of the Sentinels, or a Cluster node that sees the Cluster whole, is
believed: whoever is cut off with a deposed master keeps the last layout, in which that master still owes a replica's
acknowledgement, and so publishes nothing that counts.
"""

import asyncio
import itertools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import RedisError

from hub.errors import RoomsUnavailable
from hub.rooms.connections import Address, Connections, reason

ASK_SECONDS: Final = 2.0
"""What one server gets to say who is master."""
_EVERY_SLOT: Final = range(REDIS_CLUSTER_HASH_SLOTS)
_GONE: Final = ("down", "disconnected")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """A master and the hash slots that it holds. `replicas` are those that could acknowledge; None: nobody tells."""

    master: Address
    slots: tuple[range, ...] = (_EVERY_SLOT,)
    replicas: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Every slot has one shard."""

    shards: tuple[Shard, ...]

    @property
    def places(self) -> frozenset[tuple[Address, tuple[range, ...]]]:
        """What, when it changes, moves rooms to another server."""
        return frozenset((shard.master, shard.slots) for shard in self.shards)

    def shard_of(self, key: str) -> Shard:
        """The shard of a key or of a sharded channel."""
        if len(self.shards) == 1:
            return self.shards[0]
        slot = key_slot(key.encode())
        return next(shard for shard in self.shards if any(slot in slots for slots in shard.slots))

    def name_on(self, shard: Shard, prefix: str) -> str:
        """A key or channel that begins with `prefix` and is on this shard."""
        if len(self.shards) == 1:
            return prefix
        return next(name for number in itertools.count() if self.shard_of(name := f"{prefix}:{{{number}}}") == shard)


class Finder(Protocol):
    """Asks who is master."""

    async def find(self, first: Address | None = None) -> Layout:
        """The layout now; `first` knows best. Raises RoomsUnavailable where nobody can be believed."""


class OneServer:
    """The server that is configured, whatever happens."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._layout = Layout(shards=(Shard(master=address),))

    async def find(self, first: Address | None = None) -> Layout:
        return self._layout


class Sentinels:
    """The master that more than half of the Sentinels name for a service."""

    def __init__(self, connections: Connections, sentinels: Sequence[Address], service: str) -> None:
        self._connections = connections
        self._sentinels = sentinels
        self._service = service

    async def find(self, first: Address | None = None) -> Layout:
        answers = await asyncio.gather(*map(self._ask, self._sentinels))
        named = [answer for answer in answers if isinstance(answer, Shard)]
        votes = Counter(shard.master for shard in named)
        for master, count in votes.items():
            if 2 * count > len(self._sentinels):
                replicas = max(shard.replicas or 0 for shard in named if shard.master == master)
                return Layout(shards=(Shard(master=master, replicas=replicas),))
        why = next((answer for answer in answers if isinstance(answer, str)), "they don't agree")
        raise RoomsUnavailable(f"no majority of the Sentinels names a master of {self._service} ({why})")

    async def _ask(self, sentinel: Address) -> Shard | str:
        """What one says, or why it says nothing."""
        try:
            master, replicas = await _asked(
                self._connections,
                sentinel,
                ("SENTINEL GET-MASTER-ADDR-BY-NAME", self._service),
                ("SENTINEL REPLICAS", self._service),
            )
        except (RedisError, OSError, TimeoutError) as error:
            return f"{sentinel}: {reason(error)}"
        if not master:
            return f"{sentinel} doesn't know it"
        able = sum(map(_acknowledges, replicas))
        return Shard(master=Address(_text(master[0]), int(master[1])), replicas=able)


class Cluster:
    """The masters of a Cluster, as one of its nodes says that sees it whole."""

    def __init__(self, connections: Connections, nodes: Sequence[Address]) -> None:
        self._connections = connections
        self._nodes = tuple(nodes)
        self._known: tuple[Address, ...] = ()

    async def find(self, first: Address | None = None) -> Layout:
        asked = dict.fromkeys(([first] if first else []) + [*self._known, *self._nodes])
        why = "none is named"
        for node in asked:
            try:
                return await self._ask(node)
            except (RedisError, OSError, TimeoutError) as error:
                why = f"{node}: {reason(error)}"
            except RoomsUnavailable as error:
                why = str(error)
        raise RoomsUnavailable(f"no node of the Redis Cluster says who holds the rooms ({why})")

    async def _ask(self, node: Address) -> Layout:
        info, ranges = await _asked(self._connections, node, ("CLUSTER INFO",), ("CLUSTER SLOTS",))
        if "cluster_state:ok" not in _text(info):
            raise RoomsUnavailable(f"{node} sees the Cluster broken")
        shards = _shards(node, ranges)
        if sum(len(slots) for shard in shards for slots in shard.slots) != len(_EVERY_SLOT):
            raise RoomsUnavailable(f"{node} knows no master for some hash slots")
        self._known = tuple(shard.master for shard in shards)
        return Layout(shards=shards)


def _shards(node: Address, ranges: Sequence[Sequence[Any]]) -> tuple[Shard, ...]:
    """Of `CLUSTER SLOTS`: start, end, master, and the replicas that are well."""
    slots: dict[Address, list[range]] = {}
    replicas: dict[Address, int] = {}
    for start, end, (host, port, *_), *others in ranges:
        master = Address(_text(host) or node.host, port)  # an empty host: the one that was asked
        slots.setdefault(master, []).append(range(start, end + 1))
        replicas[master] = len(others)
    return tuple(
        Shard(master=master, slots=tuple(sorted(held, key=lambda each: each.start)), replicas=replicas[master])
        for master, held in sorted(slots.items())
    )


async def _asked(connections: Connections, server: Address, *commands: tuple[str, ...]) -> list[Any]:
    """The plain answers of one server, in time; without the client library's own shapes of them."""
    connection = connections.connection(server)
    try:
        async with asyncio.timeout(ASK_SECONDS):
            await connection.connect()  # type: ignore[no-untyped-call]
            answers = []
            for command in commands:
                await connection.send_command(*command, check_health=False)
                answers.append(await connection.read_response(timeout=math.inf))
            return answers
    finally:
        await connection.disconnect(nowait=True)


def _acknowledges(replica: Sequence[bytes]) -> bool:
    """Whether a replica is up and follows its master: of `SENTINEL REPLICAS`, names and values in turn."""
    facts = dict(zip(replica[::2], replica[1::2], strict=True))
    flags = _text(facts.get(b"flags", b""))
    return facts.get(b"master-link-status") == b"ok" and not any(word in flags for word in _GONE)


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
