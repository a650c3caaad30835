"""From cuff to screen: how long a reading takes at a ward's full rate, and while some clients never read."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from bench.crowd import Crowd, Latency, Talk, crowd_of
from bench.fanout_rounds import Bench
from bench.figures import Bound, Figure, Goal, Unit, against
from bench.machine import cpu_seconds, resident_bytes
from bench.servers import WATCHED_BED, HubOutlet, vitals_room, watching, watching_rooms
from bench.sizes import Sizes
from bench.ward import HOSPITAL, WARDS

Say = Callable[[str], None]
READINGS_A_SECOND: Final = 1_000
READINGS_A_MESSAGE: Final = 5
WARMING_MESSAGES: Final = 20
WARMING_TICKS: Final = 3
BURST: Final = 32
"""Messages of a tick while some do not read: so that a megabyte is soon reached."""


def measure_screens(bench: Bench, sizes: Sizes, say: Say) -> list[Figure]:
    """Screens that each show all wards, and READINGS_A_SECOND readings, evenly spread. Raises BenchFailed where one was missed."""
    say(f"fanout: {READINGS_A_SECOND:,} readings/s to {sizes.screens} screens")
    wards = [f"ward:{HOSPITAL}:w{ward}:vitals" for ward in range(WARDS)]
    with watching_rooms(bench.stack, wards, clients=sizes.screens) as crowd:
        for _ in range(WARMING_MESSAGES):
            _send(bench, crowd, 1)
        crowd.latency()
        began = time.monotonic()
        _send(bench, crowd, sizes.screen_seconds * READINGS_A_SECOND // READINGS_A_MESSAGE)
        rate = sizes.screen_seconds * READINGS_A_SECOND / (time.monotonic() - began)
        published, measured = crowd.latency()
    what = f"{READINGS_A_SECOND:,} readings/s to {sizes.screens} screens"
    goal = Goal(bound=Bound.AT_LEAST, limit=0.95 * READINGS_A_SECOND)
    return [
        Figure(what=f"{what}: readings/s that reached all", unit=Unit.PER_SECOND, values=(rate,), goal=goal),
        *_latency(f"{what}: from the hub's transaction to the client", published, Goal(bound=Bound.AT_MOST, limit=5)),
        *_latency(f"{what}: from the gateway's sending, broker included", measured, None),
    ]


def _send(bench: Bench, crowd: Crowd, messages: int) -> None:
    """So many MQTT messages at the ward's rate, and all they cause received."""
    began = time.monotonic()
    for place in range(messages):
        due = began + place * READINGS_A_MESSAGE / READINGS_A_SECOND
        time.sleep(max(0.0, due - time.monotonic()))
        bench.feed.publish_ward(READINGS_A_MESSAGE, at=datetime.now(UTC))
    crowd.receive(messages * READINGS_A_MESSAGE)
    bench.feed.settle()


def measure_silence(bench: Bench, sizes: Sizes, say: Say) -> list[Figure]:
    """Readers beside as many again that read, then beside as many that never do."""
    total = sizes.readers + sizes.silent
    say(f"fanout: {sizes.silent} of {total:,} clients that never read")
    requests = [watching(bench.stack, WATCHED_BED, f"reader-{place}") for place in range(total)]
    readers, others = requests[: sizes.readers], requests[sizes.readers :]
    burst = _Burst(HubOutlet(bench.feed, bench.results, WATCHED_BED), bench.stack.pid)
    with _watchers(bench, readers) as crowd:
        with _watchers(bench, others) as more:
            burst.publish(WARMING_TICKS, crowd, more)
            crowd.latency()
            cpu_readers = burst.publish(sizes.silent_ticks, crowd, more)
        beside_readers = _p99(crowd.latency()[0], f"beside {sizes.silent} that read")
        crowd.join(bench.stack.hub, others, silent=True)
        before = burst.memory = resident_bytes(bench.stack.pid)
        cpu_silent = burst.publish(sizes.silent_ticks, crowd)
        beside_silent = _p99(crowd.latency()[0], f"beside {sizes.silent} that never read")
    what = f"{sizes.silent} of {total:,} clients never read: the hub's memory for each at most"
    each = (burst.memory - before) / sizes.silent
    held = Figure(what=what, unit=Unit.BYTES, values=(each,), goal=_at_most(1.1 * (1 << 20)))
    cost = Figure(
        what=f"the hub's CPU beside {sizes.silent} that never read, against as many that read",
        unit=Unit.RATIO,
        values=(cpu_silent / cpu_readers,),
    )
    return [beside_readers, beside_silent, against(beside_silent, beside_readers, _at_most(1.2)), cost, held]


def _watchers(bench: Bench, requests: Sequence[bytes]) -> AbstractContextManager[Crowd]:
    return crowd_of(bench.stack.hub, requests, Talk.WEBSOCKET, [vitals_room(WATCHED_BED)])


@dataclass(slots=True)
class _Burst:
    """Ticks of BURST messages to one bed; `memory` is the most that the hub was seen to take."""

    outlet: HubOutlet
    pid: int
    memory: int = 0

    def publish(self, ticks: int, *crowds: Crowd) -> float:
        """The next tick comes when all who read have had the last. The hub's CPU seconds."""
        before = cpu_seconds(self.pid)
        for _ in range(ticks):
            self.outlet.publish(1, BURST)
            for crowd in crowds:
                crowd.receive(BURST)
            self.memory = max(self.memory, resident_bytes(self.pid))
        self.outlet.settle()
        return cpu_seconds(self.pid) - before


def _p99(latency: Latency, who: str) -> Figure:
    what = f"{BURST} messages to the others, {who}: p99"
    return Figure(what=what, unit=Unit.MILLISECONDS, values=(latency.p99 * 1e3,))


def _latency(what: str, latency: Latency, goal: Goal | None) -> list[Figure]:
    return [
        Figure(what=f"{what}, median", unit=Unit.MILLISECONDS, values=(latency.median * 1e3,)),
        Figure(what=f"{what}, p99", unit=Unit.MILLISECONDS, values=(latency.p99 * 1e3,), goal=goal),
    ]


def _at_most(limit: float) -> Goal:
    return Goal(bound=Bound.AT_MOST, limit=limit)
