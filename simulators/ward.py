"""The simulated ward: every planned device, on one virtual radio and on serial lines, in one process and one task group.

Where there is no message bus for the simulated BlueZ only the serial half runs.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from simulators.control import follow_orders, serve_control
from simulators.devices import Ward
from simulators.ending import end
from simulators.ledger import Ledger
from simulators.models.model import STEPS_PER_SECOND
from simulators.models.registry import MODELS
from simulators.noted_line import NOTED, NotedLine
from simulators.on_line import OnLine
from simulators.places import CONTROL, LEDGER, tty_path
from simulators.plan import PlannedDevice, WardPlan
from simulators.recording import load
from simulators.replay import Replay
from simulators.serial_line import SerialLine
from simulators.sight import Sight

log = logging.getLogger(__name__)


async def run(
    plan: WardPlan,
    *,
    state: Path,
    bus_address: str | None,
    stop: asyncio.Event,
    ready: Callable[[], None],
    started: datetime,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> None:
    """Run until `stop`. `started` is when every replay stood at its bed's position; `ready` is called when all devices are there.

    `state` is a folder that exists. Without `bus_address` only the serial half runs. Raises InvalidRecording, BluetoothFailed.
    """
    ledger = Ledger(state / LEDGER)
    replays = {
        bed.bed: Replay(
            recording=load(bed.stay), started=started, speed=plan.speed, position_seconds=bed.position_seconds
        )
        for bed in plan.beds
    }
    ward = Ward(random=Random(plan.seed))  # noqa: S311 - faults, not secrets
    try:
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(_say_passes(bed.bed, replays[bed.bed], clock), name=f"replay of {bed.bed}")
                for bed in plan.beds
            ]
            for bed in plan.beds:
                for device in bed.devices:
                    if device.transport == "serial":
                        sight = ward.sights[device.device_id] = Sight(replays[bed.bed])
                        ward.lines[device.device_id] = _on_line(state, device, sight, ledger, clock)
            running.append(tasks.create_task(_step_for_ever(ward, clock), name="serial lines"))
            if bus_address is not None:
                from simulators.bluetooth import start_bluetooth  # noqa: PLC0415 - where D-Bus can't run it can't be imported

                running += await start_bluetooth(tasks, plan, replays, ward, ledger, bus_address, clock)
            running.append(tasks.create_task(serve_control(state / CONTROL, ward), name="control"))
            running += [tasks.create_task(follow_orders(ward, planned), name="orders") for planned in plan.orders]
            try:
                ready()
                await stop.wait()
            finally:
                await end(running)
    finally:
        for on_line in ward.lines.values():
            on_line.line.unplug()
        if ward.bluez is not None:
            await ward.bluez.stop()
        ledger.close()


def _on_line(state: Path, device: PlannedDevice, sight: Sight, ledger: Ledger, clock: Callable[[], datetime]) -> OnLine:
    line = SerialLine(tty_path(state, device.device_id))
    line.plug()
    model = MODELS[device.model](sight)
    if device.model == NOTED:
        return NotedLine(model, line, clock, device_id=device.device_id, ledger=ledger)
    return OnLine(model, line, clock)


async def _say_passes(bed: str, replay: Replay, clock: Callable[[], datetime]) -> None:
    """Say when a recording has come to its end and begins again."""
    stay = replay.recording.stay
    place = replay.place(clock())
    while True:
        place = replay.next_pass(place)
        await asyncio.sleep(max(0.0, replay.seconds_until(place, clock())))
        log.info("bed %s: the recording %s has ended and begins again", bed, stay)


async def _step_for_ever(ward: Ward, clock: Callable[[], datetime]) -> None:
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        now = clock()
        for on_line in ward.lines.values():
            on_line.step(now)
        due = max(due + 1 / STEPS_PER_SECOND, loop.time() - 1)
        await asyncio.sleep(max(0.0, due - loop.time()))
