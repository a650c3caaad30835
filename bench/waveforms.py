"""Waveforms from MQTT to a screen that shows 64 beds: one waveform a bed, then sixteen, at 100 Hz, live as on a ward.

A gateway sends half a second of each waveform twice a second, bed after bed, and a screen, one WebSocket, follows all beds' rooms.
"""

import asyncio
import itertools
import json
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import paho.mqtt.client as paho
import websockets
from paho.mqtt.enums import CallbackAPIVersion

from bench.errors import BenchFailed
from bench.figures import Bound, Figure, Goal, Report, Unit, against, as_baseline
from bench.machine import Cores, cpu_seconds
from bench.stack import Stack, running_stack
from bench.ward import GATEWAY, oximeter, patient
from vitals.envelope import encode
from vitals.topics import Channel, topic
from vitals.waveform_envelope import decode_chunk, decode_waveforms, encode_chunk, encode_waveforms
from vitals.waveforms import SampleChunk, Signal

BEDS: Final = 64
WAVEFORMS: Final = (1, 16)
RATE_HZ: Final = 100.0
SAMPLES: Final = 50
TICK_SECONDS: Final = SAMPLES / RATE_HZ
CHUNKS_A_MESSAGE: Final = 32
WAIT_SECONDS: Final = 30.0
_ALL: Final = Goal(bound=Bound.AT_LEAST, limit=0.999)
_FIRST_TICKS: Final = itertools.count(0, 5000)
"""No two gateways count alike: what the hub still has of the one before is told from what this one sends."""
LATE_TICKS: Final = 4
"""A chunk that is so much later than another has been dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`ticks` of half a second a round."""

    rounds: int
    ticks: int


FULL: Final = Plan(rounds=5, ticks=20)
QUICK: Final = Plan(rounds=1, ticks=4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Seconds: the screen's from its connection to its first chunk of every bed, each chunk's from the gateway's sending; CPU of the hub's process. `sent` chunks, of which some may have been dropped."""

    live: float
    latencies: Sequence[float]
    cpu: float
    wall: float
    sent: int

    @property
    def chunks(self) -> int:
        """That reached the screen."""
        return len(self.latencies)


def run(plan: Plan, cores: Cores, say: Callable[[str], None]) -> Report:
    """Run it. Raises BenchFailed where a chunk did not reach the screen."""
    with tempfile.TemporaryDirectory(prefix="bedside-bench-") as folder:
        say("waveforms: starting Redis, a broker and the hub")
        with running_stack(Path(folder), cores) as stack:
            rounds: dict[int, list[Round]] = {each: [] for each in WAVEFORMS}
            for place in range(plan.rounds):
                for each in WAVEFORMS:
                    say(f"waveforms: round {place + 1} of {plan.rounds}, {BEDS} beds, {each} a bed")
                    rounds[each].append(asyncio.run(_round(stack, each, plan.ticks)))
    with cores.serving():
        decoding = _decoding_alone()
    return report(rounds, decoding, plan)


def report(rounds: dict[int, list[Round]], decoding: float, plan: Plan) -> Report:
    figures: list[Figure] = []
    baseline = Figure(what="decode and encode only", unit=Unit.MICROSECONDS, values=(decoding * 1e6,) * plan.rounds)
    for each, measured in rounds.items():
        what = f"{BEDS} beds with {each}"
        live = tuple(one.live * 1e3 for one in measured)
        hub = tuple(one.cpu / one.chunks * 1e6 for one in measured)
        cost = Figure(what=f"{what}: the hub's CPU a chunk", unit=Unit.MICROSECONDS, values=hub)
        share = tuple(one.cpu / one.wall for one in measured)
        reached = tuple(one.chunks / one.sent for one in measured)
        rate = tuple(one.chunks / one.wall for one in measured)
        figures += [
            Figure(what=f"{what}: live on the screen after", unit=Unit.MILLISECONDS, values=live, goal=_at_most(1000)),
            *_latency(f"{what}: from the gateway's sending to the screen", measured),
            Figure(what=f"{what}: chunks/s", unit=Unit.PER_SECOND, values=rate),
            Figure(what=f"{what}: share that reached the screen", unit=Unit.SHARE, values=reached, goal=_ALL),
            cost,
            against(cost, baseline),
            Figure(what=f"{what}: the hub's share of a core", unit=Unit.SHARE, values=share),
        ]
    return Report(
        name=f"waveforms: {plan.rounds} rounds of {plan.ticks * TICK_SECONDS:g} s at {RATE_HZ:g} Hz, {BEDS} beds on one screen",
        figures=[*figures, as_baseline(baseline)],
        notes=[
            "checked each round: chunks of a device came in order; what a machine has no time for is dropped, the oldest first; the hub's CPU is its own process's"
        ],
    )


def _latency(what: str, measured: Sequence[Round]) -> list[Figure]:
    medians = tuple(statistics.median(one.latencies) * 1e3 for one in measured)
    highest = tuple(statistics.quantiles(one.latencies, n=100)[98] * 1e3 for one in measured)
    return [
        Figure(what=f"{what}, median", unit=Unit.MILLISECONDS, values=medians),
        Figure(what=f"{what}, p99", unit=Unit.MILLISECONDS, values=highest),
    ]


def _at_most(limit: float) -> Goal:
    return Goal(bound=Bound.AT_MOST, limit=limit)


async def _round(stack: Stack, each: int, ticks: int) -> Round:
    async with _sending(stack, each) as gateway:
        began = time.monotonic()
        async with _screen(stack) as screen:
            await _until_live(screen)
            live = time.monotonic() - began
            return await _measured(stack, gateway, screen, live, ticks)


async def _measured(stack: Stack, gateway: "_Gateway", screen: Any, live: float, ticks: int) -> Round:  # noqa: ANN401
    """From the next tick on, for so many."""
    first = gateway.tick + 1
    latencies: list[float] = []
    expected = ticks * BEDS * gateway.each
    cpu = began = 0.0
    seen: dict[str, int] = {}
    while len(latencies) < expected:
        data, at = await _chunk(screen)
        number = data["samples"][0] + 1000 * data["samples"][1]
        if number >= first + ticks + LATE_TICKS:
            break
        if not first <= number < first + ticks:
            continue
        if not latencies:
            cpu, began = cpu_seconds(stack.pid), time.monotonic()
        if number < seen.get(data["device_id"], 0):
            raise BenchFailed("chunks of one device came out of order")
        seen[data["device_id"]] = number
        latencies.append(at - datetime.fromisoformat(data["start"]).timestamp())
    wall = time.monotonic() - began
    if not latencies:
        raise BenchFailed("no chunk of a whole round reached the screen")
    cpu = cpu_seconds(stack.pid) - cpu
    return Round(live=live, latencies=latencies, cpu=cpu, wall=wall, sent=expected)


async def _until_live(screen: Any) -> None:  # noqa: ANN401 - a WebSocket
    beds: set[str] = set()
    while len(beds) < BEDS:
        data, _ = await _chunk(screen)
        beds.add(data["patient_id"])


async def _chunk(screen: Any) -> tuple[dict[str, Any], float]:  # noqa: ANN401 - a WebSocket
    """The next chunk's data, and when it came."""
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            while (message := json.loads(await screen.recv()))["type"] != "patient_waveform":
                pass
    except TimeoutError:
        raise BenchFailed(f"no chunk of a waveform for {WAIT_SECONDS:g} s: some were dropped") from None
    return message["data"], time.time()


@asynccontextmanager
async def _screen(stack: Stack) -> AsyncIterator[Any]:
    rooms = [f"patient:{patient(bed)}:waveforms" for bed in range(BEDS)]
    url = f"ws://127.0.0.1:{stack.hub}/realtime/ws"
    headers = {"Authorization": f"Bearer {stack.token('screen')}"}
    async with websockets.connect(url, additional_headers=headers, compression=None, max_queue=None) as screen:
        await screen.send(json.dumps({"type": "subscribe", "rooms": rooms}))
        yield screen


class _Gateway:
    """Sends the waveforms of all beds, evenly over each half second. A chunk's first two samples are its tick's number."""

    def __init__(self, stack: Stack, each: int) -> None:
        self.each = each
        self.tick = next(_FIRST_TICKS)
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.username_pw_set(GATEWAY, stack.passwords[GATEWAY])
        self._client.connect("127.0.0.1", stack.broker)
        self._client.loop_start()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    async def run(self) -> None:
        beds = [bed for bed in range(BEDS) for _ in range(self.each)]
        messages = [beds[at : at + CHUNKS_A_MESSAGE] for at in range(0, len(beds), CHUNKS_A_MESSAGE)]
        due = time.monotonic()
        while True:
            self.tick += 1
            for message in messages:
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                due += TICK_SECONDS / len(messages)
                self._client.publish(topic(GATEWAY, Channel.WAVEFORMS), _payload(message, self.tick), qos=0)


@asynccontextmanager
async def _sending(stack: Stack, each: int) -> AsyncIterator[_Gateway]:
    gateway = _Gateway(stack, each)
    task = asyncio.create_task(gateway.run())
    try:
        yield gateway
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        gateway.close()


def _payload(beds: Sequence[int], tick: int) -> bytes:
    now = datetime.now(UTC)
    samples = (tick % 1000, tick // 1000, *range(100, 100 + SAMPLES - 2))
    chunks = [
        SampleChunk(
            device=oximeter(bed),
            signal=Signal.PLETHYSMOGRAM,
            started=now,
            rate_hz=RATE_HZ,
            low=0,
            high=1000,
            samples=samples,
        )
        for bed in beds
    ]
    return encode_waveforms(gateway=GATEWAY, sent=now, chunks=[encode_chunk(chunk) for chunk in chunks])


def _decoding_alone() -> float:
    """CPU seconds a chunk, of what nobody can do without."""
    payload = _payload(range(CHUNKS_A_MESSAGE), 1)
    began = time.thread_time()
    for _ in range(100):
        for raw in decode_waveforms(payload).chunks:
            encode(decode_chunk(raw))
    return (time.thread_time() - began) / 100 / CHUNKS_A_MESSAGE
