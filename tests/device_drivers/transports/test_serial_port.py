"""Serial lines on real pseudo-terminals."""

import asyncio
import os
import socket
import tty
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from device_drivers.driver import SerialSettings
from device_drivers.errors import CommandFailed, LinkLost, PortUnavailable
from device_drivers.sessions import Bond, BytesReceived, Event, LinkEstablished, SendBytes
from device_drivers.transports.serial_port import SerialLink, open_port
from tests.support.waiting import eventually

SETTINGS = SerialSettings(baud=115200)


def clock() -> datetime:
    return datetime(2026, 11, 23, 12, tzinfo=UTC)


class Device:
    """The far end of a line, under a path that survives unplugging."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.end, self._line = -1, -1

    def plug(self) -> None:
        self.end, self._line = os.openpty()
        tty.setraw(self._line)
        self.path.symlink_to(os.ttyname(self._line))

    def unplug(self) -> None:
        if self.end >= 0:
            os.close(self.end)
            os.close(self._line)
            self.path.unlink()
            self.end = -1


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    made = Device(tmp_path / "oximeter")
    made.plug()
    yield made
    made.unplug()


async def opened(device: Device) -> SerialLink:
    return await open_port(str(device.path), SETTINGS, clock=clock)


async def received(link: SerialLink, size: int) -> bytes:
    data = b""
    async with asyncio.timeout(5):
        async for event in link.events():
            if isinstance(event, BytesReceived):
                data += event.data
            if len(data) >= size:
                break
    return data


async def to_the_end(link: SerialLink) -> list[Event]:
    async with asyncio.timeout(5):
        return [event async for event in link.events()]


async def test_bytes_come_in_order_and_go_out_whole(device: Device):
    link = await opened(device)
    os.write(device.end, b"abc")
    os.write(device.end, bytes(range(256)))
    assert await received(link, 259) == b"abc" + bytes(range(256))
    await link.perform(SendBytes(data=b"\x7d\x81\xa1"))
    assert os.read(device.end, 16) == b"\x7d\x81\xa1"
    await link.close()


async def test_an_unplugged_device_ends_the_link_and_plugged_in_again_it_is_there(device: Device):
    for _ in range(3):
        link = await opened(device)
        device.unplug()
        assert await to_the_end(link) == [LinkEstablished(at=clock())]
        with pytest.raises(LinkLost):
            await link.perform(SendBytes(data=b"x"))
        device.plug()
    link = await opened(device)
    os.write(device.end, b"back")
    assert await received(link, 4) == b"back"
    await link.close()


async def test_closing_ends_the_events_and_may_be_done_twice(device: Device):
    link = await opened(device)
    await link.close()
    await link.close()
    assert await to_the_end(link) == [LinkEstablished(at=clock())]


async def test_a_port_that_is_not_there_is_named_with_what_is_plugged_in():
    with pytest.raises(
        PortUnavailable, match=r"/dev/none: No such file or directory; plugged in: /dev/ttyUSB0 \(Contec\)"
    ):
        await open_port("/dev/none", SETTINGS, clock=clock, known_ports=lambda: [("/dev/ttyUSB0", "Contec")])


async def test_a_port_that_is_open_already_is_said_to_be(device: Device):
    link = await open_port(str(device.path), SETTINGS, clock=clock)
    with pytest.raises(PortUnavailable, match="another program has it open"):
        await open_port(str(device.path), SerialSettings(baud=9600), clock=clock)
    await link.close()


async def test_a_line_refuses_what_is_bluetooths(device: Device):
    link = await opened(device)
    with pytest.raises(CommandFailed):
        await link.perform(Bond())
    await link.close()


async def test_a_socket_that_ends_is_a_lost_link():
    with socket.create_server(("127.0.0.1", 0)) as server:
        link = await open_port(f"socket://127.0.0.1:{server.getsockname()[1]}", SETTINGS, clock=clock)
        far, _ = await asyncio.to_thread(server.accept)
        far.sendall(b"abc")
        assert await received(link, 3) == b"abc"
        far.close()
        assert await to_the_end(link) == []


async def test_a_device_that_outruns_its_reader_loses_the_link(device: Device, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("device_drivers.transports.events.EVENT_QUEUE", 4)
    link = await opened(device)

    async def lost() -> bool:
        os.write(device.end, b"x")
        try:
            await link.perform(SendBytes(data=b""))
        except LinkLost:
            return True
        return False

    await eventually(lost, seconds=5)
    assert len(await to_the_end(link)) == 4
