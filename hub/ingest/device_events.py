"""What a gateway says of a device or of itself, in a transaction: links, status, faults; a gateway that is gone takes its devices along.

Links and faults are announced at once; status is kept with the device, and announced when it is due (`device_status`).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import select, update

from hub.ingest.device_status import change_status, change_statuses_of, here
from hub.ingest.newest import Place
from hub.ingest.transaction import Transaction
from hub.record.places import DevicePlace
from hub.record.publications import device_key
from hub.record.schema import devices, gateways
from vitals.envelope import Batch, DeviceEvent, DeviceEventKind, GatewayState, OutboxStarted, RejectionReason
from vitals.events import DeviceAlert, DeviceLink, EventName, Severity
from vitals.identifiers import GatewayId
from vitals.parameters import LATE_SPOT_SECONDS

Row = Mapping[Any, Any]

_LATE: Final = timedelta(seconds=LATE_SPOT_SECONDS)
_LINK_EVENTS: Final = {
    DeviceEventKind.CONNECTED: EventName.DEVICE_CONNECTED,
    DeviceEventKind.DISCONNECTED: EventName.DEVICE_DISCONNECTED,
}


async def take_device_event(
    transaction: Transaction, batch: Batch, sequence: int, event: DeviceEvent
) -> RejectionReason | None:
    """Keep and announce it; what was overtaken on its way is announced as late, and changes nothing."""
    place = transaction.memory.placement.device(event.device)
    if place is None:
        return RejectionReason.UNKNOWN_DEVICE
    if place.gateway_id not in (None, batch.gateway):
        return RejectionReason.OTHER_GATEWAY
    place = _held(transaction, place, event.at)
    if event.kind is DeviceEventKind.FAULT:
        _announce_fault(transaction, place, event, late=batch.sent - event.at > _LATE)
        return None
    row = (await transaction.connection.execute(select(devices).where(*here(event.device)))).mappings().one()
    newest = transaction.memory.newest.takes(
        event.device,
        event.at,
        now=transaction.now,
        place=Place(epoch=batch.epoch, sequence=sequence),
        recorded=row["status_since"],
    )
    if link := _LINK_EVENTS.get(event.kind):
        _announce_link(transaction, place, link, batch.gateway, event.reason, late=not newest)
    if newest:
        await _keep_status(transaction, place, row, event)
    return None


async def take_start(transaction: Transaction, batch: Batch, start: OutboxStarted) -> None:
    """A new life of an agent: no device is connected to it yet, whatever the one before said last."""
    started = Place(epoch=batch.epoch, sequence=start.sequence)
    for row in await _rows_of(transaction, batch.gateway):
        newest = transaction.memory.newest.takes(
            device_key(row), start.at, now=transaction.now, place=started, recorded=row["status_since"]
        )
        if row["status"] != "online" or not newest:
            continue
        place = _place(transaction, row)
        _announce_link(transaction, place, EventName.DEVICE_DISCONNECTED, batch.gateway, "agent_restarted")
        await change_status(transaction, place.device, start.at, status="offline")


async def take_state(transaction: Transaction, gateway_id: GatewayId, state: GatewayState) -> None:
    """A gateway is there, or gone; a state of a lower session than one known is void: a late Will kills no newer session."""
    found = await transaction.connection.execute(select(gateways).where(gateways.c.gateway_id == gateway_id))
    known = found.mappings().one()
    if state.session < known["session"] or (state.session, state.online) == (known["session"], known["online"]):
        return
    await transaction.connection.execute(
        update(gateways).where(gateways.c.gateway_id == gateway_id).values(session=state.session, online=state.online)
    )
    if state.online is known["online"]:
        return
    await change_statuses_of(transaction, gateway_id)


async def _keep_status(transaction: Transaction, place: DevicePlace, row: Row, event: DeviceEvent) -> None:
    """Keep what the device says of itself, to be announced where it has changed."""
    changed: dict[str, Any] = {"status": event.status or _implied(event, row["status"])}
    if event.battery_percent is not None:
        changed["battery_percent"] = event.battery_percent
    if event.kind is DeviceEventKind.STATUS:
        changed["faults"] = msgspec.json.encode(event.faults).decode()
    if any(row[name] != value for name, value in changed.items()):
        await change_status(transaction, place.device, event.at, **changed)


def _implied(event: DeviceEvent, status: str) -> str:
    """The status that an event without one means."""
    match event.kind:
        case DeviceEventKind.CONNECTED:
            return "online"
        case DeviceEventKind.DISCONNECTED:
            return "offline"
        case _:
            return status


def _announce_link(
    transaction: Transaction,
    place: DevicePlace,
    link: EventName,
    gateway_id: GatewayId,
    reason: str | None,
    *,
    late: bool = False,
) -> None:
    data = DeviceLink(
        device_type=place.device.device_type,
        device_id=place.device.device_id,
        gateway_id=gateway_id,
        reason=reason or msgspec.UNSET,
    )
    transaction.announce(link, data, place.scope, late=late)


def _announce_fault(transaction: Transaction, place: DevicePlace, event: DeviceEvent, *, late: bool) -> None:
    """What a device sent was refused, or it does not answer: a technical alarm."""
    reason = event.reason or "the device does not work as it should"
    data = DeviceAlert(
        device_type=event.device.device_type,
        device_id=event.device.device_id,
        alert_type="device_fault",
        severity=Severity.INFO,
        message=f"{event.device.device_id}: {reason}"[:500],
        data={"faults": list(event.faults)},
        episode_id=transaction.new_id(),
        kind="technical",
        repeat=1,
        timestamp=event.at,
        patient_id=place.patient.patient_id if place.patient else msgspec.UNSET,
    )
    transaction.announce(EventName.DEVICE_ALERT, data, place.scope, late=late)


async def _rows_of(transaction: Transaction, gateway_id: GatewayId) -> list[Row]:
    """The gateway's devices."""
    found = await transaction.connection.execute(
        select(devices).where(devices.c.gateway_id == gateway_id).order_by(devices.c.device_type, devices.c.device_id)
    )
    return [dict(row) for row in found.mappings()]


def _place(transaction: Transaction, row: Row) -> DevicePlace:
    place = DevicePlace(device=device_key(row), hospital_id=row["hospital_id"], gateway_id=row["gateway_id"])
    return _held(transaction, place, transaction.now)


def _held(transaction: Transaction, place: DevicePlace, at: datetime) -> DevicePlace:
    """With the patient who held the device at that time."""
    return msgspec.structs.replace(place, patient=transaction.memory.placement.patient_at(place.device, at))
