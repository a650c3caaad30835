"""What requests from REST do in the owner's transaction, one function a kind.

Payloads are JSON of the structs here. A request that contradicts the record raises, is answered so, and changes nothing.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias, TypeVar

import msgspec
from sqlalchemy import insert, select, update

from hub.auth.access import ChangeKind
from hub.errors import Conflict, Invalid, NotFound
from hub.ingest.transaction import Transaction
from hub.record.access import note_change
from hub.record.inbox import RequestKind
from hub.record.places import PatientPlace
from hub.record.registry import capacity, device_place, patient_place
from hub.record.schema import assignments, beds, patients, readings, stays
from vitals.events import EventName, HospitalCapacity, PatientMovement, PatientStatus, Scope, Text
from vitals.identifiers import BedId, PatientId, WardId
from vitals.parameters import late_after_seconds
from vitals.readings import Reading

Answer: TypeAlias = dict[str, Any]
Payload = TypeVar("Payload", bound=msgspec.Struct)


class Announce(msgspec.Struct, frozen=True, kw_only=True):
    """Any event with its data, already validated; `scope` decides the rooms."""

    event: EventName
    data: dict[str, Any]
    scope: Scope = Scope()


class DeviceData(msgspec.Struct, frozen=True, kw_only=True):
    """A reading entered over REST; the patient, where one is named, must be the one who holds the device."""

    reading: Reading
    author: str
    patient_id: PatientId | None = None


class Correct(msgspec.Struct, frozen=True, kw_only=True):
    """The reading that stands instead of `reading_id`."""

    reading_id: int
    reading: Reading
    author: str


class Withdraw(msgspec.Struct, frozen=True, kw_only=True):
    reading_id: int
    author: str


class Admit(msgspec.Struct, frozen=True, kw_only=True):
    patient_id: PatientId
    ward_id: WardId
    bed_id: BedId
    author: str


class Discharge(msgspec.Struct, frozen=True, kw_only=True):
    patient_id: PatientId
    author: str


class StatusChange(msgspec.Struct, frozen=True, kw_only=True):
    patient_id: PatientId
    status: Text
    author: str
    reason: Text | None = None


async def carry_out(transaction: Transaction, kind: RequestKind, payload: str, request_key: str) -> Answer:
    """Do what was asked. Raises Invalid, NotFound or Conflict, before anything is changed."""
    return await _OPERATIONS[kind](transaction, payload, request_key)


async def _test_publish(transaction: Transaction, payload: str, request_key: str) -> Answer:
    asked = _decoded(payload, Announce)
    made = transaction.announce(asked.event, asked.data, asked.scope, test=True)
    return {"event_id": made.event_id, "rooms": list(made.rooms), "n": made.n}


async def _announce(transaction: Transaction, payload: str, request_key: str) -> Answer:
    asked = _decoded(payload, Announce)
    scope = asked.scope
    if asked.event is EventName.HOSPITAL_EMERGENCY:  # to every ward, whatever wards there are by now
        scope = msgspec.structs.replace(scope, ward_ids=transaction.memory.ward_ids)
    made = transaction.announce(asked.event, asked.data, scope)
    return {"event_id": made.event_id, "rooms": list(made.rooms), "n": made.n}


async def _device_data(transaction: Transaction, payload: str, request_key: str) -> Answer:
    asked = _decoded(payload, DeviceData)
    reading = asked.reading
    if await device_place(transaction.connection, reading.device) is None:
        raise NotFound("device", str(reading.device))
    patient = transaction.memory.placement.patient_at(reading.device, reading.measured)
    holder = patient.patient_id if patient else None
    if asked.patient_id not in (None, holder):
        raise Conflict(f"patient_id: {reading.device} was not held by that patient when it was measured")
    key = reading.device, reading.data_type
    newest = transaction.memory.newest.takes(key, reading.measured, now=transaction.now)
    late = (transaction.now - reading.measured).total_seconds() > late_after_seconds(reading.data_type) or not newest
    n = transaction.record(
        reading, patient, late=late, gateway_id=None, outbox_epoch=request_key, sequence=1, author=asked.author
    )
    return {"patient_id": holder, "late": late, "n": n}


async def _correct(transaction: Transaction, payload: str, request_key: str) -> Answer:
    asked = _decoded(payload, Correct)
    row = await _standing_reading(transaction, asked.reading_id)
    patient = await _place_of(transaction, row)
    n = transaction.record(
        asked.reading,
        patient,
        late=True,  # a correction never sounds
        gateway_id=None,
        outbox_epoch=request_key,
        sequence=1,
        author=asked.author,
        replaces=asked.reading_id,
    )
    return {"replaces": asked.reading_id, "n": n}


async def _withdraw(transaction: Transaction, payload: str, request_key: str) -> Answer:
    asked = _decoded(payload, Withdraw)
    await _standing_reading(transaction, asked.reading_id)
    await transaction.connection.execute(
        update(readings)
        .where(readings.c.reading_id == asked.reading_id)
        .values(withdrawn=transaction.now, author=asked.author)
    )
    return {"withdrawn": asked.reading_id}


async def _admit(transaction: Transaction, payload: str, request_key: str) -> Answer:
    asked = _decoded(payload, Admit)
    place = await _patient(transaction, asked.patient_id)
    if place.ward_id is not None:
        raise Conflict(f"patient {asked.patient_id} is admitted already, to ward {place.ward_id}")
    here = stays.c.ward_id == asked.ward_id, stays.c.bed_id == asked.bed_id
    found = await transaction.connection.scalar(
        select(beds.c.bed_id).where(
            beds.c.hospital_id == place.hospital_id, beds.c.ward_id == asked.ward_id, beds.c.bed_id == asked.bed_id
        )
    )
    if found is None:
        raise NotFound("bed", f"{asked.ward_id}:{asked.bed_id}")
    taken = await transaction.connection.scalar(
        select(stays.c.stay_id).where(stays.c.hospital_id == place.hospital_id, *here, stays.c.discharged.is_(None))
    )
    if taken is not None:
        raise Conflict(f"bed {asked.bed_id} of ward {asked.ward_id} is occupied")
    await transaction.connection.execute(
        insert(stays).values(
            stay_id=transaction.new_id(),
            patient_id=asked.patient_id,
            hospital_id=place.hospital_id,
            ward_id=asked.ward_id,
            bed_id=asked.bed_id,
            admitted=transaction.now,
            admitted_by=asked.author,
        )
    )
    place = msgspec.structs.replace(place, ward_id=asked.ward_id, bed_id=asked.bed_id)
    await _moved(transaction, EventName.PATIENT_ADMISSION, place, asked.author)
    return {"ward_id": asked.ward_id, "bed": asked.bed_id}


async def _discharge(transaction: Transaction, payload: str, request_key: str) -> Answer:
    asked = _decoded(payload, Discharge)
    place = await _patient(transaction, asked.patient_id)
    if place.ward_id is None:
        raise Conflict(f"patient {asked.patient_id} is not admitted")
    await transaction.connection.execute(
        update(stays)
        .where(stays.c.patient_id == asked.patient_id, stays.c.discharged.is_(None))
        .values(discharged=transaction.now)
    )
    await _end_links(transaction, asked.patient_id)
    await _moved(transaction, EventName.PATIENT_DISCHARGE, place, asked.author)
    return {"discharged": asked.patient_id}


async def _status_change(transaction: Transaction, payload: str, request_key: str) -> Answer:
    asked = _decoded(payload, StatusChange)
    place = await _patient(transaction, asked.patient_id)
    previous = await transaction.connection.scalar(
        select(patients.c.status).where(patients.c.patient_id == asked.patient_id)
    )
    await transaction.connection.execute(
        update(patients).where(patients.c.patient_id == asked.patient_id).values(status=asked.status)
    )
    data = PatientStatus(
        patient_id=asked.patient_id,
        status=asked.status,
        previous=previous,
        reason=msgspec.UNSET if asked.reason is None else asked.reason,
    )
    transaction.announce(EventName.PATIENT_STATUS_CHANGE, data, place.scope)
    return {"status": asked.status, "previous": previous}


_OPERATIONS: Final[Mapping[RequestKind, Callable[[Transaction, str, str], Awaitable[Answer]]]] = {
    RequestKind.TEST_PUBLISH: _test_publish,
    RequestKind.ANNOUNCE: _announce,
    RequestKind.DEVICE_DATA: _device_data,
    RequestKind.CORRECT: _correct,
    RequestKind.WITHDRAW: _withdraw,
    RequestKind.ADMIT: _admit,
    RequestKind.DISCHARGE: _discharge,
    RequestKind.STATUS_CHANGE: _status_change,
}


async def _moved(transaction: Transaction, event: EventName, place: PatientPlace, author: str) -> None:
    """Announce a movement, and what it did to the hospital's capacity."""
    transaction.registry_changed = True
    await note_change(transaction.connection, ChangeKind.PATIENT, place.patient_id, at=transaction.now)
    data = PatientMovement(
        patient_id=place.patient_id, ward_id=place.ward_id or "", bed=place.bed_id or "", at=transaction.now, by=author
    )
    transaction.announce(event, data, place.scope)
    total, occupied = await capacity(transaction.connection, place.hospital_id)
    beds_now = HospitalCapacity(hospital_id=place.hospital_id, beds_total=total, beds_occupied=occupied)
    transaction.announce(EventName.HOSPITAL_CAPACITY_UPDATE, beds_now, Scope(hospital_id=place.hospital_id))


async def _end_links(transaction: Transaction, patient_id: PatientId) -> None:
    """A discharge ends the patient's hold on every device."""
    held = assignments.c.patient_id == patient_id, assignments.c.ends.is_(None)
    found = await transaction.connection.execute(
        select(assignments.c.device_type, assignments.c.device_id).where(*held)
    )
    devices = [f"{row.device_type}:{row.device_id}" for row in found]
    await transaction.connection.execute(update(assignments).where(*held).values(ends=transaction.now))
    await note_change(transaction.connection, ChangeKind.DEVICE, *devices, at=transaction.now)


async def _patient(transaction: Transaction, patient_id: PatientId) -> PatientPlace:
    place = await patient_place(transaction.connection, patient_id)
    if place is None or place.hospital_id != transaction.memory.hospital_id:
        raise NotFound("patient", patient_id)
    return place


async def _standing_reading(transaction: Transaction, reading_id: int) -> Mapping[Any, Any]:
    found = await transaction.connection.execute(select(readings).where(readings.c.reading_id == reading_id))
    row = found.mappings().one_or_none()
    if row is None or row["hospital_id"] != transaction.memory.hospital_id:
        raise NotFound("reading", str(reading_id))
    if row["withdrawn"] is not None:
        raise Conflict(f"reading {reading_id} has been withdrawn")
    corrected = await transaction.connection.scalar(
        select(readings.c.reading_id).where(readings.c.replaces == reading_id)
    )
    if corrected is not None:
        raise Conflict(f"reading {reading_id} has been corrected by reading {corrected}")
    return row


async def _place_of(transaction: Transaction, row: Mapping[Any, Any]) -> PatientPlace | None:
    if row["patient_id"] is None:
        return None
    return PatientPlace(patient_id=row["patient_id"], hospital_id=row["hospital_id"], ward_id=row["ward_id"])


def _decoded(payload: str, kind: type[Payload]) -> Payload:
    try:
        return msgspec.json.decode(payload, type=kind)
    except msgspec.MsgspecError as error:
        raise Invalid(str(error)) from error
