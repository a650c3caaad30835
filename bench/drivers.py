"""What decoding costs: Bluetooth values one by one, and whole streams through the drivers' sessions with everything on.

A stream is what a simulated device says in a minute; it is recorded once, cut into 64-byte pieces as a line gives them, and handed to a new
session each round: framing, checksums, decoding, cadence, readings and waveform chunks are all in the figure.
"""

import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from bench.errors import BenchFailed
from bench.figures import Bound, Figure, Goal, Report, Unit, against, as_baseline
from bench.machine import Cores
from device_drivers.driver import Driver
from device_drivers.registry import DRIVERS, FORMATS
from device_drivers.sessions import (
    BytesReceived,
    Deliver,
    Event,
    LinkEstablished,
    SendBytes,
    SessionContext,
    SubscribeTo,
    TimePassed,
    ValueReceived,
    WriteValue,
)
from simulators.models.model import STEPS_PER_SECOND, Body, DeviceModel, Said
from simulators.models.registry import MODELS
from vitals.identifiers import DeviceKey

PIECE: Final = 64
START: Final = datetime(2026, 11, 25, 12, tzinfo=UTC)
VALUES: Final = {
    "2A35": "def6f416f3ff07e4070114082b00b2f2018000",
    "2A1C": "06680100ffe207030a15340002",
    "2A5F": "0c62004e002000000000",
    "2A37": "1e4800050000020402",
}
"""One value of each, as full as real devices send it."""
BARE: Final = struct.Struct("<BHHHH5BH")
UNPACK: Final = "struct.unpack of the same bytes, nothing made of them"
NOISY_PER_SECOND: Final = 10
"""Bytes a second from which on a device's speech is a stream worth measuring."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`repeats` of each value, and `seconds` of each stream, a round."""

    rounds: int
    repeats: int
    seconds: int


FULL: Final = Plan(rounds=5, repeats=20_000, seconds=60)
QUICK: Final = Plan(rounds=1, repeats=500, seconds=10)
"""Long enough for a thermometer that predicts for five seconds to have said something."""


def run(plan: Plan, cores: Cores, say: Callable[[str], None]) -> Report:
    """Run it. Raises BenchFailed where a stream makes no readings."""
    say("drivers: recording what the simulated devices say")
    streams = {key: found for key in MODELS if (found := recorded(DRIVERS[key], plan.seconds))}
    values: dict[str, list[float]] = {key: [] for key in (*VALUES, UNPACK)}
    costs: dict[str, list[float]] = {key: [] for key in streams}
    for place in range(plan.rounds):
        say(f"drivers: round {place + 1} of {plan.rounds}, {len(VALUES)} values, {len(streams)} streams")
        with cores.serving():
            for key, text in VALUES.items():
                decode, data = FORMATS[key].decode, bytes.fromhex(text)
                values[key].append(_each(partial(decode, data), plan.repeats))
            values[UNPACK].append(_each(lambda: BARE.unpack(bytes(16)), plan.repeats))
            for key, events in streams.items():
                costs[key].append(_heard(DRIVERS[key], events) / plan.seconds)
    return _report(plan, values, costs)


def recorded(driver: Driver, seconds: int) -> list[Event]:
    """The events that a minute's talk with the driver's device brings; none where it says little, as a cuff does."""
    model = MODELS[driver.key](lambda _: Body())
    events = [event for events in _talk(driver, model, seconds) for event in events]
    size = sum(len(event.data) for event in events if isinstance(event, BytesReceived | ValueReceived))
    return events if size >= NOISY_PER_SECOND * seconds and FORMATS[driver.formats[0]].measure else []


def _talk(driver: Driver, model: DeviceModel, seconds: int) -> Iterator[list[Event]]:
    session = driver.session(_context(driver))
    now = START
    begin: list[Event] = [LinkEstablished(at=now, characteristics=frozenset(model.characteristics))]
    said = [*model.connected(now)]
    yield begin
    for event in begin:
        said += _answers(session.handle(event), model, now)
    for step in range(seconds * STEPS_PER_SECOND):
        now += timedelta(seconds=1 / STEPS_PER_SECOND)
        said += model.step(now)
        events = list(_pieces(said, now))
        said = []
        if step % STEPS_PER_SECOND == 0:
            events.append(TimePassed(at=now))
        yield events
        for event in events:
            said += _answers(session.handle(event), model, now)


def _answers(commands: Sequence[object], model: DeviceModel, now: datetime) -> list[Said]:
    said: list[Said] = []
    for command in commands:
        match command:
            case SendBytes(data=data):
                said += model.received(now, data)
            case WriteValue(characteristic=characteristic, data=data):
                said += model.received(now, data, characteristic)
            case SubscribeTo(characteristic=characteristic):
                said += model.subscribed(now, characteristic)
    return said


def _pieces(said: Sequence[Said], now: datetime) -> Iterator[Event]:
    line = b"".join(one.data for one in said if one.characteristic is None)
    for at in range(0, len(line), PIECE):
        yield BytesReceived(at=now, data=line[at : at + PIECE])
    for one in said:
        if one.characteristic is not None:
            yield ValueReceived(at=now, characteristic=one.characteristic, data=one.data)


def _context(driver: Driver) -> SessionContext:
    return SessionContext(device=DeviceKey(device_type=driver.device_type, device_id="bench"), zone=UTC)


def _heard(driver: Driver, events: list[Event]) -> float:
    """CPU seconds for all of it. Raises BenchFailed where nothing comes of it."""
    session = driver.session(_context(driver))
    readings = 0
    with _cpu() as spent:
        for event in events:
            for command in session.handle(event):
                readings += isinstance(command, Deliver)
    if not readings:
        raise BenchFailed(f"{driver.key}: the stream made no readings")
    return spent[0]


def _each(work: Callable[[], object], repeats: int) -> float:
    """CPU seconds of one."""
    with _cpu() as spent:
        for _ in range(repeats):
            work()
    return spent[0] / repeats


@contextmanager
def _cpu() -> Iterator[list[float]]:
    spent: list[float] = []
    began = time.thread_time()
    yield spent
    spent.append(time.thread_time() - began)


def _report(plan: Plan, values: dict[str, list[float]], costs: dict[str, list[float]]) -> Report:
    bare = Figure(what=UNPACK, unit=Unit.MICROSECONDS, values=tuple(cost * 1e6 for cost in values[UNPACK]))
    figures = []
    for key in VALUES:
        what = f"{key} {FORMATS[key].title}: a value decoded"
        figure = Figure(
            what=what,
            unit=Unit.MICROSECONDS,
            values=tuple(cost * 1e6 for cost in values[key]),
            goal=Goal(bound=Bound.AT_MOST, limit=5),
        )
        figures += [figure, against(figure, bare)]
    for key, cost in costs.items():
        share = tuple(cost)
        figures.append(
            Figure(
                what=f"{key}: share of a core at the device's own rate",
                unit=Unit.SHARE,
                values=share,
                goal=Goal(bound=Bound.AT_MOST, limit=0.02),
            )
        )
        figures.append(
            Figure(
                what="against the device's own rate",
                unit=Unit.RATIO,
                values=tuple(1 / each for each in share),
                goal=Goal(bound=Bound.AT_LEAST, limit=100),
            )
        )
    return Report(
        name=f"drivers: {plan.rounds} rounds, {plan.repeats} of each value, {plan.seconds} s of each stream",
        figures=[*figures, as_baseline(bare)],
        notes=["checked: every stream makes readings", "CPU of the one thread that decodes"],
    )
