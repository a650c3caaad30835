"""One round of the fan-out: a crowd at every server in turn, each client checked, and the same publications to nobody."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.crowd import crowd_of
from bench.errors import BenchFailed
from bench.feed import Feed
from bench.gateway import connected_gateway
from bench.machine import Cores, cpu_seconds
from bench.results import Results
from bench.servers import HUB, UNWATCHED_BED, Kind, Server, hub_servers, running_baselines
from bench.stack import Stack, running_stack
from bench.ward import GATEWAY, pulse, spo2

JOINED: Final = 8
"""Messages of one tick, where a client gets several at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a delivery took, in seconds: the server's CPU, and wall time. `alone` is the CPU without that of the same publications to nobody."""

    cpu: float
    wall: float
    alone: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """Who is measured: a server by its name, a transport, and the messages of a tick."""

    name: str
    kind: Kind
    tick: int


Round = Mapping[Contest, Cost]


@dataclass(slots=True, kw_only=True)
class Bench:
    """Everything that runs."""

    clients: int
    servers: tuple[Server, ...]
    feed: Feed
    stack: Stack
    results: Results

    def run_round(self, publications: int) -> Round:
        """Every server once; the hub with one message a tick and with JOINED. Raises BenchFailed where a client missed one."""
        nobody = {tick: self._to_nobody(publications, tick) for tick in (1, JOINED)}
        found: dict[Contest, Cost] = {}
        for server in self.servers:
            for tick, (cpu, wall) in self._measure(server, publications).items():
                deliveries = publications * tick * self.clients
                alone = cpu - (nobody[tick] if server.name == HUB else 0)
                contest = Contest(name=server.name, kind=server.kind, tick=tick)
                found[contest] = Cost(cpu=cpu / deliveries, wall=wall / deliveries, alone=alone / deliveries)
        return found

    def _to_nobody(self, publications: int, tick: int) -> float:
        """The hub's CPU for the same publications on a bed that nobody watches."""
        cpu = cpu_seconds(self.stack.pid)
        for first in range(0, publications * tick, tick):
            self.feed.publish(UNWATCHED_BED, range(first, first + tick))
            self.feed.settle()
        self.results.wait_for_rooms()
        return cpu_seconds(self.stack.pid) - cpu

    def _measure(self, server: Server, publications: int) -> dict[int, tuple[float, float]]:
        """Connect a crowd and publish, each time when every client has the message before; CPU and wall by messages a tick."""
        taken, sent = {}, 1
        with (
            crowd_of(server.port, server.requests(self.clients), server.inbound) as crowd,
            server.outlet(self.clients) as outlet,
        ):
            outlet.publish(1, 1)
            crowd.wait_for(1)
            for tick in (1, JOINED) if server.name == HUB else (1,):
                cpu, began = cpu_seconds(server.pid), time.perf_counter()
                for _ in range(publications):
                    outlet.publish(sent + 1, tick)
                    sent += tick
                    crowd.wait_for(sent)
                wall = time.perf_counter() - began
                outlet.settle()
                taken[tick] = cpu_seconds(server.pid) - cpu, wall
            check(crowd.messages(), sent)
        return taken


def check(messages: Sequence[bytes], sent: int) -> None:
    """Raises BenchFailed where the messages that all clients got are not those that were sent."""
    if len(messages) != sent:
        raise BenchFailed(f"{len(messages)} different messages instead of {sent}")
    for place, message in enumerate(messages):
        whole: dict[str, Any] = json.loads(message)
        data = whole.get("data", whole)
        if (data["spo2"], data["heart_rate"]) != (spo2(place), pulse(place)):
            raise BenchFailed(f"message {place} says {data['spo2']} % and {data['heart_rate']}/min")


@contextmanager
def opened(folder: Path, cores: Cores, clients: int) -> Iterator[Bench]:
    """A hub with its services, and every baseline's server."""
    with (
        running_stack(folder, cores) as stack,
        running_baselines(folder, cores) as baselines,
        connected_gateway(stack.broker, stack.passwords[GATEWAY]) as gateway,
        closing(Results(stack)) as results,
    ):
        gateway.introduce()
        feed = Feed(gateway)
        servers = (*baselines, *hub_servers(stack, feed))
        yield Bench(clients=clients, servers=servers, feed=feed, stack=stack, results=results)
