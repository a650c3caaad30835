"""One round of the fan-out: a crowd at every server in turn, each client checked, and the same publications to nobody."""

import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from bench.crowd import Crowd, Talk, crowd_of
from bench.feed import Feed
from bench.machine import cpu_seconds
from bench.messages import check
from bench.results import Results
from bench.rivals import BARE
from bench.servers import HUB, UNWATCHED_BED, HubOutlet, Kind, Outlet, Server
from bench.stack import Stack

JOINED: Final = 8
"""Messages of one tick, where a client gets several at once."""
PACE_SECONDS: Final = 0.01
"""So long a tick lasts at every server that can keep up. What a delivery costs depends on how soon the next one follows: acknowledgements
and caches. Back to back, whoever is quicker would be measured under easier conditions."""
NAP_MICROSECONDS: Final = 100
"""So long clients gather what comes, as a network card does. On loopback the sender pays for waking a client, and the more often the
slower it is; where clients are on other machines, it never does."""
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

    servers: Sequence[Server]
    feed: Feed
    stack: Stack
    results: Results

    def run_round(self, clients: int, publications: int) -> Round:
        """Every server once, with one message a tick and with JOINED. Raises BenchFailed where a client missed one."""
        return {
            contest: cost
            for server in self.servers
            for contest, cost in self._measure(server, clients, publications).items()
        }

    def _measure(self, server: Server, clients: int, publications: int) -> Round:
        """Connect a crowd to a server, and publish to it."""
        requests = server.requests(clients)
        with server.outlet(clients) as outlet, crowd_of(server.port, requests, server.talk, server.rooms) as crowd:
            audience = Audience(server=server, crowd=crowd, outlet=outlet)
            audience.publish(1, times=1)
            ticks = {1: publications, JOINED: publications // (4 if server.name in (HUB, BARE) else 12)}
            found = {
                Contest(name=server.name, kind=server.kind, tick=tick): self.cost(audience, tick, count)
                for tick, count in ticks.items()
            }
            messages = crowd.messages()
            check(inflated(messages) if server.talk is Talk.DEFLATED else messages, audience.sent)
        return found

    def cost(self, audience: "Audience", tick: int, publications: int) -> Cost:
        """In blocks; before each block to the hub's crowd the same to nobody, so that both see the same weather."""
        cpu = wall = nobody = 0.0
        blocks = max(1, publications // BLOCK)
        for _ in range(blocks):
            if audience.server.name == HUB:
                nobody += self.to_nobody(tick, BLOCK)
            before = cpu_seconds(audience.server.pid)
            wall += audience.publish(tick, times=BLOCK)
            cpu += cpu_seconds(audience.server.pid) - before
        deliveries = blocks * BLOCK * tick * len(audience.crowd)
        return Cost(cpu=cpu / deliveries, wall=wall / deliveries, alone=(cpu - nobody) / deliveries)

    def to_nobody(self, tick: int, publications: int) -> float:
        """The hub's CPU for publications on a bed that nobody watches."""
        outlet = HubOutlet(self.feed, self.results, UNWATCHED_BED)
        before = cpu_seconds(self.stack.pid)
        for _ in range(publications):
            outlet.publish(1, tick)
            outlet.settle()
        return cpu_seconds(self.stack.pid) - before


@dataclass(slots=True, kw_only=True)
class Audience:
    """A server's crowd, and how many messages it has been sent."""

    server: Server
    crowd: Crowd
    outlet: Outlet
    sent: int = field(default=0)

    def publish(self, tick: int, *, times: int) -> float:
        """Publish, each time when every client has the message before and PACE_SECONDS are over; seconds that the messages took to the last client."""
        wall = 0.0
        for _ in range(times):
            began = time.perf_counter()
            self.outlet.publish(self.sent + 1, tick)
            self.sent += tick
            self.crowd.receive(tick, nap=NAP_MICROSECONDS)
            took = time.perf_counter() - began
            wall += took
            time.sleep(max(0.0, PACE_SECONDS - took))
        self.outlet.settle()
        return wall


def inflated(messages: Sequence[bytes]) -> list[bytes]:
    """Messages of one connection that were compressed with one context (RFC 7692)."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    return [inflater.decompress(message + b"\x00\x00\xff\xff") for message in messages]
