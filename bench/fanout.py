"""One room to five hundred clients, by WebSocket and server-sent events, through the real hub, beside simpler servers.

What counts is the server's CPU a delivered message: the clients' core carries broker, Redis and five hundred checking clients, and
would otherwise limit the figure. Publishing itself (MQTT, record, Redis) is measured on a bed that nobody watches, in turn with the
watched one, and taken off to get what delivery alone costs.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.fanout_rounds import BLOCK, JOINED, Contest, Round, opened
from bench.figures import Bound, Figure, Goal, Report, Unit, against, as_baseline
from bench.machine import Cores
from bench.servers import BARE, BARE_EVENTS, COMPRESSED, HUB, PLAIN, QUEUED, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`publications` a measurement, a multiple of BLOCK: so many of one message, and so many of JOINED."""

    rounds: int
    clients: int
    publications: int


FULL: Final = Plan(rounds=5, clients=500, publications=60)
QUICK: Final = Plan(rounds=1, clients=50, publications=10)


def run(plan: Plan, cores: Cores, say: Callable[[str], None]) -> Report:
    """Run it. Raises BenchFailed where a client missed a message, or got another one than was sent."""
    with tempfile.TemporaryDirectory(prefix="bedside-bench-") as folder:
        say("fanout: starting Redis, broker, hub and the baselines")
        with opened(Path(folder), cores, plan.clients) as bench:
            say("fanout: warming up")
            bench.run_round(BLOCK)
            rounds = []
            for place in range(plan.rounds):
                say(f"fanout: round {place + 1} of {plan.rounds}, {plan.clients} clients")
                rounds.append(bench.run_round(plan.publications))
    return report(rounds, plan)


def report(rounds: Sequence[Round], plan: Plan) -> Report:
    """Figures of all rounds."""

    def alone(what: str, contest: Contest) -> Figure:
        values = tuple(each[contest].alone * 1e6 for each in rounds)
        return Figure(what=what, unit=Unit.MICROSECONDS, values=values)

    def whole(what: str, contest: Contest) -> Figure:
        return Figure(what=what, unit=Unit.MICROSECONDS, values=tuple(each[contest].cpu * 1e6 for each in rounds))

    def rate(what: str, contest: Contest) -> Figure:
        return Figure(what=what, unit=Unit.PER_SECOND, values=tuple(1 / each[contest].wall for each in rounds))

    def baseline(name: str, kind: Kind) -> Figure:
        return alone(name, Contest(name=name, kind=kind, tick=1))

    hub, hub_joined, hub_events, hub_events_joined = (
        Contest(name=HUB, kind=kind, tick=tick) for kind in Kind for tick in (1, JOINED)
    )
    bare, bare_events = baseline(BARE, Kind.WEBSOCKET), baseline(BARE_EVENTS, Kind.EVENTS)
    plain, compressed = baseline(PLAIN, Kind.WEBSOCKET), baseline(COMPRESSED, Kind.WEBSOCKET)
    queued = baseline(QUEUED, Kind.EVENTS)
    one = alone("WebSocket, one message a tick: CPU a delivery", hub)
    joined = alone(f"WebSocket, {JOINED} messages a tick: CPU a delivery", hub_joined)
    events = alone("server-sent events, one a tick: CPU a delivery", hub_events)
    return Report(
        name=f"fanout: {plan.rounds} rounds, {plan.clients} clients, {plan.publications} publications a measurement",
        figures=[
            one,
            against(one, bare, _at_most(1 / 0.70)),
            against(one, plain),
            against(one, compressed, _at_most(1 / 6)),
            joined,
            against(joined, bare, _at_most(1 / 4)),
            events,
            against(events, bare_events, _at_most(1 / 0.65)),
            against(events, queued),
            whole("WebSocket, one a tick: CPU a delivery, publishing included", hub),
            whole(f"WebSocket, {JOINED} a tick: the same", hub_joined),
            rate(f"WebSocket, {JOINED} a tick: deliveries/s, from MQTT to client", hub_joined),
            rate(f"server-sent events, {JOINED} a tick: the same", hub_events_joined),
            *map(as_baseline, (bare, plain, compressed, bare_events, queued)),
        ],
        notes=[
            "checked: every client got every message, in order and byte for byte, and each says what was sent",
            "bare send() is a loop in Python here, and dearer than the loop in C that the goals against it mean",
            "every client is a user of its own: the hub allows ten connections a user",
        ],
    )


def _at_most(limit: float) -> Goal:
    return Goal(bound=Bound.AT_MOST, limit=limit)
