"""The latest state of rooms, read from the record at one N (delivery rules 26 and 27). Reads only.

What a room's state is follows from what its messages tell: values, episodes, who lies where, what devices say of themselves.
"""

from collections.abc import Collection, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.latest import LatestStates
from hub.record.engine import Engine
from hub.record.latest_alerts import Alerts
from hub.record.latest_values import newest_of_device, newest_of_patients
from hub.record.places import BedPlace, DeviceCondition
from hub.record.registry import beds_of, capacity, conditions_of, patient_place
from hub.record.schema import ownership, patients, record_meta
from vitals.identifiers import HospitalId, PatientId
from vitals.rooms import Room, RoomKind, parse_room

_encode: Final = msgspec.json.Encoder(decimal_format="number").encode
_BEDS: Final = frozenset({RoomKind.WARD, RoomKind.WARD_VITALS, RoomKind.WARD_ALERTS, RoomKind.HOSPITAL})
_VITALS: Final = frozenset({RoomKind.PATIENT_VITALS, RoomKind.WARD_VITALS})
_ALERTS: Final = frozenset({RoomKind.PATIENT_ALERTS, RoomKind.WARD_ALERTS, RoomKind.HOSPITAL_ALERTS})
_STATELESS: Final = frozenset({RoomKind.PATIENT_WAVEFORMS, RoomKind.SYSTEM_ALERTS, RoomKind.ADMIN_UPDATES})

State = dict[str, Any]


class Latest:
    """Reads states of rooms: a `hub.latest.LatestReader`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def states(self, hospital_id: HospitalId, rooms: Sequence[str]) -> LatestStates:
        """All of one moment of the record. Raises RecordUnavailable, and InvalidRoom for what is no room."""
        parsed = [parse_room(room) for room in rooms]
        async with self._engine.reading() as connection:
            record_epoch, n = await _stands(connection, hospital_id)
            view = await _view(connection, hospital_id, n, parsed)
            states = {str(room): await _state(connection, view, room) for room in parsed}
        encoded = {room: None if state is None else msgspec.Raw(_encode(state)) for room, state in states.items()}
        return LatestStates(record_epoch=record_epoch, n=n, states=encoded)


class _View(msgspec.Struct, kw_only=True):
    """What several rooms of a hospital share, read once: beds, and patients' values and alerts as far as rooms ask for them."""

    hospital_id: HospitalId
    beds: tuple[BedPlace, ...]
    values: dict[PatientId, State]
    alerts: Alerts

    def beds_in(self, ward_id: str | None) -> list[BedPlace]:
        return [bed for bed in self.beds if ward_id in (None, bed.ward_id)]

    def patients_in(self, ward_id: str | None) -> list[PatientId]:
        return [bed.patient_id for bed in self.beds_in(ward_id) if bed.patient_id is not None]


async def _stands(connection: AsyncConnection, hospital_id: HospitalId) -> tuple[int, int]:
    """Record epoch and N."""
    record_epoch: int = (await connection.execute(select(record_meta.c.record_epoch))).scalar_one()
    n = await connection.scalar(select(ownership.c.n).where(ownership.c.hospital_id == hospital_id))
    return record_epoch, n or 0


async def _view(connection: AsyncConnection, hospital_id: HospitalId, n: int, rooms: Collection[Room]) -> _View:
    kinds = {room.kind for room in rooms}
    view = _View(hospital_id=hospital_id, beds=(), values={}, alerts=Alerts())
    if kinds & _BEDS:
        view.beds = await beds_of(connection, hospital_id)
    wards = {room.ward_id for room in rooms if room.kind is RoomKind.WARD_VITALS}
    wanted = {patient_id for ward_id in wards for patient_id in view.patients_in(ward_id)}
    wanted |= {room.patient_id for room in rooms if room.kind is RoomKind.PATIENT_VITALS and room.patient_id}
    if kinds & _VITALS:
        view.values = await newest_of_patients(connection, sorted(wanted))
    if kinds & _ALERTS:
        await view.alerts.load(connection, hospital_id, n, {str(room) for room in rooms if room.kind in _ALERTS})
    return view


async def _state(connection: AsyncConnection, view: _View, room: Room) -> State | None:
    """The state of one room; None for a kind that has none, and for a subject that the record does not know."""
    if room.kind in _STATELESS:
        return None
    if room.patient_id is not None:
        return await _patient_state(connection, view, room, room.patient_id)
    if room.device is not None:
        return await _device_state(connection, view, room)
    return await _group_state(connection, view, room)


async def _patient_state(connection: AsyncConnection, view: _View, room: Room, patient_id: PatientId) -> State | None:
    if room.kind is RoomKind.PATIENT_VITALS:
        return view.values.get(patient_id, {"patient_id": patient_id})
    if room.kind is RoomKind.PATIENT_ALERTS:
        return {"episodes": view.alerts.of_patients({patient_id}), "notices": view.alerts.notices(str(room))}
    place = await patient_place(connection, patient_id)
    status = await connection.scalar(select(patients.c.status).where(patients.c.patient_id == patient_id))
    if place is None:
        return None
    return {"patient_id": patient_id, "status": status, "ward_id": place.ward_id, "bed": place.bed_id}


async def _device_state(connection: AsyncConnection, view: _View, room: Room) -> State | None:
    assert room.device is not None  # noqa: S101 - the caller has looked
    conditions = await conditions_of(connection, view.hospital_id, room.device)
    if not conditions:
        return None
    state = condition_state(conditions[0])
    if room.kind is RoomKind.DEVICE:
        state["data"] = await newest_of_device(connection, room.device)
    return state


async def _group_state(connection: AsyncConnection, view: _View, room: Room) -> State | None:
    match room.kind:
        case RoomKind.WARD | RoomKind.HOSPITAL:
            return await _beds_state(connection, view, room)
        case RoomKind.WARD_VITALS:
            patient_ids = view.patients_in(room.ward_id)
            return {"patients": [view.values[each] for each in patient_ids if each in view.values]}
        case RoomKind.WARD_ALERTS:
            episodes = view.alerts.of_patients(frozenset(view.patients_in(room.ward_id)))
            return {"episodes": episodes, "notices": view.alerts.notices(str(room))}
        case RoomKind.HOSPITAL_ALERTS:
            return {"episodes": view.alerts.of_all(), "notices": view.alerts.notices(str(room))}
        case RoomKind.HOSPITAL_DEVICES:
            conditions = await conditions_of(connection, view.hospital_id)
            return {"devices": [condition_state(condition) for condition in conditions]}
        case _:
            return None


async def _beds_state(connection: AsyncConnection, view: _View, room: Room) -> State:
    beds = view.beds_in(room.ward_id)
    found = await connection.execute(
        select(patients.c.patient_id, patients.c.status).where(
            patients.c.patient_id.in_([bed.patient_id for bed in beds if bed.patient_id])
        )
    )
    status = {row.patient_id: row.status for row in found}
    shown = [
        {
            "ward_id": bed.ward_id,
            "bed": bed.bed_id,
            "patient_id": bed.patient_id,
            "status": status.get(bed.patient_id) if bed.patient_id else None,
            "devices": [condition_state(condition) for condition in bed.devices],
        }
        for bed in beds
    ]
    state: State = {"beds": shown}
    if room.kind is RoomKind.HOSPITAL:
        total, occupied = await capacity(connection, view.hospital_id)
        state |= {"beds_total": total, "beds_occupied": occupied}
    return state


def condition_state(condition: DeviceCondition) -> State:
    """The data of `device.status.change`."""
    state: State = {
        "device_type": condition.device.device_type,
        "device_id": condition.device.device_id,
        "status": condition.status,
        "faults": list(condition.faults),
        "gateway_id": condition.gateway_id,
    }
    if condition.battery_percent is not None:
        state["battery"] = condition.battery_percent
    return state
