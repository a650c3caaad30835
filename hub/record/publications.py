"""What clients are sent, derived from rows: the same row gives the same bytes, now and after any outage (delivery rule 19).

A reading causes up to two messages: `device.data.update` at `n_data`, and `patient.vitals.update` at `n_vitals` where a patient
held the device. Everything else (alerts, device events, operations, test events) is a row of `announcements`.
"""

import hashlib
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.publication import Publication
from hub.record.rows import Row, reading_of
from hub.record.schema import announcements, readings
from vitals.events import EventName, Scope, room_names
from vitals.identifiers import DeviceKey, DeviceType, HospitalId
from vitals.parameters import PARAMETERS, Parameter, Vital
from vitals.readings import Quality, Reading, Value, vitals_of

_encode: Final = msgspec.json.Encoder(decimal_format="number").encode
_decode_scope: Final = msgspec.json.Decoder(Scope).decode


def of_reading(row: Row, record_epoch: int) -> tuple[Publication, ...]:
    """The messages that a row of `readings` causes, in increasing N."""
    reading = reading_of(row)
    made = [_device_data(row, reading, record_epoch)]
    if row["n_vitals"] is not None:
        made.append(_patient_vitals(row, reading, record_epoch))
    return tuple(made)


def of_announcement(row: Row, record_epoch: int) -> Publication:
    """The message that a row of `announcements` is."""
    event = EventName(row["event"])
    return Publication(
        hospital_id=row["hospital_id"],
        record_epoch=record_epoch,
        n=row["n"],
        event=event,
        event_id=row["event_id"],
        rooms=room_names(event, _decode_scope(row["scope"])),
        data=msgspec.Raw(row["event_data"].encode()),
        timestamp=row["at"],
        test=row["test"],
        late=row["late"],
    )


async def after(
    connection: AsyncConnection, hospital_id: HospitalId, n: int, *, limit: int, record_epoch: int
) -> list[Publication]:
    """The next at most `limit` messages after N, derived from their rows, in increasing N."""
    newer = readings.c.hospital_id == hospital_id, readings.c.n_data >= n  # n_vitals is n_data + 1 where there is one
    rows = (
        await connection.execute(select(readings).where(*newer).order_by(readings.c.n_data).limit(limit + 1))
    ).mappings()
    made = [publication for row in rows for publication in of_reading(row, record_epoch) if publication.n > n]
    found = await connection.execute(
        select(announcements)
        .where(announcements.c.hospital_id == hospital_id, announcements.c.n > n)
        .order_by(announcements.c.n)
        .limit(limit)
    )
    made += [of_announcement(row, record_epoch) for row in found.mappings()]
    return sorted(made, key=lambda publication: publication.n)[:limit]


def announcement_row(
    *,
    hospital_id: HospitalId,
    n: int,
    event: EventName,
    event_id: str,
    data: object,
    scope: Scope,
    at: datetime,
    test: bool = False,
    late: bool = False,
) -> dict[str, Any]:
    """A row of `announcements`."""
    return {
        "hospital_id": hospital_id,
        "n": n,
        "event": event.value,
        "event_id": event_id,
        "event_data": _encode(data).decode(),
        "scope": _encode(scope).decode(),
        "at": at,
        "test": test,
        "late": late,
    }


def _device_data(row: Row, reading: Reading, record_epoch: int) -> Publication:
    data: dict[str, object] = {
        "device_type": reading.device.device_type,
        "device_id": reading.device.device_id,
        "data_type": reading.data_type,
        "values": {value_name(value.parameter): value.number for value in reading.values},
        "timestamp": reading.measured,
    }
    scope = Scope(hospital_id=row["hospital_id"], device=reading.device)
    return _publication(row, reading, record_epoch, EventName.DEVICE_DATA_UPDATE, row["n_data"], data, scope)


def _patient_vitals(row: Row, reading: Reading, record_epoch: int) -> Publication:
    data: dict[str, object] = {
        "patient_id": row["patient_id"],
        **vitals_of(reading.values),
        "device_id": reading.device.device_id,
        "device_type": reading.device.device_type,
        "timestamp": reading.measured,
        "measured": {PARAMETERS[value.parameter].vital: reading.measured for value in reading.values},
    }
    if reading.value(Parameter.OXIMETER_PULSE_RATE) is not None:
        data["source"] = "pulse"
    wards = (row["ward_id"],) if row["ward_id"] else ()
    scope = Scope(hospital_id=row["hospital_id"], ward_ids=wards, patient_id=row["patient_id"])
    return _publication(row, reading, record_epoch, EventName.PATIENT_VITALS_UPDATE, row["n_vitals"], data, scope)


def _publication(
    row: Row,
    reading: Reading,
    record_epoch: int,
    event: EventName,
    n: int,
    data: dict[str, object],
    scope: Scope,
) -> Publication:
    if qualities := qualities_of(reading.values):
        data["quality"] = qualities
    if reading.replayed is not None:
        data["replayed"] = reading.replayed
    return Publication(
        hospital_id=row["hospital_id"],
        record_epoch=record_epoch,
        n=n,
        event=event,
        event_id=_event_id(row, event),
        rooms=room_names(event, scope),
        data=msgspec.Raw(_encode(data)),
        timestamp=row["committed"],
        late=row["late"],
    )


def _event_id(row: Row, event: EventName) -> str:
    """Derived from the reading's identity, so that sending it again sends the same id."""
    identity = "\n".join((row["gateway_id"] or "", row["outbox_epoch"], str(row["sequence"]), event))
    return hashlib.blake2b(identity.encode(), digest_size=12).hexdigest()


def qualities_of(values: tuple[Value, ...]) -> dict[str, dict[str, object]]:
    """By vital, what is to be said of values that are not simply valid; the worst of a group stands for it."""
    said: dict[str, dict[str, object]] = {}
    for value in values:
        if value.quality is Quality.VALID and not value.reasons:
            continue
        name = PARAMETERS[value.parameter].vital
        if name is Vital.BLOOD_PRESSURE and value.parameter is Parameter.MEAN and value.number is None:
            continue  # few cuffs measure a mean
        held = said.setdefault(name, {"status": value.quality, "reasons": []})
        reasons = held["reasons"]
        assert isinstance(reasons, list)  # noqa: S101 - made two lines above
        reasons += [reason for reason in value.reasons if reason not in reasons]
        if value.quality is Quality.MISSING:
            held["status"] = value.quality
    return said


def value_name(parameter: Parameter) -> str:
    """A value's name in device data: a member of a group keeps its own, any other stands under its vital's."""
    facts = PARAMETERS[parameter]
    return facts.member or facts.vital


def device_key(row: Row) -> DeviceKey:
    """The device of a row that names one."""
    return DeviceKey(device_type=DeviceType(row["device_type"]), device_id=row["device_id"])
