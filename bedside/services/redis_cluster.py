"""A Redis Cluster on loopback: masters with a replica each, formed by the servers' own commands."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from redis import Redis as Client
from redis.exceptions import RedisError

from bedside.services.process import ServiceFailed, free_port
from bedside.services.redis import Redis, redis

PASSWORD: Final = "cluster-on-loopback"  # noqa: S105 - of servers that nobody else reaches
FORM_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.02
_SLOTS: Final = 16384


@dataclass(slots=True, kw_only=True)
class RedisCluster:
    """The first half of `nodes` are masters when it starts; node i + half is the replica of node i."""

    nodes: tuple[Redis, ...]
    bus_ports: tuple[int, ...]

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(f"127.0.0.1:{node.port}" for node in self.nodes)

    def start(self) -> None:
        """Start all, and return when every slot has a master and every master a replica that is up to date. Raises ServiceFailed."""
        for node in self.nodes:
            node.start()
        half = len(self.nodes) // 2
        bounds = [_SLOTS * number // half for number in range(half + 1)]
        for number, node in enumerate(self.nodes[:half]):
            self.ask(node, "CLUSTER ADDSLOTSRANGE", bounds[number], bounds[number + 1] - 1)
        for number, node in enumerate(self.nodes):
            self.ask(node, "CLUSTER SET-CONFIG-EPOCH", number + 1)
            self.ask(node, "CLUSTER MEET", "127.0.0.1", self.nodes[0].port, self.bus_ports[0])
        _until(lambda: all(self._knows_all(node) for node in self.nodes))
        for master, replica in zip(self.nodes[:half], self.nodes[half:], strict=True):
            self.ask(replica, "CLUSTER REPLICATE", self.ask(master, "CLUSTER MYID"))
        _until(self.is_whole)

    def stop(self) -> None:
        with ThreadPoolExecutor(len(self.nodes)) as stopping:
            list(stopping.map(Redis.kill, self.nodes))

    def is_whole(self) -> bool:
        """Whether all nodes that run agree that every slot is held, and every replica is linked to its master."""
        running = [node for node in self.nodes if node.process is not None and node.process.poll() is None]
        return all("cluster_state:ok" in _text(self.ask(node, "CLUSTER INFO")) for node in running) and all(
            role[0] == b"master" or role[3] == b"connected" for role in (self.ask(node, "ROLE") for node in running)
        )

    def master_of(self, key: str) -> Redis:
        """The node that holds a key now, as the first that runs says."""
        running = next(node for node in self.nodes if node.process is not None and node.process.poll() is None)
        slot = self.ask(running, "CLUSTER KEYSLOT", key)
        ranges = self.ask(running, "CLUSTER SLOTS")
        port = next(master[1] for start, end, master, *_ in ranges if start <= slot <= end)
        return next(node for node in self.nodes if node.port == port)

    def ask(self, node: Redis, *command: str | int | bytes) -> Any:  # noqa: ANN401 - what Redis says
        """A command's plain answer."""
        with Client(port=node.port, password=PASSWORD, protocol=2) as client:
            client.response_callbacks.clear()
            return client.execute_command(*command)

    def _knows_all(self, node: Redis) -> bool:
        known = _text(self.ask(node, "CLUSTER NODES")).splitlines()
        return len(known) == len(self.nodes) and not any("handshake" in line for line in known)


def redis_cluster(folder: Path, *, nodes: int = 6, timeout_milliseconds: int = 1000) -> RedisCluster:
    """A Cluster, not yet started; a master that does not answer for the time-out is replaced by its replica."""
    bus_ports = tuple(free_port() for _ in range(nodes))
    return RedisCluster(
        nodes=tuple(
            redis(folder / f"node-{number}", password=PASSWORD, directives=_directives(bus, timeout_milliseconds))
            for number, bus in enumerate(bus_ports)
        ),
        bus_ports=bus_ports,
    )


def _directives(bus_port: int, timeout_milliseconds: int) -> Sequence[str]:
    return (
        "cluster-enabled yes",
        f"cluster-port {bus_port}",
        f"cluster-node-timeout {timeout_milliseconds}",
        f"masterauth {PASSWORD}",
        "repl-diskless-sync-delay 0",
        "appendfsync no",
    )


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + FORM_SECONDS
    while True:
        try:
            if holds():
                return
        except RedisError:
            pass  # a node that is still joining
        if time.monotonic() > deadline:
            raise ServiceFailed(f"the Redis Cluster did not form within {FORM_SECONDS:.0f} s")
        time.sleep(_POLL_SECONDS)


def _text(answer: bytes | str) -> str:
    return answer.decode() if isinstance(answer, bytes) else answer
