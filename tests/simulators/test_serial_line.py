"""Simulated serial lines, on real pseudo-terminals."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from device_drivers.driver import SerialSettings
from device_drivers.errors import PortUnavailable
from device_drivers.sessions import BytesReceived, LinkEstablished, SendBytes
from device_drivers.transports.serial_port import SerialLink, open_port
from simulators.serial_line import SerialLine
from tests.support.waiting import eventually

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
SETTINGS = SerialSettings(baud=9600)
EVERY_BYTE = bytes(range(256))


@pytest.fixture
def line(tmp_path: Path) -> Iterator[SerialLine]:
    line = SerialLine(tmp_path / "tty" / "OX-101")
    line.plug()
    yield line
    line.unplug()


async def opened(line: SerialLine) -> SerialLink:
    return await open_port(str(line.path), SETTINGS, clock=lambda: NOON)


async def received(link: SerialLink, size: int) -> bytes:
    data = b""
    async for event in link.events():
        if isinstance(event, BytesReceived):
            data += event.data
        if len(data) >= size:
            return data
    return data


async def test_bytes_go_raw_both_ways(line: SerialLine):
    heard = bytearray()
    line.received = heard.extend
    link = await opened(line)
    assert line.write(EVERY_BYTE)
    assert await received(link, 256) == EVERY_BYTE
    await link.perform(SendBytes(data=EVERY_BYTE))

    def all_heard() -> bool:
        line.read()
        return len(heard) == 256

    await eventually(all_heard)
    assert bytes(heard) == EVERY_BYTE
    await link.close()


async def test_what_is_said_to_nobody_is_gone(line: SerialLine):
    assert not line.listened_to
    assert not line.write(b"before")
    link = await opened(line)
    assert line.listened_to
    assert line.write(b"after")
    assert await received(link, 5) == b"after"
    await link.close()
    await eventually(lambda: not line.listened_to)
    assert not line.write(b"gone")


async def test_a_reader_that_never_reads_blocks_nobody(line: SerialLine):
    reader = os.open(line.path, os.O_RDWR | os.O_NOCTTY)
    outcomes = [line.write(bytes(4096)) for _ in range(64)]
    os.close(reader)
    assert outcomes[0]
    assert not outcomes[-1]


async def test_unplugging_ends_the_link_and_the_path_comes_back(line: SerialLine):
    link = await opened(line)
    line.unplug()
    assert [type(event) async for event in link.events()] == [LinkEstablished]
    with pytest.raises(PortUnavailable):
        await opened(line)
    line.plug()
    again = await opened(line)
    line.write(b"back")
    assert await received(again, 4) == b"back"
    await again.close()


async def test_a_fault_damages_one_write_only(line: SerialLine):
    link = await opened(line)
    line.spoil_next(lambda data: data[:2])
    assert not line.write(b"abcd")
    assert line.write(b"efgh")
    assert await received(link, 6) == b"abefgh"
    await link.close()


def test_plugging_twice_is_plugging_once(line: SerialLine):
    target = line.path.readlink()
    line.plug()
    assert line.path.readlink() == target
    line.unplug()
    line.unplug()
    assert not line.plugged
