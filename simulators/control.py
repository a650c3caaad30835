"""A socket in the state folder on which testers tell the ward what happens: a line of JSON in, a line of JSON out.

    {"do": "measure", "device_id": "BP-101", "systolic": 150, "diastolic": 95, "pulse_rate": 80}     also mean, status, user_id
    {"do": "measure", "device_id": "TH-101", "temperature": 38.4}
    {"do": "see", "device_id": "OX-101", "spo2": 84, "pulse_rate": 120}     and any other number of `simulators.sight.Seen`, null for nothing;
                                                                            what is not said is the recording's
    {"do": "finger_off" | "finger_on", "device_id": "OX-101"}
    {"do": "bytes", "device_id": …, "hex": "ff00…"}                         say just this, whatever it means; not for models on the radio
    {"do": "spoil", "device_id": …, "fault": "garbage"}                     or truncated, oversized, mid_frame: damage what is said next
    {"do": "fail", "device_id": "BP-101"}                                   a measurement that failed
    {"do": "unplug" | "plug", "device_id": "OX-101"}
    {"do": "lose_link", "device_id": "BP-101"}
    {"do": "bluetoothd_dies" | "bluetoothd_returns"}

`measure` and `fail` are for the cuffs and thermometers that keep and note what they measure, `see` and the finger for all others.

The answer is {"ok": true} or {"ok": false, "error": …}.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from device_drivers.sig.blood_pressure import Status
from simulators.damage import Fault, spoiled
from simulators.devices import Ward
from simulators.errors import SimulatorError
from simulators.peripherals.gatt import SUPERVISION_TIMEOUT
from simulators.peripherals.spot_check import Cuff, SpotCheck, Thermometer
from simulators.plan import PlannedOrder
from simulators.serial_line import SerialLine
from simulators.sight import NO_FINGER, THE_RECORDING, Seen, Sight

if TYPE_CHECKING:
    from simulators.bluez.stack import SimulatedBlueZ
    from simulators.on_air import OnAir

log = logging.getLogger(__name__)

Order = dict[str, Any]


class OrderRefused(SimulatorError):
    """The ward can't do that; the message says why."""


async def serve_control(path: Path, ward: Ward) -> None:
    """Serve until cancelled."""
    await asyncio.to_thread(path.unlink, missing_ok=True)

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(msgspec.json.encode(await _answer(ward, line)) + b"\n")
            await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(converse, path)
    async with server:
        await server.serve_forever()


async def order(path: Path, **order: object) -> None:
    """Tell the ward at `path` to do something. Raises OrderRefused."""
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        writer.write(msgspec.json.encode(order) + b"\n")
        answer = msgspec.json.decode(await reader.readline())
    finally:
        writer.close()
        await writer.wait_closed()
    if not answer["ok"]:
        raise OrderRefused(answer["error"])


async def follow_orders(ward: Ward, planned: PlannedOrder) -> None:
    """Carry out what the plan says, when it says so; what can't be done (Bluetooth is away) is logged."""
    seconds: float | None = planned.after_seconds
    while seconds is not None:
        await asyncio.sleep(seconds)
        answer = await _answer(ward, msgspec.json.encode(planned.order))
        if not answer["ok"]:
            log.warning("the plan's %s: %s", planned.order.get("do"), answer["error"])
        seconds = planned.every_seconds


async def _answer(ward: Ward, line: bytes) -> dict[str, object]:
    try:
        asked = msgspec.json.decode(line, type=Order)
        await _action(asked)(ward, asked)
    except KeyError as error:
        return {"ok": False, "error": f"{error.args[0]}: is missing"}
    except (msgspec.MsgspecError, SimulatorError, ValueError, TypeError, ArithmeticError) as error:
        return {"ok": False, "error": str(error) or type(error).__name__}
    return {"ok": True}


def _action(asked: Order) -> "Callable[[Ward, Order], Awaitable[None]]":
    action = _ACTIONS.get(asked.get("do", ""))
    if action is None:
        raise OrderRefused(f"do: must be one of {', '.join(_ACTIONS)}")
    return action


async def _measure(ward: Ward, asked: Order) -> None:
    match _spot_check(ward, asked):
        case Cuff() as cuff:
            cuff.measure(
                asked["systolic"],
                asked["diastolic"],
                mean=asked.get("mean"),
                pulse_rate=asked.get("pulse_rate"),
                status=Status(asked.get("status", 0)),
                user_id=asked.get("user_id"),
            )
        case Thermometer() as thermometer:
            thermometer.measure(Decimal(str(asked["temperature"])))


async def _fail(ward: Ward, asked: Order) -> None:
    match _spot_check(ward, asked):
        case Cuff() as cuff:
            cuff.fail()
        case _:
            raise OrderRefused("only a cuff can fail a measurement")


async def _bytes(ward: Ward, asked: Order) -> None:
    data = bytes.fromhex(asked["hex"])
    if asked["device_id"] in ward.lines:
        _line(ward, asked).write(data)
    else:
        _spot_check(ward, asked).keep(data, None)


async def _see(ward: Ward, asked: Order) -> None:
    numbers = {name: number for name, number in asked.items() if name not in ("do", "device_id")}
    _sight(ward, asked).force(msgspec.convert(numbers, Seen))


async def _finger_off(ward: Ward, asked: Order) -> None:
    _sight(ward, asked).force(NO_FINGER)


async def _finger_on(ward: Ward, asked: Order) -> None:
    _sight(ward, asked).force(THE_RECORDING)


async def _spoil(ward: Ward, asked: Order) -> None:
    fault = Fault(asked["fault"])
    if speaker := ward.on_air.get(asked["device_id"]) or ward.lines.get(asked["device_id"]):
        speaker.spoil_next(lambda data: spoiled(data, fault, ward.random))
    else:
        _spot_check(ward, asked).spoil(fault, ward.random)


async def _plug(ward: Ward, asked: Order) -> None:
    _line(ward, asked).plug()


async def _unplug(ward: Ward, asked: Order) -> None:
    _line(ward, asked).unplug()


async def _lose_link(ward: Ward, asked: Order) -> None:
    device: SpotCheck | OnAir = ward.on_air.get(asked["device_id"]) or _spot_check(ward, asked)
    await device.lose_link(SUPERVISION_TIMEOUT)


async def _bluetoothd_dies(ward: Ward, asked: Order) -> None:
    await _bluez(ward).die()


async def _bluetoothd_returns(ward: Ward, asked: Order) -> None:
    await _bluez(ward).revive()


_ACTIONS: Final[dict[str, Callable[[Ward, Order], Awaitable[None]]]] = {
    "measure": _measure,
    "fail": _fail,
    "bytes": _bytes,
    "see": _see,
    "finger_off": _finger_off,
    "finger_on": _finger_on,
    "spoil": _spoil,
    "plug": _plug,
    "unplug": _unplug,
    "lose_link": _lose_link,
    "bluetoothd_dies": _bluetoothd_dies,
    "bluetoothd_returns": _bluetoothd_returns,
}


def _bluez(ward: Ward) -> "SimulatedBlueZ":
    if ward.bluez is None:
        raise OrderRefused("this ward runs without Bluetooth")
    return ward.bluez


def _spot_check(ward: Ward, asked: Order) -> SpotCheck:
    found = ward.spot_checks.get(asked["device_id"])
    if found is None:
        raise OrderRefused(f"device_id: there are {', '.join(ward.spot_checks) or 'none over Bluetooth'} for this")
    return found


def _line(ward: Ward, asked: Order) -> SerialLine:
    found = ward.lines.get(asked["device_id"])
    if found is None:
        raise OrderRefused(f"device_id: there are {', '.join(ward.lines) or 'none on a line'} for this")
    return found.line


def _sight(ward: Ward, asked: Order) -> Sight:
    found = ward.sights.get(asked["device_id"])
    if found is None:
        raise OrderRefused(f"device_id: there are {', '.join(ward.sights) or 'none'} for this")
    return found
