"""The Bluetooth half of the ward: radio, simulated BlueZ, cuffs and thermometers that measure when the recording says so, and models."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Final

from simulators.bluez.stack import SimulatedBlueZ
from simulators.devices import Ward
from simulators.errors import BluetoothFailed
from simulators.ledger import Ledger
from simulators.models.registry import MODELS
from simulators.on_air import SLEEP_SECONDS, OnAir
from simulators.peripherals.spot_check import Cuff, SpotCheck, Thermometer
from simulators.plan import CUFF, THERMOMETER, PlannedDevice, WardPlan
from simulators.radio import Radio
from simulators.recording import Charted
from simulators.replay import Replay
from simulators.sight import Sight

FIRST_SECONDS: Final = 0.5
"""So soon after the start each device says what was charted last, so that a ward does not begin empty."""
SLEEP_RECORDED_SECONDS: Final = 3600.0
"""So long in the recording a model sleeps that leaves when it has said all."""


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
            if device.model in (CUFF, THERMOMETER):
                spot_check = ward.spot_checks[device.device_id] = _spot_check(radio, device, ledger, clock)
                running.append(tasks.create_task(spot_check.run(), name=device.device_id))
                measuring = _measure_for_ever(spot_check, replays[bed.bed], clock)
                running.append(tasks.create_task(measuring, name=f"{device.device_id} measures"))
            elif device.transport == "ble":
                sight = ward.sights[device.device_id] = Sight(replays[bed.bed])
                on_air = ward.on_air[device.device_id] = _on_air(radio, device, sight, plan.speed, clock)
                running.append(tasks.create_task(on_air.run(), name=device.device_id))
    return running


def _on_air(radio: Radio, device: PlannedDevice, sight: Sight, speed: float, clock: Callable[[], datetime]) -> OnAir:
    return OnAir(
        partial(MODELS[device.model], sight),
        radio,
        address=device.address or "",
        clock=clock,
        sleep_seconds=max(SLEEP_SECONDS, SLEEP_RECORDED_SECONDS / speed),
    )


def _spot_check(radio: Radio, device: PlannedDevice, ledger: Ledger, clock: Callable[[], datetime]) -> SpotCheck:
    kind = Cuff if device.model == CUFF else Thermometer
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
