"""What a gateway's entries do in a transaction: readings, device events, the start of an outbox epoch, tombstones.

Each entry is decided by itself: committed, or rejected with a reason that is stored (delivery rules 9 and 10).
"""

import msgspec
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.ingest.counters import Counters
from hub.ingest.transaction import Transaction
from hub.record.fates import Fates
from hub.record.places import DevicePlace
from hub.record.schema import devices, readings
from vitals.envelope import (
    Batch,
    DeviceEvent,
    DeviceEventEntry,
    DeviceEventKind,
    Entry,
    OutboxStarted,
    ReadingEntry,
    RejectionReason,
    Tombstone,
    decode_entry,
    entry_sequence,
)
from vitals.errors import InvalidEnvelope
from vitals.events import DeviceAlert, DeviceLink, DeviceStatus, EventName, Severity
from vitals.parameters import late_after_seconds
from vitals.readings import Reading

_LINK_EVENTS = {
    DeviceEventKind.CONNECTED: EventName.DEVICE_CONNECTED,
    DeviceEventKind.DISCONNECTED: EventName.DEVICE_DISCONNECTED,
}


async def take_batch(transaction: Transaction, batch: Batch, counters: Counters) -> list[int]:
    """Decide every entry of a batch; the sequences that an acknowledgement is to answer."""
    fates = await transaction.fates_of(batch.gateway, batch.epoch)
    answered: list[int] = []
    for raw in batch.entries:
        sequence = entry_sequence(raw)
        if sequence is None:
            counters.refuse(batch.gateway, RejectionReason.MALFORMED)
            continue
        answered.append(sequence)
        if fates.is_committed(sequence) or fates.rejection(sequence) is not None:  # delivery rule 10
            counters.take("repeats")
            continue
        await _decide(transaction, batch, fates, sequence, raw, counters)
    return answered


async def _decide(
    transaction: Transaction, batch: Batch, fates: Fates, sequence: int, raw: msgspec.Raw, counters: Counters
) -> None:
    try:
        entry = decode_entry(raw)
    except InvalidEnvelope:
        reason: RejectionReason | None = RejectionReason.MALFORMED
    else:
        reason = await _take(transaction, batch, fates, entry)
    if reason is None:
        fates.commit(sequence)
        counters.take("entries")
        return
    fates.reject(sequence, reason)
    counters.refuse(batch.gateway, reason)


async def _take(transaction: Transaction, batch: Batch, fates: Fates, entry: Entry) -> RejectionReason | None:
    """Carry out one entry; the reason where it is refused."""
    match entry:
        case ReadingEntry():
            return await _reading(transaction, batch, entry)
        case DeviceEventEntry():
            return await _device_event(transaction, batch, entry.event)
        case OutboxStarted():  # delivery rule 2: what the previous epoch gave out and never sent is a possible loss
            fates.previous = entry.previous_epoch, entry.previous_top
        case Tombstone():  # delivery rule 3
            transaction.lose(batch.gateway, batch.epoch, entry.sequence, entry.at, entry.reason)
    return None


async def _reading(transaction: Transaction, batch: Batch, entry: ReadingEntry) -> RejectionReason | None:
    reading = entry.reading
    place = transaction.memory.placement.device(reading.device)
    if place is None:
        return RejectionReason.UNKNOWN_DEVICE
    if place.gateway_id not in (None, batch.gateway):
        return RejectionReason.OTHER_GATEWAY
    if await _is_resent(transaction.connection, reading):
        return None
    patient = (
        None if reading.time_uncertain else transaction.memory.placement.patient_at(reading.device, reading.measured)
    )
    waited = (batch.sent - reading.measured).total_seconds()
    newest = transaction.memory.supersedes(reading.device, reading.data_type, reading.measured)
    late = waited > late_after_seconds(reading.data_type) or not newest
    transaction.record(
        reading, patient, late=late, gateway_id=batch.gateway, outbox_epoch=batch.epoch, sequence=entry.sequence
    )
    return None


async def _is_resent(connection: AsyncConnection, reading: Reading) -> bool:
    """Whether the device has given this very measurement before: same device time or record number, kind and bytes."""
    if reading.device_time is None and reading.record is None:
        return False
    device_time = reading.device_time.isoformat() if reading.device_time else None
    found = await connection.execute(
        select(readings.c.raw).where(
            readings.c.device_type == reading.device.device_type.value,
            readings.c.device_id == reading.device.device_id,
            readings.c.data_type == reading.data_type.value,
            readings.c.device_time == device_time,
            readings.c.record_number == reading.record
            if reading.record is not None
            else readings.c.record_number.is_(None),
        )
    )
    return any(raw == reading.raw for raw in found.scalars())


async def _device_event(transaction: Transaction, batch: Batch, event: DeviceEvent) -> RejectionReason | None:
    place = transaction.memory.placement.device(event.device)
    if place is None:
        return RejectionReason.UNKNOWN_DEVICE
    if place.gateway_id not in (None, batch.gateway):
        return RejectionReason.OTHER_GATEWAY
    patient = transaction.memory.placement.patient_at(event.device, event.at)
    place = msgspec.structs.replace(place, patient=patient)
    if event.kind is DeviceEventKind.FAULT:
        _fault(transaction, place, event)
        return None
    if link := _LINK_EVENTS.get(event.kind):
        data = DeviceLink(
            device_type=event.device.device_type,
            device_id=event.device.device_id,
            gateway_id=batch.gateway,
            reason=event.reason or msgspec.UNSET,
        )
        transaction.announce(link, data, place.scope)
    await _status(transaction, batch, place, event)
    return None


async def _status(transaction: Transaction, batch: Batch, place: DevicePlace, event: DeviceEvent) -> None:
    """Keep what the device says of itself, and announce it where it has changed."""
    here = (
        devices.c.device_type == event.device.device_type.value,
        devices.c.device_id == event.device.device_id,
    )
    row = (await transaction.connection.execute(select(devices).where(*here))).mappings().one()
    status = event.status or ("online" if event.kind is DeviceEventKind.CONNECTED else row["status"])
    if event.kind is DeviceEventKind.DISCONNECTED and event.status is None:
        status = "offline"
    battery = row["battery_percent"] if event.battery_percent is None else event.battery_percent
    faults = list(event.faults) if event.kind is DeviceEventKind.STATUS else msgspec.json.decode(row["faults"])
    encoded = msgspec.json.encode(faults).decode()
    if (status, battery, encoded) == (row["status"], row["battery_percent"], row["faults"]):
        return
    await transaction.connection.execute(
        update(devices)
        .where(*here)
        .values(status=status, battery_percent=battery, faults=encoded, status_since=event.at)
    )
    data = DeviceStatus(
        device_type=event.device.device_type,
        device_id=event.device.device_id,
        status=status,
        faults=faults,
        gateway_id=batch.gateway,
        battery=msgspec.UNSET if battery is None else battery,
    )
    transaction.announce(EventName.DEVICE_STATUS_CHANGE, data, place.scope)


def _fault(transaction: Transaction, place: DevicePlace, event: DeviceEvent) -> None:
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
    transaction.announce(EventName.DEVICE_ALERT, data, place.scope)
