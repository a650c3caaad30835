"""What `bedside agent scan` shows."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from device_drivers import uuids
from device_drivers.errors import BluetoothUnavailable
from device_drivers.transports.link import Advertisement
from edge_agent.scan import advertising, serial_ports

CUFF = "C0:26:DA:00:12:34"
UNKNOWN = "C0:26:DA:00:00:01"


async def heard(*advertisements: Advertisement) -> AsyncIterator[Advertisement]:
    for advertisement in advertisements:
        yield advertisement
    await asyncio.Event().wait()


def said(address: str, name: str | None = None, *services: str, rssi: int = -50) -> Advertisement:
    return Advertisement(address=address, name=name, services=frozenset(services), rssi=rssi)


async def soon(seconds: float) -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_each_device_is_shown_once_those_with_a_driver_first():
    found = await advertising(
        heard(said(UNKNOWN, rssi=-20), said(CUFF, "Cuff"), said(CUFF, None, uuids.BLOOD_PRESSURE_SERVICE)),
        seconds=5,
        sleep=soon,
    )
    assert [(one.where, one.name, one.drivers) for one in found] == [
        (CUFF, "Cuff", ("sig-blood-pressure",)),
        (UNKNOWN, None, ()),
    ]


async def test_bluetooth_that_is_not_there_is_an_error_and_no_empty_list():
    async def broken() -> AsyncIterator[Advertisement]:
        raise BluetoothUnavailable("no adapter")
        yield

    with pytest.raises(BluetoothUnavailable):
        await advertising(broken(), seconds=5, sleep=soon)


def test_a_serial_port_shows_every_serial_driver():
    (port,) = serial_ports([("/dev/ttyUSB0", "CP2102")])
    assert (port.where, port.name) == ("/dev/ttyUSB0", "CP2102")
    assert port.drivers == ("contec-v7", "nonin-df2", "nonin-df8")
