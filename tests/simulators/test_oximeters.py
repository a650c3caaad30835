"""Simulated oximeters on real pseudo-terminals, read by the drivers and the serial transport that the agent uses."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from device_drivers.oximeters import contec_v7_packets as contec_v7
from device_drivers.oximeters.contec_v7_packets import ControlCommand, control
from device_drivers.registry import driver
from device_drivers.sessions import TimePassed
from device_drivers.transports.serial_port import open_port
from simulators.damage import Fault, spoiled
from simulators.ledger import Ledger, Recorded, compare, read
from simulators.oximeters import WRITES_PER_SECOND, Contec, NoninDF2, NoninDF8, Oximeter, Pulse, pleth
from simulators.serial_line import SerialLine
from tests.simulators.listening import Listener, Moments, ended, numbers, reasons
from tests.support.waiting import eventually

KEYS = pytest.mark.parametrize("key", ["contec-v7", "nonin-df2", "nonin-df8"])
NO_FINGER = Pulse(spo2=None, pulse_rate=None)


class CountedLine(SerialLine):
    """A line that counts, so that a test knows when the other end has everything."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.bytes_said = self.bytes_heard = 0

    def write(self, data: bytes) -> bool:
        said = super().write(data)
        self.bytes_said += len(data) if said else 0
        return said

    def spoil_next(self, fault: Callable[[bytes], bytes]) -> None:
        def counted(data: bytes) -> bytes:
            damaged = fault(data)
            self.bytes_said += len(damaged)
            return damaged

        super().spoil_next(counted)

    def read(self) -> None:
        device = self.received

        def counted(data: bytes) -> None:
            self.bytes_heard += len(data)
            if device is not None:
                device(data)

        self.received = counted
        super().read()
        self.received = device


class Bench:
    """One oximeter, its line, its ledger and a clock; `sees` is what lies in the sensor."""

    def __init__(self, folder: Path) -> None:
        self.clock = Moments(datetime(2026, 11, 24, 12, tzinfo=UTC))
        self.line = CountedLine(folder / "OX-1")
        self.ledger_path = folder / "ledger.jsonl"
        self.ledger = Ledger(self.ledger_path)
        self.sees = Pulse(spo2=97, pulse_rate=72)

    def oximeter(self, key: str) -> Oximeter:
        match key:
            case "contec-v7":
                return Contec(self.line, lambda _: self.sees, self.clock)
            case "nonin-df2":
                return NoninDF2(self.line, lambda _: self.sees)
            case _:
                return NoninDF8(self.line, lambda _: self.sees, device_id="OX-1", ledger=self.ledger)

    @asynccontextmanager
    async def listening(self, key: str) -> AsyncIterator[Listener]:
        link = await open_port(str(self.line.path), driver(key).serial, clock=self.clock)
        listener = Listener(key, link, device_id="OX-1")
        task = asyncio.create_task(listener.run())
        try:
            yield listener
        finally:
            await link.close()
            await ended(task)

    async def play(self, oximeter: Oximeter, seconds: float, listener: Listener | None = None) -> None:
        """Let the device run on the moved clock. The clock moves on when each end has read what the other said."""
        for place in range(round(seconds * WRITES_PER_SECOND)):
            if listener is not None and place % WRITES_PER_SECOND == 0:
                await listener.handle(TimePassed(at=self.clock.now))
                await eventually(lambda: self._heard(listener))
            oximeter.step(self.clock.now)
            if listener is not None:
                await listener.until_bytes(self.line.bytes_said)
            self.clock.now += timedelta(seconds=1 / WRITES_PER_SECOND)

    def _heard(self, listener: Listener) -> bool:
        self.line.read()
        return self.line.bytes_heard == listener.bytes_sent


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    bench.line.plug()
    yield bench
    bench.line.unplug()
    bench.ledger.close()


@KEYS
async def test_the_driver_reads_what_lies_in_the_sensor_once_a_second(bench: Bench, key: str):
    oximeter = bench.oximeter(key)
    async with bench.listening(key) as listener:
        await bench.play(oximeter, 1, listener)
        before = len(listener.readings)
        await bench.play(oximeter, 10, listener)
        assert 9 <= len(listener.readings) - before <= 11
        assert {numbers(reading)["spo2"] for reading in listener.readings} == {97}
        assert {numbers(reading)["oximeter_pulse_rate"] for reading in listener.readings} == {72}
        assert listener.refused == []


@KEYS
async def test_a_finger_that_leaves_is_no_number(bench: Bench, key: str):
    oximeter = bench.oximeter(key)
    async with bench.listening(key) as listener:
        await bench.play(oximeter, 1, listener)
        bench.sees = NO_FINGER
        await bench.play(oximeter, 3, listener)
        assert numbers(listener.readings[-1]) == {}
        assert "no_finger" in reasons(listener.readings[-1])


@KEYS
@pytest.mark.parametrize("fault", Fault)
async def test_damaged_bytes_are_counted_and_the_road_goes_on(bench: Bench, key: str, fault: Fault):
    oximeter = bench.oximeter(key)
    async with bench.listening(key) as listener:
        await bench.play(oximeter, 2, listener)
        bench.line.spoil_next(lambda data: spoiled(data, fault, Random(3)))
        await bench.play(oximeter, 3, listener)
        assert listener.refused
        bench.sees = Pulse(spo2=88, pulse_rate=130)
        await bench.play(oximeter, 4, listener)
        seen = numbers(listener.readings[-1])
        assert (seen["spo2"], seen["oximeter_pulse_rate"]) == (88, 130)


@KEYS
async def test_a_stream_that_starts_in_the_middle_is_read(bench: Bench, key: str):
    oximeter = bench.oximeter(key)
    await bench.play(oximeter, 0.6)  # nobody listens yet
    async with bench.listening(key) as listener:
        await bench.play(oximeter, 4, listener)
        assert numbers(listener.readings[0])["spo2"] == 97


class Wire:
    """A host that speaks Contec's words and keeps what comes back."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.oximeter = bench.oximeter("contec-v7")
        self.said: list[bytes] = []
        bench.line.write = self._write  # type: ignore[method-assign]

    def _write(self, data: bytes) -> bool:
        self.said.append(data)
        return True

    def tells(self, command: int) -> None:
        assert self.bench.line.received is not None
        self.bench.line.received(control(command))  # type: ignore[arg-type]

    def packets(self, seconds: float) -> int:
        """Live packets that come in so long."""
        self.said.clear()
        for _ in range(round(seconds * WRITES_PER_SECOND)):
            self.oximeter.step(self.bench.clock.now)
            self.bench.clock.now += timedelta(seconds=1 / WRITES_PER_SECOND)
        return sum(len(data) // 9 for data in self.said)


@pytest.fixture
def wire(bench: Bench) -> Wire:
    return Wire(bench)


def test_a_contec_is_silent_until_it_is_asked(wire: Wire):
    assert wire.packets(2) == 0
    wire.tells(ControlCommand.START_LIVE)
    assert wire.packets(2) == 120


def test_a_contec_stops_five_seconds_after_the_last_word(wire: Wire):
    wire.tells(ControlCommand.START_LIVE)
    assert wire.packets(10) == pytest.approx(5 * 60, abs=4)
    assert wire.packets(2) == 0


def test_a_contec_goes_on_while_it_hears_that_the_host_is_there(wire: Wire):
    wire.tells(ControlCommand.START_LIVE)
    for _ in range(5):
        wire.tells(ControlCommand.KEEP_ALIVE)
        assert wire.packets(4) == 240


def test_keeping_alive_starts_nothing(wire: Wire):
    wire.tells(ControlCommand.KEEP_ALIVE)
    assert wire.packets(2) == 0


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (ControlCommand.STOP_LIVE, contec_v7.pack(0x0C, ())),
        (ControlCommand.ASK_DEVICE_ID, contec_v7.pack(0x04, tuple(b"SIM-V70"))),
        (ControlCommand.ASK_PERFUSION_SUPPORT, contec_v7.pack(0x0E, (0,))),
        (0xB2, contec_v7.pack(0x0B, (0xB2, 5))),
    ],
)
def test_a_contec_answers(wire: Wire, command: int, answer: bytes):
    wire.tells(ControlCommand.START_LIVE)
    wire.said.clear()
    wire.tells(command)
    assert wire.said == [answer]
    assert len(answer) == contec_v7.PACKET_LENGTHS[answer[0]]


def test_a_stopped_contec_is_silent(wire: Wire):
    wire.tells(ControlCommand.START_LIVE)
    wire.tells(ControlCommand.STOP_LIVE)
    assert wire.packets(1) == 0


def test_words_between_noise_are_heard(wire: Wire):
    assert wire.bench.line.received is not None
    word = control(ControlCommand.START_LIVE)
    wire.bench.line.received(b"\x00\x11" + word[:4])
    wire.bench.line.received(word[4:])
    assert wire.packets(1) == 60


def test_nonin_says_75_frames_a_second(bench: Bench):
    oximeter = bench.oximeter("nonin-df2")
    said: list[bytes] = []
    bench.line.write = lambda data: said.append(data) is None  # type: ignore[method-assign]
    for _ in range(2 * WRITES_PER_SECOND):
        oximeter.step(bench.clock.now)
        bench.clock.now += timedelta(seconds=1 / WRITES_PER_SECOND)
    assert sum(map(len, said)) == 2 * 75 * 5


async def test_the_ledger_agrees_with_what_the_driver_read(bench: Bench):
    oximeter = bench.oximeter("nonin-df8")
    await bench.play(oximeter, 3)
    async with bench.listening("nonin-df8") as listener:
        await bench.play(oximeter, 5, listener)
        bench.sees = NO_FINGER
        await bench.play(oximeter, 2, listener)
        made, heard = read(bench.ledger_path)
        assert len(made) == 10
        assert len(listener.readings) == len(heard)
    rows = [
        Recorded(device_id="OX-1", measured=reading.measured, numbers=numbers(reading)) for reading in listener.readings
    ]
    verdict = compare(made, heard, rows)
    assert (verdict.delivered, verdict.lost, verdict.duplicates, verdict.unheard) == (7, (), (), 3)


def test_the_generated_waveform_beats_with_the_pulse():
    start = datetime(2026, 11, 24, 12, tzinfo=UTC)
    samples = [pleth(start + timedelta(seconds=place / 60), 120, 100) for place in range(600)]
    peaks = [b for a, b, c in zip(samples, samples[1:], samples[2:], strict=False) if a < b >= c and b > 80]
    assert len(peaks) == 20
    assert min(samples) >= 0
    assert max(samples) <= 100
