"""One room to many clients, by WebSocket and server-sent events, through the real hub, beside its rivals.

What counts is the server's CPU a delivered message: the clients' core carries broker, Redis and all clients, and would otherwise limit
the figure. Publishing itself (MQTT, record, Redis) is measured on a bed that nobody watches, in turn with the watched one, and taken
off to get what delivery alone costs. Beside it: memory a connection, cost against clients and rooms, cuff to screen, and clients
that never read.
"""

import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final

from bench.connections import measure_connections, measure_memory, measure_rooms
from bench.fanout_report import RIVAL_FIGURES, delivery_figures, notes, panels
from bench.fanout_rounds import BLOCK, JOINED, Bench
from bench.feed import Feed
from bench.figures import Figure, Report
from bench.gateway import connected_gateway
from bench.machine import Cores, described
from bench.plot import picture
from bench.results import Results
from bench.rivals import BARE, RIVALS, Rivals, running_rivals
from bench.screens import measure_screens, measure_silence
from bench.servers import hub_servers
from bench.sizes import Sizes
from bench.stack import running_stack
from bench.ward import GATEWAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`only` names the parts to run, `against` the rivals beside bare send(); both are all where empty."""

    rounds: int
    sizes: Sizes
    only: Collection[str] = ()
    against: Collection[str] = ()


FULL: Final = Plan(rounds=5, sizes=Sizes())
QUICK: Final = Plan(
    rounds=1,
    sizes=Sizes(
        clients=50,
        publications=10,
        idle=(20, 60),
        crowds=(10, 50),
        watched_rooms=60,
        screens=5,
        screen_seconds=1,
        readers=20,
        silent=2,
        silent_ticks=4,
    ),
)

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one part found."""

    figures: Sequence[Figure]
    picture: str = ""


def run(plan: Plan, cores: Cores, say: Say) -> Report:
    """Run it. Raises BenchFailed where a client missed a message, or got another one than was sent."""
    with tempfile.TemporaryDirectory(prefix="bedside-bench-") as folder:
        say("fanout: starting Redis, broker, hub and the rivals")
        with opened(plan, Path(folder), cores) as (bench, rivals):
            parts = [part for part in PARTS if not plan.only or part in plan.only]
            found = [PARTS[part](bench, plan, say) for part in parts]
            return Report(
                name=f"fanout: {plan.rounds} rounds, {plan.sizes.clients} clients",
                figures=[figure for each in found for figure in each.figures],
                notes=notes(rivals),
                picture="".join(each.picture for each in found),
            )


def _memory(bench: Bench, plan: Plan, say: Say) -> Found:
    return Found(figures=measure_memory(bench, plan.sizes, say))


def _delivery(bench: Bench, plan: Plan, say: Say) -> Found:
    say("fanout: warming up")
    bench.run_round(plan.sizes.clients, BLOCK)
    rounds = []
    for place in range(plan.rounds):
        say(f"fanout: round {place + 1} of {plan.rounds}, {len(bench.servers)} servers, {plan.sizes.clients} clients")
        rounds.append(bench.run_round(plan.sizes.clients, plan.sizes.publications))
    return Found(figures=delivery_figures(rounds), picture=picture(panels(rounds), _caption(plan)))


def _caption(plan: Plan) -> Sequence[str]:
    return (
        f"The server's CPU a delivered message, as a multiple of bare send(); the mark: {JOINED} messages a tick.",
        f"{plan.sizes.clients} clients, {plan.rounds} rounds; {datetime.now(UTC):%d %B %Y}, {described()['processor']}",
    )


def _connections(bench: Bench, plan: Plan, say: Say) -> Found:
    return Found(figures=measure_connections(bench, plan.sizes, say))


def _rooms(bench: Bench, plan: Plan, say: Say) -> Found:
    return Found(figures=measure_rooms(bench, plan.sizes, plan.rounds, say))


def _screens(bench: Bench, plan: Plan, say: Say) -> Found:
    return Found(figures=measure_screens(bench, plan.sizes, say))


def _silence(bench: Bench, plan: Plan, say: Say) -> Found:
    return Found(figures=measure_silence(bench, plan.sizes, say))


PARTS: Final[Mapping[str, Callable[[Bench, Plan, Say], Found]]] = MappingProxyType(
    {
        "memory": _memory,
        "delivery": _delivery,
        "rooms": _rooms,
        "screens": _screens,
        "silence": _silence,
        "connections": _connections,
    }
)
"""Memory comes first, while the hub has not yet grown, and the many connections last."""
RIVAL_NAMES: Final = tuple(dict.fromkeys(rival.program for rival in RIVALS if rival.name != BARE))


@contextmanager
def opened(plan: Plan, folder: Path, cores: Cores) -> Iterator[tuple[Bench, Rivals]]:
    """A hub with its services, and every rival's server that is wanted and installed."""
    wanted = RIVAL_NAMES if not plan.against else plan.against
    if plan.only and not {*plan.only} & RIVAL_FIGURES:
        wanted = ()
    chosen = [rival for rival in RIVALS if rival.name == BARE or rival.program in wanted]
    with (
        running_stack(folder, cores) as stack,
        running_rivals(chosen, folder, cores, stack.redis_url) as rivals,
        connected_gateway(stack.broker, stack.passwords[GATEWAY]) as gateway,
        closing(Results(stack)) as results,
    ):
        gateway.introduce()
        feed = Feed(gateway)
        servers = (*rivals.servers, *hub_servers(stack, feed, results))
        yield Bench(servers=servers, feed=feed, stack=stack, results=results), rivals
