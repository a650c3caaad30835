"""The Bluetooth half of the ward: radio, simulated BlueZ, cuffs and thermometers that measure when the recording says so."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from simulators.bluez.stack import SimulatedBlueZ
from simulators.devices import Ward
from simulators.errors import BluetoothFailed
from simulators.ledger import Ledger
from simulators.peripherals.spot_check import Cuff, SpotCheck, Thermometer
from simulators.plan import Model, PlannedDevice, WardPlan
from simulators.radio import Radio
from simulators.recording import Charted
from simulators.replay import Replay

FIRST_SECONDS: Final = 0.5
"""So soon after the start each device says what was charted last, so that a ward does not begin empty."""


async def start_bluetooth(
    tasks: asyncio.TaskGroup,
    plan: WardPlan,
    replays: Mapping[str, Replay],
    ward: Ward,
    ledger: Ledger,
    bus_address: str,
    clock: Callable[[], datetime],
) -> "list[asyncio.Task[None]]":
    """Start everything; the tasks that keep it going. Raises BluetoothFailed where there is no bus."""
    radio = Radio()
    ward.bluez = SimulatedBlueZ(radio, bus_address)
    try:
        await ward.bluez.start()
    except OSError as error:
        raise BluetoothFailed(f"no message bus answers at {bus_address}: {error}") from error
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
    """Say the last value soon after the start, and then measure whenever the recording has one; what was slept over is left out."""
    name = "systolic" if isinstance(spot_check, Cuff) else "temperature"
    place = replay.place(clock())
    if charted := replay.last_charted(name, place):
        await asyncio.sleep(FIRST_SECONDS)
        _measure(spot_check, charted)
    while True:
        place, row = replay.next_after(name, place)
        await asyncio.sleep(max(0.0, replay.seconds_until(place, clock())))
        while (following := replay.next_after(name, place))[0] <= replay.place(clock()):
            place, row = following
        _measure(spot_check, row)


def _measure(spot_check: SpotCheck, row: Charted) -> None:
    if isinstance(spot_check, Cuff) and row.systolic is not None and row.diastolic is not None:
        spot_check.measure(row.systolic, row.diastolic, mean=row.mean, pulse_rate=row.heart_rate)
    elif isinstance(spot_check, Thermometer) and row.temperature is not None:
        spot_check.measure(row.temperature)
