"""The ward as a whole, and the socket on which it is told what happens."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from device_drivers.registry import DRIVERS, driver
from device_drivers.transports.ble import Bluetooth
from device_drivers.transports.serial_port import open_port
from simulators.control import OrderRefused, order
from simulators.errors import BluetoothFailed
from simulators.ledger import read
from simulators.plan import PlannedDevice, PlannedOrder, WardPlan, default_plan, faults
from simulators.recording import stays
from simulators.ward import CONTROL, LEDGER, run, tty_path
from tests.simulators.conftest import sockets_closed
from tests.simulators.listening import Listener, ended, numbers, reasons
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

SECONDS = 15
CONTEC, DF8, CUFF = "OX-101", "OX-103", "BP-101"


def clock() -> datetime:
    return datetime.now(UTC)


def plan(*orders: PlannedOrder) -> WardPlan:
    return msgspec.structs.replace(default_plan(), orders=orders)


class Running:
    """A ward in this process's loop."""

    def __init__(self, state: Path) -> None:
        self.state = state

    async def tell(self, **words: object) -> None:
        async with asyncio.timeout(SECONDS):
            await order(self.state / CONTROL, **words)

    @asynccontextmanager
    async def listening(self, key: str, device_id: str) -> AsyncIterator[Listener]:
        link = await open_port(str(tty_path(self.state, device_id)), driver(key).serial, clock=clock)
        listener = Listener(key, link, device_id=device_id)
        task = asyncio.create_task(listener.run())
        try:
            yield listener
        finally:
            await link.close()
            await ended(task)


Ward = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture
def ward(services_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Ward:
    @asynccontextmanager
    async def start(planned: WardPlan, *, bus_address: str | None = None) -> AsyncIterator[Running]:
        state = services_folder / tmp_path_factory.mktemp("ward").name  # sockets' paths are limited
        state.mkdir()
        stop, ready = asyncio.Event(), asyncio.Event()
        running = run(planned, state=state, bus_address=bus_address, stop=stop, ready=ready.set, started=clock())
        task = asyncio.create_task(running)
        try:
            async with asyncio.timeout(SECONDS):
                await ready.wait()
            await eventually((state / CONTROL).exists)
            yield Running(state)
        finally:
            stop.set()
            async with asyncio.timeout(SECONDS):
                await task

    return start


async def test_each_oximeter_says_what_the_recording_has(ward: Ward):
    async with ward(plan()) as running:
        for key, device_id in (("contec-v7", CONTEC), ("nonin-df2", "OX-102"), ("nonin-df8", DF8)):
            async with running.listening(key, device_id) as listener:
                await listener.until(lambda listener=listener: any(map(numbers, listener.readings)))
                found = next(filter(None, map(numbers, listener.readings)))
                assert 50 <= found["spo2"] <= 100
                assert 20 <= found["oximeter_pulse_rate"] <= 250


async def test_ports_vanish_with_the_ward(ward: Ward):
    async with ward(plan()) as running:
        ports = list((running.state / "tty").iterdir())
        assert len(ports) == 5
    assert not any(port.is_symlink() for port in ports)


async def test_an_oximeter_sees_what_it_is_told(ward: Ward):
    async with ward(plan()) as running, running.listening("nonin-df8", DF8) as listener:
        await running.tell(do="see", device_id=DF8, spo2=84, pulse_rate=121)
        expected = {"spo2": 84, "oximeter_pulse_rate": 121}
        await listener.until(lambda: expected in map(numbers, listener.readings))
        await running.tell(do="finger_off", device_id=DF8)
        await listener.until(lambda: "no_finger" in reasons(listener.readings[-1]))
        await running.tell(do="finger_on", device_id=DF8)
        await listener.until(lambda: numbers(listener.readings[-1]))


async def test_a_planned_order_is_carried_out(ward: Ward):
    off = PlannedOrder(order={"do": "finger_off", "device_id": DF8}, after_seconds=0)
    async with ward(plan(off)) as running, running.listening("nonin-df8", DF8) as listener:
        await listener.until(lambda: any("no_finger" in reasons(reading) for reading in listener.readings))


async def test_an_unplugged_oximeter_comes_back(ward: Ward):
    async with ward(plan()) as running:
        async with running.listening("nonin-df8", DF8):
            await running.tell(do="unplug", device_id=DF8)
            assert not tty_path(running.state, DF8).is_symlink()
        await running.tell(do="plug", device_id=DF8)
        async with running.listening("nonin-df8", DF8) as listener:
            await listener.until(lambda: listener.readings)


@pytest.mark.parametrize("fault", ["garbage", "truncated", "oversized", "mid_frame"])
async def test_damage_is_refused_and_the_line_goes_on(ward: Ward, fault: str):
    async with ward(plan()) as running, running.listening("contec-v7", CONTEC) as listener:
        await listener.until(lambda: listener.readings)
        await running.tell(do="spoil", device_id=CONTEC, fault=fault)
        await listener.until(lambda: listener.refused)
        before = len(listener.readings)
        await listener.until(lambda: len(listener.readings) > before)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"do": "dance"}, "do: must be one of"),
        ({"do": "unplug", "device_id": "OX-999"}, "there are OX-101"),
        ({"do": "unplug"}, "device_id: is missing"),
        ({"do": "fail", "device_id": CUFF}, "none over Bluetooth"),
        ({"do": "see", "device_id": CUFF, "spo2": 97}, "there are OX-101"),
        ({"do": "see", "device_id": CONTEC, "spo2": 101}, "<= 100"),
        ({"do": "see", "device_id": CONTEC, "spo": 97}, "unknown field `spo`"),
        ({"do": "spoil", "device_id": CONTEC, "fault": "rust"}, "rust"),
        ({"do": "bytes", "device_id": CONTEC, "hex": "zz"}, "non-hexadecimal"),
        ({"do": "bluetoothd_dies"}, "without Bluetooth"),
        ({"do": ["measure"]}, "unhashable"),
    ],
)
async def test_an_order_that_can_not_be_is_refused_and_the_ward_goes_on(ward: Ward, words: dict, said: str):
    async with ward(plan()) as running:
        with pytest.raises(OrderRefused, match=said):
            await running.tell(**words)
        await running.tell(do="finger_off", device_id=CONTEC)


async def test_a_bus_that_is_not_there_is_named(tmp_path: Path):
    stop = asyncio.Event()
    with pytest.raises(ExceptionGroup) as failure:
        await run(
            plan(), state=tmp_path, bus_address=f"unix:path={tmp_path}/none", stop=stop, ready=stop.set, started=clock()
        )
    assert failure.value.subgroup(BluetoothFailed)


async def test_a_cuff_measures_what_it_is_told_and_the_ledger_knows_who_heard(ward: Ward, bus_address: str):
    async with ward(plan(), bus_address=bus_address) as running, Bluetooth() as bluetooth:
        address = next(d.address for bed in plan().beds for d in bed.devices if d.device_id == CUFF)
        await running.tell(do="measure", device_id=CUFF, systolic=150, diastolic=95, pulse_rate=80)
        async with asyncio.timeout(SECONDS):
            await bluetooth.wait_for(address)
            link = await bluetooth.connect(address, clock=clock)
            listener = Listener("sig-blood-pressure", link, device_id=CUFF)
            await listener.run()
            await link.close()
        assert {"systolic": 150, "diastolic": 95, "pulse_rate": 80} in map(numbers, listener.readings)
        made, heard = read(running.state / LEDGER)
        (entry,) = (entry for entry in made if entry.numbers.get("systolic") == 150 and entry.device_id == CUFF)
        assert entry.entry in heard
    await sockets_closed()


UNUSUAL = {
    "bci-serial": {"spo2": 91, "oximeter_pulse_rate": 61},
    "suntech-advantage": {"systolic": 151, "diastolic": 96},
    "and-ua651ble": {"systolic": 151, "diastolic": 96},
    "temp-sitter": {"temperature": 38.4},
}
"""Models of which none is in the default plan, and what each measures of `SEEN`."""
SEEN = {"spo2": 91, "pulse_rate": 61, "systolic": 151, "diastolic": 96, "mean": 114, "temperature": 38.4}


def unusual_plan() -> WardPlan:
    devices = tuple(
        PlannedDevice(
            device_id=key,
            model=key,
            address=f"C0:00:00:00:0B:{place:02X}" if DRIVERS[key].transport == "ble" else None,
        )
        for place, key in enumerate(UNUSUAL)
    )
    (bed, *_) = default_plan().beds
    return msgspec.structs.replace(plan(), beds=(msgspec.structs.replace(bed, devices=devices),))


def is_heard(listener: Listener, expected: dict[str, float]) -> bool:
    return any(expected.items() <= numbers(reading).items() for reading in listener.readings)


@pytest.mark.slow
async def test_any_model_runs_in_a_ward_and_is_heard(ward: Ward, bus_address: str):
    """On lines together, on the radio one after the other, as a gateway does."""
    planned = unusual_plan()
    assert list(faults(planned)) == []
    async with ward(planned, bus_address=bus_address) as running, Bluetooth() as bluetooth, AsyncExitStack() as lines:
        for device_id in UNUSUAL:
            await running.tell(do="see", device_id=device_id, **SEEN)
        devices = planned.beds[0].devices
        listeners = {
            device.device_id: await lines.enter_async_context(running.listening(device.model, device.device_id))
            for device in devices
            if device.transport == "serial"
        }
        for device in devices:
            if device.address is not None:
                await heard_on_air(bluetooth, device, UNUSUAL[device.model])
        ticking = asyncio.gather(*(listener.tick(clock) for listener in listeners.values()))
        for device_id, listener in listeners.items():
            await listener.until(lambda one=device_id, by=listener: is_heard(by, UNUSUAL[one]), seconds=30)
        await ended(ticking)
    await sockets_closed()


async def heard_on_air(bluetooth: Bluetooth, device: PlannedDevice, expected: dict[str, float]) -> None:
    async with asyncio.timeout(SECONDS):
        await bluetooth.wait_for(device.address)
        link = await bluetooth.connect(device.address, clock=clock)
    listener = Listener(device.model, link, device_id=device.device_id)
    listening = asyncio.create_task(listener.run())
    await listener.until(lambda: is_heard(listener, expected))
    await link.close()
    await ended(listening)


def test_the_default_ward_plays_only_what_there_is():
    assert {bed.stay for bed in default_plan().beds} <= set(stays())
