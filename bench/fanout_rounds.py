"""One round of the fan-out: a crowd at every server in turn, each client checked, and the same publications to nobody."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.crowd import Crowd, crowd_of
from bench.errors import BenchFailed
from bench.feed import Feed
from bench.gateway import connected_gateway
from bench.machine import Cores, cpu_seconds
from bench.results import Results
from bench.servers import HUB, UNWATCHED_BED, HubOutlet, Kind, Outlet, Server, hub_servers, running_baselines
from bench.stack import Stack, running_stack
from bench.ward import GATEWAY, pulse, spo2

JOINED: Final = 8
"""Messages of one tick, where a client gets several at once."""
BLOCK: Final = 5
"""Publications between two looks at the clock."""


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
        """Every server once; the hub with one message a tick and with JOINED. Raises BenchFailed where a client missed one.

        `publications` is a multiple of BLOCK.
        """
        return {
            contest: cost for server in self.servers for contest, cost in self._measure(server, publications).items()
        }

    def _measure(self, server: Server, publications: int) -> Round:
        """Connect a crowd to a server, and publish to it."""
        with (
            crowd_of(server.port, server.requests(self.clients), server.inbound) as crowd,
            server.outlet(self.clients) as outlet,
        ):
            audience = _Audience(server=server, crowd=crowd, outlet=outlet)
            audience.publish(1, times=1)
            ticks = (1, JOINED) if server.name == HUB else (1,)
            found = {
                Contest(name=server.name, kind=server.kind, tick=tick): self._cost(audience, tick, publications)
                for tick in ticks
            }
            check(crowd.messages(), audience.sent)
        return found

    def _cost(self, audience: "_Audience", tick: int, publications: int) -> Cost:
        """In blocks; before each block to the hub's crowd the same to nobody, so that both see the same weather."""
        cpu = wall = nobody = 0.0
        for _ in range(publications // BLOCK):
            if audience.server.name == HUB:
                nobody += self._to_nobody(tick)
            before = cpu_seconds(audience.server.pid)
            wall += audience.publish(tick, times=BLOCK)
            cpu += cpu_seconds(audience.server.pid) - before
        deliveries = publications * tick * self.clients
        return Cost(cpu=cpu / deliveries, wall=wall / deliveries, alone=(cpu - nobody) / deliveries)

    def _to_nobody(self, tick: int) -> float:
        """The hub's CPU for a block of publications on a bed that nobody watches."""
        outlet = HubOutlet(self.feed, self.results, UNWATCHED_BED)
        before = cpu_seconds(self.stack.pid)
        for _ in range(BLOCK):
            outlet.publish(1, tick)
            outlet.settle()
        return cpu_seconds(self.stack.pid) - before


@dataclass(slots=True, kw_only=True)
class _Audience:
    """A server's crowd, and how many messages it has been sent."""

    server: Server
    crowd: Crowd
    outlet: Outlet
    sent: int = 0

    def publish(self, tick: int, *, times: int) -> float:
        """Publish, each time when every client has the message before; seconds until the last client has the last one."""
        began = time.perf_counter()
        for _ in range(times):
            self.outlet.publish(self.sent + 1, tick)
            self.sent += tick
            self.crowd.wait_for(self.sent)
        wall = time.perf_counter() - began
        self.outlet.settle()
        return wall


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
        servers = (*baselines, *hub_servers(stack, feed, results))
        yield Bench(clients=clients, servers=servers, feed=feed, stack=stack, results=results)
