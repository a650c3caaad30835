"""What the simulated bluetoothd does for clients that come and go on the bus."""

import asyncio
import sys
from pathlib import Path

import pytest
from dbus_fast import Message
from dbus_fast.aio import MessageBus

from device_drivers import uuids
from device_drivers.transports.ble import Bluetooth
from simulators.bluez.stack import SimulatedBlueZ
from simulators.errors import LinkGone
from simulators.models.model import Property
from simulators.peripherals.gatt import CharacteristicSpec, GattPeripheral, ServiceSpec
from simulators.radio import Radio
from tests.support.waiting import eventually

ADDRESS = "C0:00:00:00:01:00"
GATEWAY = Path(__file__).with_name("leaving_gateway.py")
SECONDS = 20
INDICATE = frozenset({Property.INDICATE})


@pytest.fixture
async def cuff(radio: Radio, bluez: SimulatedBlueZ) -> GattPeripheral:
    measurement = CharacteristicSpec(uuid=uuids.BLOOD_PRESSURE_MEASUREMENT, properties=INDICATE)
    service = ServiceSpec(uuid=uuids.BLOOD_PRESSURE_SERVICE, characteristics=[measurement])
    peripheral = GattPeripheral(radio, name="BP-1", address=ADDRESS, services=[service])
    await peripheral.power_on()
    return peripheral


async def indicate_for_ever(cuff: GattPeripheral) -> None:
    while True:
        await cuff.indicate(uuids.BLOOD_PRESSURE_MEASUREMENT, bytes(7))


async def test_nothing_is_confirmed_for_a_client_that_was_killed(cuff: GattPeripheral):
    """Else a killed gateway's cuff would take for heard what nobody heard."""
    gateway = await asyncio.create_subprocess_exec(
        sys.executable, str(GATEWAY), ADDRESS, stdout=asyncio.subprocess.PIPE
    )
    assert gateway.stdout is not None
    try:
        async with asyncio.timeout(SECONDS):
            await cuff.advertise()
            assert await gateway.stdout.readline() == b"subscribed\n"
            await cuff.indicate(uuids.BLOOD_PRESSURE_MEASUREMENT, bytes(7))
    finally:
        gateway.kill()
        await gateway.wait()
    async with asyncio.timeout(SECONDS):
        with pytest.raises(LinkGone, match="nobody is subscribed"):
            await indicate_for_ever(cuff)
    await cuff.drop()


async def ask_adapter(bus: MessageBus, member: str) -> None:
    answer = await bus.call(
        Message(destination="org.bluez", path="/org/bluez/hci0", interface="org.bluez.Adapter1", member=member)
    )
    assert answer is not None


@pytest.mark.parametrize("last", ["StopDiscovery", "leaving the bus"])
async def test_whoever_stops_looking_stops_nobody_else(cuff: GattPeripheral, bus_address: str, last: str):
    """`bedside doctor` beside an agent: the agent still hears its devices."""
    async with Bluetooth() as agent, asyncio.timeout(SECONDS):
        looking = asyncio.create_task(agent.wait_for(ADDRESS))
        doctor = await MessageBus(bus_address=bus_address).connect()
        await eventually(lambda: agent._scanner is not None)
        await ask_adapter(doctor, "StartDiscovery")
        if last == "StopDiscovery":
            await ask_adapter(doctor, last)
        doctor.disconnect()
        await doctor.wait_for_disconnect()
        await cuff.advertise()
        await looking
