"""The Bluetooth half of the ward: radio, simulated BlueZ, cuffs and thermometers that measure when the recording says so."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from simulators.bluez.stack import SimulatedBlueZ
from simulators.devices import Ward
from simulators.ledger import Ledger
from simulators.peripherals.spot_check import Cuff, SpotCheck, Thermometer
from simulators.plan import Model, PlannedDevice, WardPlan
from simulators.radio import Radio
from simulators.recording import Charted, Replay

FIRST_SECONDS: Final = 2.0
"""So soon after the start each device measures once, so that a ward does not begin empty."""


async def start_bluetooth(
    tasks: asyncio.TaskGroup,
    plan: WardPlan,
    replays: Mapping[str, Replay],
    ward: Ward,
    ledger: Ledger,
    bus_address: str,
    clock: Callable[[], datetime],
) -> "list[asyncio.Task[None]]":
    """Start everything; the tasks that keep it going."""
    radio = Radio()
    ward.bluez = SimulatedBlueZ(radio, bus_address)
    await ward.bluez.start()
    running: list[asyncio.Task[None]] = []
    for bed in plan.beds:
        for device in bed.devices:
            if device.transport == "ble":
                spot_check = _device(radio, device, ledger, clock)
                ward.spot_checks[device.device_id] = spot_check
                running.append(tasks.create_task(spot_check.run(), name=device.device_id))
                measuring = _measure_for_ever(spot_check, replays[bed.bed], clock)
                running.append(tasks.create_task(measuring, name=f"{device.device_id} measures"))
    return running


def _device(radio: Radio, device: PlannedDevice, ledger: Ledger, clock: Callable[[], datetime]) -> SpotCheck:
    kind = Cuff if device.model is Model.CUFF else Thermometer
    return kind(radio, device_id=device.device_id, address=device.address or "", ledger=ledger, clock=clock)


async def _measure_for_ever(spot_check: SpotCheck, replay: Replay, clock: Callable[[], datetime]) -> None:
    """Measure soon after the start, and then whenever the recording has a value."""
    name = "systolic" if isinstance(spot_check, Cuff) else "temperature"
    seconds, row = replay.next_after(name, clock())
    await asyncio.sleep(min(seconds, FIRST_SECONDS))
    while True:
        _measure(spot_check, row)
        seconds, row = replay.next_after(name, clock())
        await asyncio.sleep(seconds)


def _measure(spot_check: SpotCheck, row: Charted) -> None:
    if isinstance(spot_check, Cuff) and row.systolic is not None and row.diastolic is not None:
        spot_check.measure(row.systolic, row.diastolic, mean=row.mean, pulse_rate=row.heart_rate)
    elif isinstance(spot_check, Thermometer) and row.temperature is not None:
        spot_check.measure(row.temperature)
