"""What a gateway's entries do in a transaction: readings, device events, the start of an outbox epoch, tombstones.

Each entry is decided by itself: committed, or rejected with a reason that is stored (delivery rules 9 and 10).
"""

from datetime import datetime, timedelta
from typing import Final

import msgspec
from sqlalchemy import Select, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.ingest.counters import Counters
from hub.ingest.device_events import take_device_event, take_start
from hub.ingest.newest import AHEAD, Place
from hub.ingest.transaction import Transaction
from hub.record.fates import Fates
from hub.record.schema import readings
from vitals.envelope import (
    Batch,
    DeviceEventEntry,
    Entry,
    OutboxStarted,
    ReadingEntry,
    RejectionReason,
    Tombstone,
    decode_entry,
    entry_sequence,
)
from vitals.errors import InvalidEnvelope
from vitals.parameters import late_after_seconds
from vitals.readings import EARLIEST, Reading

MAX_AHEAD: Final = timedelta(days=1)
"""A gateway whose clock is further ahead of the record's is not believed: what it measured then would be nobody's."""


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
    now = transaction.now
    match entry:
        case ReadingEntry():
            if not is_possible(entry.reading.measured, now) or not is_possible(entry.reading.received, now):
                return RejectionReason.IMPOSSIBLE_TIME
            return await _reading(transaction, batch, entry)
        case DeviceEventEntry():
            if not is_possible(entry.event.at, now):
                return RejectionReason.IMPOSSIBLE_TIME
            return await take_device_event(transaction, batch, entry.sequence, entry.event)
        case OutboxStarted():  # delivery rule 2: what the previous epoch gave out and never sent is a possible loss
            fates.previous = entry.previous_epoch, entry.previous_top
            await take_start(transaction, batch, msgspec.structs.replace(entry, at=_believed(entry.at, now)))
        case Tombstone():  # delivery rule 3
            transaction.lose(batch.gateway, batch.epoch, entry.sequence, _believed(entry.at, now), entry.reason)
    return None


def is_possible(at: datetime, now: datetime) -> bool:
    """Whether a gateway's clock can have said this, by the record's."""
    return EARLIEST <= at <= now + MAX_AHEAD


def _believed(at: datetime, now: datetime) -> datetime:
    """The time of a loss or a start, which is never refused for it."""
    return at if is_possible(at, now) else now


async def _reading(transaction: Transaction, batch: Batch, entry: ReadingEntry) -> RejectionReason | None:
    reading = entry.reading
    place = transaction.memory.placement.device(reading.device)
    if place is None:
        return RejectionReason.UNKNOWN_DEVICE
    if place.gateway_id not in (None, batch.gateway):
        return RejectionReason.OTHER_GATEWAY
    if await _is_resent(transaction, reading):
        return None
    if (
        reading.measured > batch.sent + AHEAD
    ):  # its gateway's clock was set back, or its device's is ahead: of no certain time
        reading = msgspec.structs.replace(reading, time_uncertain=True)
    patient = (
        None if reading.time_uncertain else transaction.memory.placement.patient_at(reading.device, reading.measured)
    )
    transaction.record(
        reading,
        patient,
        late=_is_late(transaction, batch, entry.sequence, reading),
        gateway_id=batch.gateway,
        outbox_epoch=batch.epoch,
        sequence=entry.sequence,
    )
    return None


def _is_late(transaction: Transaction, batch: Batch, sequence: int, reading: Reading) -> bool:
    """Whether it waited too long, or was overtaken on its way. What is of no certain time overtakes nothing."""
    if reading.time_uncertain:
        return True
    waited = (batch.sent - reading.measured).total_seconds()
    place = None if reading.stored else Place(epoch=batch.epoch, sequence=sequence)
    newest = transaction.memory.newest.takes(
        (reading.device, reading.data_type), reading.measured, now=transaction.now, place=place
    )
    return waited > late_after_seconds(reading.data_type) or not newest


async def _is_resent(transaction: Transaction, reading: Reading) -> bool:
    """Whether the device has given this very measurement before: same device time or record number, kind and bytes."""
    if reading.device_time is None and reading.record is None:
        return False
    identity = reading.device, reading.data_type, reading.device_time, reading.record, reading.raw
    if identity in transaction.identities or await _is_recorded(transaction.connection, reading):
        return True
    transaction.identities.add(identity)
    return False


def _same_measurement(*, timed: bool, numbered: bool) -> Select[bytes]:
    """Readings with the same device time and record number, or as well without; each form has an index to go by."""
    time, number = readings.c.device_time, readings.c.record_number
    return select(readings.c.raw).where(
        readings.c.device_type == bindparam("type"),
        readings.c.device_id == bindparam("id"),
        readings.c.data_type == bindparam("kind"),
        time == bindparam("time") if timed else time.is_(None),
        number == bindparam("number") if numbered else number.is_(None),
    )


_SAME_MEASUREMENT: Final = {
    (timed, numbered): _same_measurement(timed=timed, numbered=numbered)
    for timed, numbered in ((True, True), (True, False), (False, True))
}
"""Made once: building it for each reading cost as much as asking."""


async def _is_recorded(connection: AsyncConnection, reading: Reading) -> bool:
    identity: dict[str, str | int] = {
        "type": reading.device.device_type.value,
        "id": reading.device.device_id,
        "kind": reading.data_type.value,
    }
    if reading.device_time is not None:
        identity["time"] = reading.device_time.isoformat()
    if reading.record is not None:
        identity["number"] = reading.record
    same = _SAME_MEASUREMENT[reading.device_time is not None, reading.record is not None]
    found = await connection.execute(same, identity)
    return any(raw == reading.raw for raw in found.scalars())
