"""Readings from MQTT to the committed record and to the rooms, through the real hub, beside what its parts cost alone.

A gateway sends batches of 50 readings of a ward of 200 beds, and the hub acknowledges each after its commit. *In step*: the next
batch waits for the rooms, too, so that every message reaches them. *Flat out*: it waits for acknowledgements alone, as an agent does;
where the rooms can't follow, the hub coalesces numerics.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.figures import Bound, Figure, Goal, Report, Unit, against, as_baseline
from bench.ingest_rounds import Cost, Round, opened
from bench.machine import Cores
from bench.ward import BATCH

_BUDGET: Final = Goal(bound=Bound.AT_MOST, limit=50.0)
_WANTED: Final = Goal(bound=Bound.AT_LEAST, limit=20_000.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`readings` a round: a multiple of BATCH."""

    rounds: int
    readings: int


FULL: Final = Plan(rounds=5, readings=10_000)
QUICK: Final = Plan(rounds=1, readings=1_000)


def run(plan: Plan, cores: Cores, say: Callable[[str], None]) -> Report:
    """Run it. Raises BenchFailed where record or rooms are not as they must be."""
    with tempfile.TemporaryDirectory(prefix="bedside-bench-") as folder:
        say("ingest: starting Redis, two brokers and the hub")
        with opened(Path(folder), cores) as bench:
            say("ingest: warming up")
            bench.run_round(plan.readings)
            rounds = []
            for place in range(plan.rounds):
                say(f"ingest: round {place + 1} of {plan.rounds}, {plan.readings:,} readings")
                rounds.append(bench.run_round(plan.readings))
    return report(rounds, plan)


def report(rounds: Sequence[Round], plan: Plan) -> Report:
    """Figures of all rounds."""

    def per_second(what: str, costs: Sequence[Cost], goal: Goal | None = None) -> Figure:
        values = tuple(plan.readings / cost.wall for cost in costs)
        return Figure(what=what, unit=Unit.PER_SECOND, values=values, goal=goal)

    def micros(what: str, costs: Sequence[Cost], goal: Goal | None = None) -> Figure:
        values = tuple(cost.cpu / plan.readings * 1e6 for cost in costs)
        return Figure(what=what, unit=Unit.MICROSECONDS, values=values, goal=goal)

    hub = micros("the hub's CPU a reading, in step", [each.in_step for each in rounds], _BUDGET)
    flat_out = per_second("readings/s, flat out, MQTT to committed", [each.flat_out for each in rounds])
    broker = per_second("Mosquitto alone", [each.mosquitto for each in rounds])
    parts = [
        micros("Mosquitto alone", [each.mosquitto for each in rounds]),
        micros("decode only", [each.decoding for each in rounds]),
        micros("SQLite executemany alone", [each.sqlite for each in rounds]),
    ]
    return Report(
        name=f"ingest: {plan.rounds} rounds of {plan.readings:,} readings, {BATCH} a message",
        figures=[
            hub,
            *(against(hub, part) for part in parts),
            per_second("readings/s, in step, MQTT to record and rooms", [each.in_step for each in rounds], _WANTED),
            flat_out,
            against(flat_out, broker),
            Figure(
                what="share of its messages that reached the rooms",
                unit=Unit.SHARE,
                values=tuple(each.reached for each in rounds),
            ),
            *map(as_baseline, (broker, *parts)),
        ],
        notes=[
            "checked each round: every reading acknowledged once and recorded once, N and alerts as many as there must be",
            "in step also: every message in every room. The hub's CPU is its own process's, without Redis and broker",
            "the record grows over the rounds, and SQLite alone with it: the first readings of an empty one are cheaper",
        ],
    )
