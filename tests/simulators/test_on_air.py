"""Models on the virtual radio, read by the drivers through bleak and a simulated BlueZ."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from random import Random

import pytest

from device_drivers import uuids
from device_drivers.cuffs import and_ble
from device_drivers.errors import CommandFailed
from device_drivers.oximeters import bci
from device_drivers.sessions import ReadValue, SubscribeTo, WriteValue
from device_drivers.thermometers import temp_sitter
from device_drivers.transports.ble import BleLink, Bluetooth
from simulators.bluez.stack import SimulatedBlueZ
from simulators.damage import Fault, spoiled
from simulators.models.and_ble import UA651BLE
from simulators.models.bci import Berry
from simulators.models.model import Body, DeviceModel, Said
from simulators.models.temp_sitter import TempSitter
from simulators.on_air import OnAir
from simulators.peripherals import gatt
from simulators.peripherals.gatt import SUPERVISION_TIMEOUT
from simulators.radio import Radio
from tests.simulators.listening import Listener, ended, numbers

ADDRESS = "C0:00:00:00:0A:01"
SECONDS = 15
SLEEP_SECONDS = 0.1


def clock() -> datetime:
    return datetime.now(UTC)


def look(at: datetime) -> Body:
    return Body()


class Earshot:
    """A radio with a device and a gateway."""

    def __init__(self, radio: Radio) -> None:
        self._radio = radio
        self.bluetooth = Bluetooth()

    @asynccontextmanager
    async def device(self, another: Callable[[], DeviceModel]) -> AsyncIterator["tuple[OnAir, asyncio.Task[None]]"]:
        device = OnAir(another, self._radio, address=ADDRESS, clock=clock, sleep_seconds=SLEEP_SECONDS)
        running = asyncio.create_task(device.run())
        try:
            yield device, running
        finally:
            await ended(running)

    @asynccontextmanager
    async def link(self) -> AsyncIterator[BleLink]:
        async with asyncio.timeout(SECONDS):
            await self.bluetooth.wait_for(ADDRESS)
            link = await self.bluetooth.connect(ADDRESS, clock=clock)
            try:
                yield link
            finally:
                await link.close()

    async def hear(self, key: str, count: int = 1) -> Listener:
        """Connect, take so many readings, and leave in the midst of the talk."""
        async with self.link() as link:
            listener = Listener(key, link)
            listening = asyncio.create_task(listener.run())
            await listener.until(lambda: len(listener.readings) >= count, seconds=SECONDS)
            await ended(listening)
        return listener


@pytest.fixture
async def earshot(radio: Radio, bluez: SimulatedBlueZ) -> AsyncIterator[Earshot]:
    earshot = Earshot(radio)
    async with earshot.bluetooth:
        yield earshot


class Talkative(Berry):
    """It has more to say at once than anybody listens to."""

    def step(self, now: datetime) -> Sequence[Said]:
        return [*super().step(now)] * 1000


async def test_a_host_that_leaves_in_mid_talk_finds_the_device_again(earshot: Earshot):
    async with earshot.device(lambda: Talkative(look)) as (_, running):
        for _ in range(2):
            listener = await earshot.hear("berry-ble")
            assert numbers(listener.readings[0])["spo2"] == 97
        assert not running.done()


@pytest.mark.slow
async def test_a_device_that_has_said_all_leaves_and_comes_back(earshot: Earshot):
    async with earshot.device(lambda: UA651BLE(look)):
        for _ in range(2):
            async with earshot.link() as link:
                listener = Listener("and-ua651ble", link)
                await listener.run()
            assert numbers(listener.readings[-1])["systolic"] == 122


async def test_a_lost_link_is_no_end(earshot: Earshot):
    async with earshot.device(lambda: TempSitter(look)) as (device, running):
        async with earshot.link() as link:
            listener = Listener("temp-sitter", link)
            listening = asyncio.create_task(listener.run())
            await listener.until(lambda: listener.readings)
            await device.lose_link(SUPERVISION_TIMEOUT)
            await listening
        await earshot.hear("temp-sitter")
        assert not running.done()


async def test_a_host_may_take_its_time_to_subscribe(earshot: Earshot, monkeypatch: pytest.MonkeyPatch):
    """Longer than a device waits for a confirmation: some hosts pair and read first."""
    monkeypatch.setattr(gatt, "CONFIRM_SECONDS", 0.001)  # finding services alone takes longer
    async with earshot.device(lambda: TempSitter(look)), earshot.link() as link:
        monkeypatch.undo()
        await link.perform(SubscribeTo(characteristic=temp_sitter.NOTIFY))
        listener = Listener("temp-sitter", link)
        listening = asyncio.create_task(listener.run())
        await listener.until(lambda: listener.readings)
        await ended(listening)


@pytest.mark.slow
async def test_damage_is_refused_and_the_next_is_read(earshot: Earshot):
    async with earshot.device(lambda: TempSitter(look)) as (device, _), earshot.link() as link:
        device.spoil_next(lambda data: spoiled(data, Fault.TRUNCATED, Random(1)))
        listener = Listener("temp-sitter", link)
        listening = asyncio.create_task(listener.run())
        await listener.until(lambda: listener.refused and listener.readings)
        await ended(listening)


class Broken(Berry):
    """It can't be written to."""

    def received(self, now: datetime, data: bytes, characteristic: str | None = None) -> Sequence[Said]:
        raise ArithmeticError("no command")


class BrokenAtOnce(Berry):
    """It can't say anything."""

    def step(self, now: datetime) -> Sequence[Said]:
        raise ArithmeticError("nothing to say")


async def test_what_a_model_raises_when_it_is_written_to_ends_it(earshot: Earshot):
    async with earshot.device(lambda: Broken(look)) as (_, running):
        async with earshot.link() as link:
            writing = asyncio.create_task(
                link.perform(WriteValue(characteristic=bci.BERRY_WRITE, data=b"\xf0"))  # nobody answers
            )
            with pytest.raises(ExceptionGroup) as failure:
                await running
            await ended(writing)
        assert failure.value.subgroup(ArithmeticError)


async def test_what_a_model_raises_when_it_speaks_ends_it(earshot: Earshot):
    async with earshot.device(lambda: BrokenAtOnce(look)) as (_, running), earshot.link():
        with pytest.raises(ExceptionGroup) as failure:
            await running
        assert failure.value.subgroup(ArithmeticError)


async def test_what_can_not_be_read_is_refused_and_ends_nothing(earshot: Earshot):
    """A&D's characteristic of commands has the property READ, and gives nothing."""
    async with earshot.device(lambda: UA651BLE(look)) as (_, running), earshot.link() as link:
        with pytest.raises(CommandFailed):
            await link.perform(ReadValue(characteristic=and_ble.COMMANDS))
        await link.perform(ReadValue(characteristic=uuids.BATTERY_LEVEL))
        assert not running.done()
