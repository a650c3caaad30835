"""A virtual radio behind a simulated BlueZ, on a bus of the test's own making."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from bleak.backends.bluezdbus import manager

from bedside.services.dbus import DBus
from simulators.bluez.stack import SimulatedBlueZ
from simulators.radio import Radio

LOOP_TURNS = 20


@pytest.fixture
def bus_address(message_bus: DBus, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a bus, which bleak uses too."""
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", message_bus.address)
    return message_bus.address


@pytest.fixture
async def radio() -> Radio:
    return Radio()


@pytest.fixture
async def bluez(radio: Radio, bus_address: str) -> AsyncIterator[SimulatedBlueZ]:
    bluez = SimulatedBlueZ(radio, bus_address)
    await bluez.start()
    yield bluez
    await bluez.stop()
    await sockets_closed()


async def sockets_closed() -> None:
    """Let dbus_fast close what was disconnected: it does so when its reader next runs, and bleak keeps a bus for as long as the loop."""
    bleaks = manager._global_instances.get(asyncio.get_running_loop())
    if bleaks is not None and bleaks._bus is not None:
        bleaks._bus.disconnect()
    for _ in range(LOOP_TURNS):
        await asyncio.sleep(0)
