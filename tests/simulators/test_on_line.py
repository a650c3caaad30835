"""Models on real pseudo-terminals, read by the drivers and the serial transport that the agent uses."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from device_drivers.oximeters.contec_v7_packets import ControlCommand, HostCommand
from device_drivers.registry import driver
from device_drivers.sessions import TimePassed
from device_drivers.transports.serial_port import open_port
from simulators.damage import Fault, spoiled
from simulators.ledger import Ledger, Recorded, compare, read
from simulators.models.contec_v7 import ContecV7
from simulators.models.model import STEPS_PER_SECOND, Body, DeviceModel, Said
from simulators.models.pleth import pleth
from simulators.models.registry import MODELS
from simulators.noted_line import NOTED, NotedLine
from simulators.on_line import OnLine
from simulators.serial_line import SerialLine
from tests.simulators.listening import Listener, Moments, ended, numbers, reasons
from tests.support.waiting import eventually

KEYS = pytest.mark.parametrize("key", ["contec-v7", "nonin-df2", "nonin-df8"])
NO_FINGER = Body(spo2=None, pulse_rate=None, perfusion_index=None)


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
    """One device, its line, its ledger and a clock; `sees` is what lies in the sensor."""

    def __init__(self, folder: Path) -> None:
        self.clock = Moments(datetime(2026, 11, 24, 12, tzinfo=UTC))
        self.line = CountedLine(folder / "OX-1")
        self.ledger_path = folder / "ledger.jsonl"
        self.ledger = Ledger(self.ledger_path)
        self.sees = Body(spo2=97, pulse_rate=72)

    def oximeter(self, key: str) -> OnLine:
        model = MODELS[key](lambda _: self.sees)
        if key == NOTED:
            return NotedLine(model, self.line, self.clock, device_id="OX-1", ledger=self.ledger)
        return OnLine(model, self.line, self.clock)

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

    async def play(self, oximeter: OnLine, seconds: float, listener: Listener | None = None) -> None:
        """Let the device run on the moved clock. The clock moves on when each end has read what the other said."""
        for place in range(round(seconds * STEPS_PER_SECOND)):
            if listener is not None and place % STEPS_PER_SECOND == 0:
                await listener.handle(TimePassed(at=self.clock.now))
                await eventually(lambda: self._heard(listener))
            oximeter.step(self.clock.now)
            if listener is not None:
                await listener.until_bytes(self.line.bytes_said)
            self.clock.now += timedelta(seconds=1 / STEPS_PER_SECOND)

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
        bench.sees = Body(spo2=88, pulse_rate=130)
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


class Host:
    """Opens and leaves a port, says Contec's words, and counts the bytes that come back."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.port: int | None = None

    def opens(self) -> None:
        self.port = os.open(self.bench.line.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)

    def leaves(self) -> None:
        assert self.port is not None
        os.close(self.port)
        self.port = None

    def tells(self, command: ControlCommand) -> None:
        assert self.port is not None
        os.write(self.port, bytes(HostCommand(command=command)))

    async def bytes_in(self, oximeter: OnLine, seconds: float) -> int:
        """So many that it hears in so long."""
        before = self.bench.line.bytes_said
        for _ in range(round(seconds * STEPS_PER_SECOND)):
            oximeter.step(self.bench.clock.now)
            self.bench.clock.now += timedelta(seconds=1 / STEPS_PER_SECOND)
            if self.port is not None:
                with suppress(BlockingIOError):
                    os.read(self.port, 65536)
        return self.bench.line.bytes_said - before


@pytest.fixture
def host(bench: Bench) -> Iterator[Host]:
    host = Host(bench)
    host.opens()
    yield host
    if host.port is not None:
        host.leaves()


PACKETS_A_SECOND = 60 * 9


async def test_a_contec_is_silent_until_it_is_asked(bench: Bench, host: Host):
    contec = bench.oximeter("contec-v7")
    assert await host.bytes_in(contec, 2) == 0
    host.tells(ControlCommand.START_LIVE)
    assert await host.bytes_in(contec, 2) == pytest.approx(2 * PACKETS_A_SECOND, abs=36)


async def test_a_contec_stops_five_seconds_after_the_last_word(bench: Bench, host: Host):
    contec = bench.oximeter("contec-v7")
    host.tells(ControlCommand.START_LIVE)
    assert await host.bytes_in(contec, 10) == pytest.approx(5 * PACKETS_A_SECOND, abs=36)
    assert await host.bytes_in(contec, 2) == 0


async def test_a_contec_goes_on_while_it_hears_that_the_host_is_there(bench: Bench, host: Host):
    contec = bench.oximeter("contec-v7")
    host.tells(ControlCommand.START_LIVE)
    for _ in range(5):
        host.tells(ControlCommand.KEEP_ALIVE)
        assert await host.bytes_in(contec, 4) == pytest.approx(4 * PACKETS_A_SECOND, abs=36)


async def test_keeping_alive_starts_nothing(bench: Bench, host: Host):
    host.tells(ControlCommand.KEEP_ALIVE)
    assert await host.bytes_in(bench.oximeter("contec-v7"), 2) == 0


async def test_a_device_hears_what_the_host_said_before_it_left(bench: Bench, host: Host):
    model = ContecV7(lambda _: bench.sees)
    contec = OnLine(model, bench.line, bench.clock)
    host.tells(ControlCommand.START_LIVE)
    await host.bytes_in(contec, 1)
    host.tells(ControlCommand.STOP_LIVE)
    host.leaves()
    assert await host.bytes_in(contec, 1) == 0
    assert model.heard == [ControlCommand.START_LIVE, ControlCommand.STOP_LIVE]


@pytest.mark.parametrize(("key", "bytes_a_second"), [("nonin-df2", 75 * 5), ("nonin-df8", 4), ("bci-serial", 100 * 5)])
async def test_a_stream_has_its_cadence_for_a_host_that_comes_again_too(
    bench: Bench, host: Host, key: str, bytes_a_second: int
):
    """A device at a cable's end goes on; it does not keep for the next host what it said to nobody."""
    oximeter = bench.oximeter(key)
    assert await host.bytes_in(oximeter, 4) == pytest.approx(4 * bytes_a_second, abs=125)
    host.leaves()
    assert await host.bytes_in(oximeter, 30) == 0
    host.opens()
    assert await host.bytes_in(oximeter, 4) == pytest.approx(4 * bytes_a_second, abs=125)


class Visited(DeviceModel):
    """Keeps who came and went."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(lambda _: bench.sees)
        self.visits: list[str] = []

    def connected(self, now: datetime) -> Sequence[Said]:
        self.visits.append("connected")
        return [Said(data=b"hello")]

    def disconnected(self) -> None:
        self.visits.append("disconnected")


async def test_a_model_is_told_when_a_host_opens_the_port_and_leaves(bench: Bench, host: Host):
    model = Visited(bench)
    device = OnLine(model, bench.line, bench.clock)
    assert await host.bytes_in(device, 1) == len(b"hello")
    host.leaves()
    await host.bytes_in(device, 1)
    assert model.visits == ["connected", "disconnected"]
    host.opens()
    assert await host.bytes_in(device, 1) == len(b"hello")


async def test_what_a_model_raises_is_not_swallowed(bench: Bench, host: Host):
    def look(at: datetime) -> Body:
        raise ArithmeticError("no body")

    device = OnLine(MODELS["nonin-df8"](look), bench.line, bench.clock)
    with pytest.raises(ArithmeticError):
        device.step(bench.clock.now)


async def test_the_ledger_agrees_with_what_the_driver_read(bench: Bench):
    oximeter = bench.oximeter(NOTED)
    await bench.play(oximeter, 3)
    async with bench.listening(NOTED) as listener:
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


async def test_a_process_that_stood_still_makes_one_reading_of_it(bench: Bench, host: Host):
    oximeter = bench.oximeter(NOTED)
    oximeter.step(bench.clock.now)
    bench.clock.now += timedelta(seconds=5)
    oximeter.step(bench.clock.now)
    made, heard = read(bench.ledger_path)
    assert len(made) == len(heard) == 2


def test_the_generated_waveform_beats_with_the_pulse():
    start = datetime(2026, 11, 24, 12, tzinfo=UTC)
    samples = [pleth(start + timedelta(seconds=place / 60), 120, 100) for place in range(600)]
    peaks = [b for a, b, c in zip(samples, samples[1:], samples[2:], strict=False) if a < b >= c and b > 80]
    assert len(peaks) == 20
    assert min(samples) >= 0
    assert max(samples) <= 100
