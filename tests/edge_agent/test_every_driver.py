"""Every driver over its real transport: simulated devices on a virtual radio behind BlueZ and on pseudo-terminals, the whole agent, a broker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from device_drivers.driver import Driver, Transport
from device_drivers.registry import DRIVERS
from edge_agent.agent import run
from edge_agent.settings import DeviceSettings, GatewaySettings, MqttSettings
from simulators.bluez.stack import SimulatedBlueZ
from simulators.ending import end
from simulators.models.model import STEPS_PER_SECOND, Body
from simulators.models.registry import MODELS
from simulators.on_air import OnAir
from simulators.on_line import OnLine
from simulators.radio import Radio
from simulators.serial_line import SerialLine
from tests.device_drivers.test_conversations import EXPECTED, SEEN
from tests.edge_agent.hub import Hub
from tests.simulators.conftest import sockets_closed
from vitals.readings import Reading

pytestmark = pytest.mark.slow

SECONDS = 120
"""Bluetooth devices are connected to one after the other, and each sleeps between its connections."""
USABLE = [driver for driver in DRIVERS.values() if driver.transport in (Transport.BLE, Transport.SERIAL)]


def now() -> datetime:
    return datetime.now(UTC)


def look(at: datetime) -> Body:
    return SEEN


@pytest.fixture
async def radio(message_bus, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Radio]:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", message_bus.address)
    radio = Radio()
    bluez = SimulatedBlueZ(radio, message_bus.address)
    await bluez.start()
    yield radio
    await bluez.stop()
    await sockets_closed()


def address_of(place: int) -> str:
    return f"C0:00:00:00:0A:{place:02X}"


def settings_of(driver: Driver, place: int, folder: Path) -> DeviceSettings:
    on_line = driver.transport is Transport.SERIAL
    return DeviceSettings(
        device_id=driver.key,
        driver=driver.key,
        port=str(folder / driver.key) if on_line else None,
        address=None if on_line else address_of(place),
    )


async def step_for_ever(lines: list[OnLine]) -> None:
    while True:
        for line in lines:
            line.step(now())
        await asyncio.sleep(1 / STEPS_PER_SECOND)


@asynccontextmanager
async def devices(radio: Radio, folder: Path) -> AsyncIterator[None]:
    """One device for every driver."""
    lines = []
    async with asyncio.TaskGroup() as tasks:
        running = []
        for place, driver in enumerate(USABLE):
            model = MODELS[driver.key]
            if driver.transport is Transport.SERIAL:
                line = SerialLine(folder / driver.key)
                line.plug()
                lines.append(OnLine(model(look), line, now))
            else:
                on_air = OnAir(lambda model=model: model(look), radio, address=address_of(place), clock=now)
                running.append(tasks.create_task(on_air.run(), name=driver.key))
        running.append(tasks.create_task(step_for_ever(lines)))
        try:
            yield
        finally:
            await end(running)
    for line in lines:
        line.line.unplug()


@asynccontextmanager
async def agent(settings: GatewaySettings) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(run(settings, stop=stop))
    try:
        yield
    finally:
        stop.set()
        async with asyncio.timeout(30):
            await task


def says_what_was_seen(reading: Reading) -> bool:
    numbers = {value.parameter: value.number for value in reading.values if value.parameter in EXPECTED}
    return bool(numbers) and all(EXPECTED[parameter] == number for parameter, number in numbers.items())


def met(hub: Hub) -> set[str]:
    """The drivers whose device's measurement has reached the broker as it was made."""
    return {
        entry.reading.device.device_id
        for entry in hub.readings
        if says_what_was_seen(entry.reading)
        and entry.reading.device.device_type is DRIVERS[entry.reading.device.device_id].device_type
    }


async def test_the_agent_reads_a_device_of_every_driver(
    radio: Radio, road: Hub, mqtt_settings: MqttSettings, tmp_path: Path
):
    folder = tmp_path / "ttys"
    settings = GatewaySettings(
        gateway_id=mqtt_settings.username,
        state_dir=tmp_path / "state",
        mqtt=mqtt_settings,
        devices=tuple(settings_of(driver, place, folder) for place, driver in enumerate(USABLE)),
    )
    keys = {driver.key for driver in USABLE}
    async with devices(radio, folder), agent(settings):
        with suppress(TimeoutError):
            await road.until(lambda hub: met(hub) == keys, seconds=SECONDS)
    assert keys - met(road) == set()
