"""What connections cost the hub: memory each, and whether a delivery or a publication costs more where there are many."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from bench.crowd import Talk, crowd_of
from bench.fanout_rounds import Audience, Bench
from bench.figures import Bound, Figure, Goal, Unit, against
from bench.machine import cpu_seconds, resident_bytes
from bench.rivals import BARE
from bench.servers import HUB, WATCHED_BED, Kind, Server, vitals_room, watching, watching_rooms
from bench.sizes import Sizes
from bench.ward import BEDS, cuff, oximeter

Say = Callable[[str], None]
DELIVERIES: Final = 20_000
"""So many are measured of each crowd, with FEWEST_PUBLICATIONS or more."""
FEWEST_PUBLICATIONS: Final = 20
WORTH_A_LOOK: Final = 100
IDLE_SECONDS: Final = 2.0
ROOMS_A_CLIENT: Final = 512
_AT_MOST_A_QUARTER_MORE: Final = Goal(bound=Bound.AT_MOST, limit=1.25)


def measure_memory(bench: Bench, sizes: Sizes, say: Say) -> list[Figure]:
    """Resident memory between a few idle connections and many, each a user who watches one of the beds."""
    few, many = sizes.idle
    say(f"fanout: memory of {many - few} idle connections")
    requests = [watching(bench.stack, WATCHED_BED, f"idle-{user}") for user in range(many)]
    with crowd_of(bench.stack.hub, requests[:few], Talk.WEBSOCKET, [vitals_room(WATCHED_BED)]) as crowd:
        before = resident_bytes(bench.stack.pid)
        crowd.join(bench.stack.hub, requests[few:])
        each = (resident_bytes(bench.stack.pid) - before) / (many - few)
    what = f"memory a connection, from {few} to {many:,} idle ones, three rooms each"
    return [Figure(what=what, unit=Unit.BYTES, values=(each,), goal=Goal(bound=Bound.AT_MOST, limit=8 * 1024))]


def measure_connections(bench: Bench, sizes: Sizes, say: Say) -> list[Figure]:
    """CPU of a publication to crowds of different sizes, and of each delivery, the hub's beside that of bare send() at the same sizes.

    To fewer than WORTH_A_LOOK a publication itself outweighs its deliveries so far that these can't be told from its spread.
    """
    costs = {name: _costs(_server(bench, name), bench, sizes, say) for name in (BARE, HUB)}
    figures: list[Figure] = []
    for size in sizes.crowds:
        hub, bare = costs[HUB][size], costs[BARE][size]
        figures.append(_figure(f"{size:,} connections: CPU a publication, deliveries included", hub.cpu * size))
        if size >= WORTH_A_LOOK:
            figure = _figure(f"{size:,} connections: CPU a delivery", hub.alone)
            figures += [figure, against(figure, _figure(BARE, bare.alone))]
    middle, largest = sizes.crowds[-2:]
    hub_grows, bare_grows = (costs[name][largest].alone / costs[name][middle].alone for name in (HUB, BARE))
    what = f"a delivery at {largest:,} connections against {middle:,}, bare send()'s own growth taken off"
    growth = Figure(what=what, unit=Unit.RATIO, values=(hub_grows / bare_grows,), goal=_AT_MOST_A_QUARTER_MORE)
    idle = f"{largest:,} connections at rest: share of a core (pings, leases)"
    return [*figures, growth, Figure(what=idle, unit=Unit.SHARE, values=(costs[HUB][largest].idle,))]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Costs:
    """CPU seconds a delivery, with publishing and without; the share of a core that connections take at rest is not in `alone`."""

    cpu: float
    alone: float
    idle: float


def _costs(server: Server, bench: Bench, sizes: Sizes, say: Say) -> dict[int, _Costs]:
    """By the size of the crowd."""
    return {size: _cost(server, bench, size, 3 * sizes.publications, say) for size in sizes.crowds}


def _cost(server: Server, bench: Bench, size: int, most: int, say: Say) -> _Costs:
    say(f"fanout: {server.name}, {size:,} connections")
    requests = server.requests(size)
    with server.outlet(size) as outlet, crowd_of(server.port, requests, server.talk, server.rooms) as crowd:
        audience = Audience(server=server, crowd=crowd, outlet=outlet)
        audience.publish(1, times=2)
        idle = _idle_share(server.pid)
        cost = bench.cost(audience, 1, max(FEWEST_PUBLICATIONS, min(most, DELIVERIES // size)))
        return _Costs(cpu=cost.cpu, alone=cost.alone - idle * cost.wall, idle=idle)


def _idle_share(pid: int) -> float:
    began, before = time.monotonic(), cpu_seconds(pid)
    time.sleep(IDLE_SECONDS)
    return (cpu_seconds(pid) - before) / (time.monotonic() - began)


def measure_rooms(bench: Bench, sizes: Sizes, rounds: int, say: Say) -> list[Figure]:
    """CPU of a publication that nobody watches, while few and while many other rooms are watched."""
    say(f"fanout: publishing beside {sizes.watched_rooms:,} watched rooms")
    rooms = [
        f"device:{each.device_type}:{each.device_id}" for bed in range(1, BEDS) for each in (oximeter(bed), cuff(bed))
    ]
    rooms = [named for room in rooms for named in (room, f"{room}:status")][: sizes.watched_rooms]
    bench.to_nobody(1, FEWEST_PUBLICATIONS)
    few = [bench.to_nobody(1, sizes.publications) for _ in range(rounds)]
    with ExitStack() as crowds:
        for first in range(0, len(rooms), ROOMS_A_CLIENT):
            crowds.enter_context(watching_rooms(bench.stack, rooms[first : first + ROOMS_A_CLIENT], clients=1))
        many = [bench.to_nobody(1, sizes.publications) for _ in range(rounds)]
    figures = [
        Figure(what=what, unit=Unit.MICROSECONDS, values=tuple(cpu / sizes.publications * 1e6 for cpu in costs))
        for what, costs in (
            ("no other room watched: CPU a publication", few),
            (f"{len(rooms):,} other rooms watched: CPU a publication", many),
        )
    ]
    return [*figures, against(figures[1], figures[0], Goal(bound=Bound.AT_MOST, limit=1.1))]


def _server(bench: Bench, name: str) -> Server:
    return next(server for server in bench.servers if server.name == name and server.kind is Kind.WEBSOCKET)


def _figure(what: str, cost: float) -> Figure:
    return Figure(what=what, unit=Unit.MICROSECONDS, values=(cost * 1e6,))
