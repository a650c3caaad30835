"""A Redis master with a replica on loopback, and three Sentinels that watch them."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from redis import Redis as Client

from bedside.services.locate import locate
from bedside.services.process import Service, ServiceFailed, free_port, listens, write_private
from bedside.services.redis import Redis, redis

PASSWORD: Final = "sentinels-on-loopback"  # noqa: S105 - of servers that nobody else reaches
SENTINEL_PASSWORD: Final = "sentinels-among-themselves"  # noqa: S105
SERVICE: Final = "bedside"
FORM_SECONDS: Final = 30.0
_SENTINELS: Final = 3
_POLL_SECONDS: Final = 0.05


@dataclass(slots=True, kw_only=True)
class RedisSentinels:
    """`servers` are the first master and its replica, `sentinels` run on `ports`."""

    servers: tuple[Redis, Redis]
    sentinels: tuple[Service, ...]
    ports: tuple[int, ...]

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(f"127.0.0.1:{port}" for port in self.ports)

    def start(self) -> None:
        """Start all, and return when the replica follows its master, and every Sentinel knows all that. Raises ServiceFailed."""
        for server in self.servers:
            server.start()
        _until(self._is_followed)  # else a Sentinel looks too early, and again only ten seconds later
        for sentinel in self.sentinels:
            sentinel.start()
        _until(lambda: all(map(self._knows_all, self.ports)))

    def stop(self) -> None:
        everything = (*self.servers, *self.sentinels)
        with ThreadPoolExecutor(len(everything)) as stopping:
            list(stopping.map(Service.kill, everything))

    def master(self) -> Redis:
        """Whom the first Sentinel names."""
        _, port = self._ask(self.ports[0], "SENTINEL GET-MASTER-ADDR-BY-NAME", SERVICE)
        return next(server for server in self.servers if server.port == int(port))

    def _is_followed(self) -> bool:
        with Client(port=self.servers[1].port, password=PASSWORD) as client:
            state = client.info("replication")["master_link_status"]
        return bool(state == "up")

    def _knows_all(self, port: int) -> bool:
        answer = self._ask(port, "SENTINEL MASTER", SERVICE)
        facts = dict(zip(answer[::2], answer[1::2], strict=True))
        known = (int(facts[b"num-other-sentinels"]), facts[b"flags"])
        replicas = self._ask(port, "SENTINEL REPLICAS", SERVICE)
        return known == (_SENTINELS - 1, b"master") and [
            replica[replica.index(b"master-link-status") + 1] for replica in replicas
        ] == [b"ok"]

    def _ask(self, port: int, *command: str) -> Any:  # noqa: ANN401 - what Redis says
        with Client(port=port, password=SENTINEL_PASSWORD, protocol=2) as client:
            client.response_callbacks.clear()
            return client.execute_command(*command)


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + FORM_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise ServiceFailed(f"the Sentinels did not find each other within {FORM_SECONDS:.0f} s")
        time.sleep(_POLL_SECONDS)


def redis_sentinels(folder: Path, *, down_after_milliseconds: int = 1000) -> RedisSentinels:
    """Not yet started."""
    both = (f"masterauth {PASSWORD}", "repl-diskless-sync-delay 0")
    master = redis(folder / "first", password=PASSWORD, directives=both)
    replica = redis(folder / "second", password=PASSWORD, directives=(*both, f"replicaof 127.0.0.1 {master.port}"))
    ports = tuple(free_port() for _ in range(_SENTINELS))
    sentinels = tuple(
        _sentinel(folder / f"sentinel-{port}", port, master.port, down_after_milliseconds) for port in ports
    )
    return RedisSentinels(servers=(master, replica), sentinels=sentinels, ports=ports)


def _sentinel(folder: Path, port: int, master_port: int, down_after_milliseconds: int) -> Service:
    folder.mkdir(parents=True, exist_ok=True)
    lines = (
        "bind 127.0.0.1",
        f"port {port}",
        f'dir "{folder}"',
        "daemonize no",
        f"sentinel monitor {SERVICE} 127.0.0.1 {master_port} 2",
        f"sentinel auth-pass {SERVICE} {PASSWORD}",
        f"requirepass {SENTINEL_PASSWORD}",
        f"sentinel sentinel-pass {SENTINEL_PASSWORD}",
        f"sentinel down-after-milliseconds {SERVICE} {down_after_milliseconds}",
        f"sentinel failover-timeout {SERVICE} 4000",
    )
    return Service(
        name=f"Sentinel {port}",
        program=locate("redis-server"),
        arguments=[str(write_private(folder / "sentinel.conf", "\n".join((*lines, "")))), "--sentinel"],
        log=folder / "sentinel.log",
        answers=lambda: listens(port),
    )
