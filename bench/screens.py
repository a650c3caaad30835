"""From cuff to screen: how long a reading takes at a ward's full rate, and while some clients never read."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from bench.crowd import Crowd, Latency, Talk, crowd_of
from bench.fanout_rounds import Bench
from bench.figures import Bound, Figure, Goal, Unit, against
from bench.machine import resident_bytes
from bench.servers import WATCHED_BED, HubOutlet, vitals_room, watching, watching_rooms
from bench.sizes import Sizes
from bench.ward import HOSPITAL, WARDS

Say = Callable[[str], None]
READINGS_A_SECOND: Final = 1_000
READINGS_A_MESSAGE: Final = 5
WARMING_MESSAGES: Final = 20
LOUD_TICKS: Final = 40
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
    """Readers alone, then beside clients that never read, each past the megabyte that may be unsent."""
    total = sizes.readers + sizes.silent
    say(f"fanout: {sizes.silent} of {total:,} clients that never read")
    requests = [watching(bench.stack, WATCHED_BED, f"reader-{place}") for place in range(total)]
    outlet = HubOutlet(bench.feed, bench.results, WATCHED_BED)
    with crowd_of(bench.stack.hub, requests[: sizes.readers], Talk.WEBSOCKET, [vitals_room(WATCHED_BED)]) as crowd:
        alone = _p99(_ticks(outlet, crowd, min(LOUD_TICKS, sizes.silent_ticks)), "without them")
        crowd.join(bench.stack.hub, requests[sizes.readers :], silent=True)
        before = most = resident_bytes(bench.stack.pid)
        for _ in range(sizes.silent_ticks):
            outlet.publish(1, BURST)
            crowd.receive(BURST)
            most = max(most, resident_bytes(bench.stack.pid))
        outlet.settle()
        beside = _p99(crowd.latency()[0], f"beside {sizes.silent} that never read")
    what = f"{sizes.silent} of {total:,} clients never read: the hub's memory for each at most"
    held = Figure(what=what, unit=Unit.BYTES, values=((most - before) / sizes.silent,), goal=_at_most(1.1 * (1 << 20)))
    return [alone, beside, against(beside, alone, _at_most(1.2)), held]


def _ticks(outlet: HubOutlet, crowd: Crowd, ticks: int) -> Latency:
    crowd.latency()
    for _ in range(ticks):
        outlet.publish(1, BURST)
        crowd.receive(BURST)
    outlet.settle()
    return crowd.latency()[0]


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
