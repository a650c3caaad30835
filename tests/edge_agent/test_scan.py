"""What `bedside agent scan` shows."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from device_drivers import uuids
from device_drivers.advertisement import Advertisement
from device_drivers.driver import SerialSettings, Transport
from device_drivers.errors import BluetoothUnavailable, PortUnavailable
from device_drivers.oximeters.nonin_df8 import DataFrame
from device_drivers.registry import DRIVERS
from device_drivers.transports.usb_devices import usb_devices
from edge_agent.scan import SILENT, advertising, listened, plugged, serial_ports
from tests.edge_agent.links import TestLink

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
    assert port.drivers == tuple(sorted(key for key, driver in DRIVERS.items() if driver.transport is Transport.SERIAL))


async def heard_on_a_port(data: bytes, *, baud: int = 9600):
    (port,) = serial_ports([("/dev/ttyUSB0", "CP2102")])
    links: list[TestLink] = []

    async def connect(path: str, settings: SerialSettings) -> TestLink:
        links.append(TestLink())
        if settings.baud == baud:
            links[-1].gives(data)
        return links[-1]

    found = await listened(port, connect, seconds=5, sleep=soon)
    assert all(link.closed and not link.performed for link in links)
    return found


async def test_a_port_that_is_listened_to_shows_the_drivers_whose_frames_are_heard():
    found = await heard_on_a_port(b"".join(bytes(DataFrame(hr=70, spo2=spo2)) for spo2 in range(90, 98)))
    assert "nonin-df8" in found.drivers
    assert len(found.drivers) < len(serial_ports([("x", None)])[0].drivers)
    assert "8 frames of nonin-df8 (100% of all bytes)" in found.heard


async def test_a_silent_port_shows_every_driver_and_says_so():
    found = await heard_on_a_port(b"")
    assert found.heard == SILENT
    assert "contec-v7" in found.drivers


async def test_a_port_that_is_in_use_says_so():
    async def connect(path: str, settings: SerialSettings) -> TestLink:
        raise PortUnavailable("/dev/ttyUSB0: in use")

    (port,) = serial_ports([("/dev/ttyUSB0", None)])
    found = await listened(port, connect, seconds=5, sleep=soon)
    assert found.problem == "/dev/ttyUSB0: in use"


async def test_a_port_that_goes_away_while_it_is_listened_to_is_not_called_silent():
    async def connect(path: str, settings: SerialSettings) -> TestLink:
        link = TestLink()
        link.loses()
        return link

    async def long_enough(seconds: float) -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    (port,) = serial_ports([("/dev/ttyUSB0", None)])
    found = await listened(port, connect, seconds=5, sleep=long_enough)
    assert (found.problem, found.heard) == ("it went away while it was listened to", None)


def test_a_usb_device_that_a_driver_knows_is_shown(tmp_path):
    known = next((driver, usb) for driver in DRIVERS.values() for usb in driver.usb)
    for name, vendor, product in [("1-1", *str(known[1]).split(":")), ("1-2", "ffff", "0001"), ("1-0:1.0", None, None)]:
        folder = tmp_path / name
        folder.mkdir()
        if vendor:
            (folder / "idVendor").write_text(f"{vendor}\n")
            (folder / "idProduct").write_text(f"{product}\n")
            (folder / "product").write_text("A monitor\n")
    (found,) = plugged(usb_devices(tmp_path))
    assert (found.where, found.name, found.transport) == ("1-1", "A monitor", "usb-hid")
    assert known[0].key in found.drivers
    assert list(usb_devices(tmp_path / "none")) == []
