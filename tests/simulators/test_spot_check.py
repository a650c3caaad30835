"""A simulated cuff and thermometer, read by bleak, the drivers and the transport that the agent uses."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest

from device_drivers.sessions import LinkEstablished
from device_drivers.sig.blood_pressure import Status
from device_drivers.transports.ble import BleLink, Bluetooth
from simulators.bluez.stack import SimulatedBlueZ
from simulators.damage import Fault
from simulators.ledger import Ledger, Recorded, compare, read
from simulators.peripherals.gatt import SUPERVISION_TIMEOUT
from simulators.peripherals.spot_check import Cuff, Thermometer
from simulators.radio import Radio
from tests.simulators.listening import Listener, ended, numbers, reasons
from vitals.readings import Quality

CUFF, THERMOMETER = "C0:00:00:00:01:00", "C0:00:00:00:02:00"
SECONDS = 10
QUIET_SECONDS = 0.5  # five times the interval at which a device that is awake advertises


def clock() -> datetime:
    return datetime.now(UTC)


class Bedside:
    """The devices of a bed, their ledger, and a gateway that takes what they send."""

    def __init__(self, radio: Radio, folder: Path) -> None:
        self.ledger_path = folder / "ledger.jsonl"
        self.ledger = Ledger(self.ledger_path)
        self.cuff = Cuff(radio, device_id="BP-1", address=CUFF, ledger=self.ledger, clock=clock)
        self.thermometer = Thermometer(radio, device_id="TH-1", address=THERMOMETER, ledger=self.ledger, clock=clock)
        self.bluetooth = Bluetooth()

    async def link(self, address: str) -> BleLink:
        async with asyncio.timeout(SECONDS):
            await self.bluetooth.wait_for(address)
            return await self.bluetooth.connect(address, clock=clock)

    async def take(self, address: str) -> Listener:
        """One connection, until the device ends it."""
        cuff = address == CUFF
        link = await self.link(address)
        key, device_id = ("sig-blood-pressure", "BP-1") if cuff else ("sig-health-thermometer", "TH-1")
        listener = Listener(key, link, device_id=device_id)
        try:
            async with asyncio.timeout(SECONDS):
                await listener.run()
        finally:
            await link.close()
        return listener


@pytest.fixture
async def bedside(radio: Radio, bluez: SimulatedBlueZ, tmp_path: Path) -> AsyncIterator[Bedside]:
    bedside = Bedside(radio, tmp_path)
    tasks = [asyncio.create_task(device.run()) for device in (bedside.cuff, bedside.thermometer)]
    async with bedside.bluetooth:
        yield bedside
    for task in tasks:
        await ended(task)
    bedside.ledger.close()


async def test_a_cuff_wakes_and_is_read(bedside: Bedside):
    bedside.cuff.measure(150, 95, mean=113, pulse_rate=80, user_id=2)
    listener = await bedside.take(CUFF)
    (reading,) = listener.readings
    assert numbers(reading) == {"systolic": 150, "diastolic": 95, "mean": 113, "pulse_rate": 80}
    assert reading.user == 2
    assert not reading.stored
    assert all(value.quality is Quality.VALID for value in reading.values)


async def test_a_thermometer_wakes_and_is_read(bedside: Bedside):
    bedside.thermometer.measure(Decimal("38.4"))
    listener = await bedside.take(THERMOMETER)
    assert [numbers(reading) for reading in listener.readings] == [{"temperature": 38.4}]


async def test_an_irregular_pulse_is_said(bedside: Bedside):
    bedside.cuff.measure(120, 80, status=Status.IRREGULAR_PULSE | Status.BODY_MOVEMENT)
    (reading,) = (await bedside.take(CUFF)).readings
    assert reasons(reading) >= {"irregular_pulse", "motion"}


async def test_a_failed_measurement_has_no_numbers(bedside: Bedside):
    bedside.cuff.fail()
    (reading,) = (await bedside.take(CUFF)).readings
    assert numbers(reading) == {}
    assert "measurement_failed" in reasons(reading)


@pytest.mark.parametrize("fault", [Fault.TRUNCATED, Fault.OVERSIZED])
async def test_damaged_indications_are_refused_and_the_next_is_read(bedside: Bedside, fault: Fault):
    bedside.cuff.measure(150, 95, mean=113)
    bedside.cuff.spoil(fault, Random(1))
    bedside.cuff.measure(151, 96, mean=114)
    listener = await bedside.take(CUFF)
    assert [numbers(reading)["systolic"] for reading in listener.readings] == [150, 151]
    assert len(listener.refused) == 1


async def test_a_device_sleeps_when_all_is_confirmed(bedside: Bedside):
    bedside.cuff.measure(120, 80)
    await bedside.take(CUFF)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(bedside.bluetooth.wait_for(CUFF), QUIET_SECONDS)


async def unconfirmed(bedside: Bedside) -> None:
    """A gateway that connects, lets the cuff wait for its subscription, and loses it."""
    link = await bedside.link(CUFF)
    await bedside.cuff.lose_link(SUPERVISION_TIMEOUT)
    async with asyncio.timeout(SECONDS):
        assert [type(event) async for event in link.events()] == [LinkEstablished]
    await link.close()


async def test_what_was_never_confirmed_is_sent_again_oldest_first(bedside: Bedside):
    bedside.cuff.measure(150, 95)
    await unconfirmed(bedside)
    bedside.cuff.measure(151, 96)
    assert read(bedside.ledger_path)[1] == {}
    listener = await bedside.take(CUFF)
    assert [numbers(reading)["systolic"] for reading in listener.readings] == [150, 151]
    assert sorted(read(bedside.ledger_path)[1]) == [1, 2]


async def test_what_is_sent_again_carries_the_time_of_its_measurement(bedside: Bedside):
    before = clock().replace(tzinfo=None, microsecond=0)
    bedside.cuff.measure(150, 95)
    after = clock().replace(tzinfo=None)
    await unconfirmed(bedside)
    (reading,) = (await bedside.take(CUFF)).readings
    assert reading.device_time is not None
    assert before <= reading.device_time <= after


async def test_the_clock_is_read_and_then_set(bedside: Bedside):
    bedside.cuff._clock_error = timedelta(days=-400)
    bedside.cuff.measure(150, 95)
    (reading,) = (await bedside.take(CUFF)).readings
    assert abs(bedside.cuff.now - clock()) < timedelta(seconds=2)
    assert reading.device_time is not None
    assert reading.device_time < (clock() - timedelta(days=399)).replace(tzinfo=None)


async def test_the_battery_is_said(bedside: Bedside):
    bedside.cuff.measure(150, 95)
    listener = await bedside.take(CUFF)
    assert 88 in {getattr(said, "battery_percent", None) for said in listener.said}


async def test_both_devices_of_a_bed_are_read_at_once(bedside: Bedside):
    bedside.cuff.measure(150, 95)
    bedside.thermometer.measure(Decimal("36.9"))
    taken = await asyncio.gather(bedside.take(CUFF), bedside.take(THERMOMETER))
    assert [len(listener.readings) for listener in taken] == [1, 1]


async def test_the_ledger_agrees_with_what_the_driver_read(bedside: Bedside):
    bedside.cuff.measure(150, 95, mean=113, pulse_rate=80)
    bedside.cuff.fail()
    bedside.cuff.measure(150, 95, mean=113, pulse_rate=80)
    readings = (await bedside.take(CUFF)).readings
    bedside.cuff.measure(90, 60)
    rows = [Recorded(device_id="BP-1", measured=reading.measured, numbers=numbers(reading)) for reading in readings]
    verdict = compare(*read(bedside.ledger_path), rows)
    assert (verdict.delivered, verdict.duplicates, verdict.lost, verdict.unheard) == (3, (), (), 1)
