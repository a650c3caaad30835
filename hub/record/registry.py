"""The registry: hospitals, wards, beds, patients, stays, gateways, devices and who holds which device when."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, RowMapping, Select, and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from hub.record.engine import Engine
from hub.record.places import (
    BedPlace,
    DeviceCondition,
    DevicePlace,
    HospitalFacts,
    Link,
    PatientPlace,
    Stay,
    shown_status,
)
from hub.record.schema import assignments, beds, devices, gateways, hospitals, patients, stays, wards
from vitals.identifiers import DeviceKey, DeviceType, GatewayId, HospitalId, PatientId


class Registry:
    """Questions to the registry. Each answer is of one moment; None means that there is no such thing."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def hospital(self, hospital_id: HospitalId) -> HospitalFacts | None:
        async with self._engine.reading() as connection:
            row = await _one(connection, select(hospitals).where(hospitals.c.hospital_id == hospital_id))
            if row is None:
                return None
            found = await connection.execute(
                select(wards.c.ward_id).where(wards.c.hospital_id == hospital_id).order_by(wards.c.ward_id)
            )
            return HospitalFacts(**row, ward_ids=tuple(found.scalars()))

    async def hospital_ids(self) -> tuple[HospitalId, ...]:
        async with self._engine.reading() as connection:
            return tuple((await connection.execute(select(hospitals.c.hospital_id))).scalars())

    async def patient(self, patient_id: PatientId) -> PatientPlace | None:
        async with self._engine.reading() as connection:
            return await patient_place(connection, patient_id)

    async def patients(self, hospital_id: HospitalId) -> tuple[PatientPlace, ...]:
        """The hospital's patients that are admitted now, by ward and bed."""
        async with self._engine.reading() as connection:
            found = await connection.execute(
                select(stays.c.patient_id, stays.c.hospital_id, stays.c.ward_id, stays.c.bed_id)
                .where(stays.c.hospital_id == hospital_id, stays.c.discharged.is_(None))
                .order_by(stays.c.ward_id, stays.c.bed_id)
            )
            return tuple(PatientPlace(**row) for row in found.mappings())

    async def device(self, device: DeviceKey) -> DevicePlace | None:
        async with self._engine.reading() as connection:
            return await device_place(connection, device)

    async def devices(self, hospital_id: HospitalId) -> tuple[DevicePlace, ...]:
        """The hospital's devices, by type and id."""
        async with self._engine.reading() as connection:
            found = await connection.execute(
                select(devices.c.device_type, devices.c.device_id)
                .where(devices.c.hospital_id == hospital_id)
                .order_by(devices.c.device_type, devices.c.device_id)
            )
            keys = [_key(row) for row in found.mappings()]
            places = [await device_place(connection, key) for key in keys]
        return tuple(place for place in places if place is not None)

    async def beds(self, hospital_id: HospitalId) -> tuple[BedPlace, ...]:
        """The hospital's beds, by ward and bed, each with its patient and the devices that the patient holds now."""
        async with self._engine.reading() as connection:
            return await beds_of(connection, hospital_id)

    async def gateway_hospitals(self) -> dict[GatewayId, HospitalId]:
        """Every gateway's hospital."""
        async with self._engine.reading() as connection:
            found = await connection.execute(select(gateways.c.gateway_id, gateways.c.hospital_id))
            return {row.gateway_id: row.hospital_id for row in found}


async def beds_of(connection: AsyncConnection, hospital_id: HospitalId) -> tuple[BedPlace, ...]:
    """As `Registry.beds`, as of this transaction."""
    held = await _devices_in_use(connection, hospital_id)
    here = stays.c.hospital_id == beds.c.hospital_id, stays.c.ward_id == beds.c.ward_id
    stay_now = and_(*here, stays.c.bed_id == beds.c.bed_id, stays.c.discharged.is_(None))
    found = await connection.execute(
        select(beds.c.ward_id, beds.c.bed_id, stays.c.patient_id)
        .outerjoin(stays, stay_now)
        .where(beds.c.hospital_id == hospital_id)
        .order_by(beds.c.ward_id, beds.c.bed_id)
    )
    return tuple(BedPlace(**row, devices=tuple(held.get(row["patient_id"], ()))) for row in found.mappings())


async def conditions_of(
    connection: AsyncConnection, hospital_id: HospitalId, device: DeviceKey | None = None
) -> tuple[DeviceCondition, ...]:
    """The hospital's devices, or one of them, as clients see them, by type and id."""
    only = [] if device is None else [_same_device(device, devices.c)]
    found = await connection.execute(
        select(devices, gateways.c.online)
        .outerjoin(gateways, gateways.c.gateway_id == devices.c.gateway_id)
        .where(devices.c.hospital_id == hospital_id, *only)
        .order_by(devices.c.device_type, devices.c.device_id)
    )
    return tuple(_condition(row) for row in found.mappings())


async def patient_place(connection: AsyncConnection, patient_id: PatientId) -> PatientPlace | None:
    stay_now = and_(stays.c.patient_id == patients.c.patient_id, stays.c.discharged.is_(None))
    row = await _one(
        connection,
        select(patients.c.patient_id, patients.c.hospital_id, stays.c.ward_id, stays.c.bed_id)
        .outerjoin(stays, stay_now)
        .where(patients.c.patient_id == patient_id),
    )
    return None if row is None else PatientPlace(**row)


async def device_place(connection: AsyncConnection, device: DeviceKey) -> DevicePlace | None:
    row = await _one(
        connection,
        select(devices.c.hospital_id, devices.c.gateway_id, assignments.c.patient_id)
        .outerjoin(assignments, and_(_same_device(device, assignments.c), assignments.c.ends.is_(None)))
        .where(_same_device(device, devices.c)),
    )
    if row is None:
        return None
    patient = await patient_place(connection, row["patient_id"]) if row["patient_id"] else None
    return DevicePlace(device=device, hospital_id=row["hospital_id"], gateway_id=row["gateway_id"], patient=patient)


async def _devices_in_use(
    connection: AsyncConnection, hospital_id: HospitalId
) -> dict[PatientId, list[DeviceCondition]]:
    """By patient, the hospital's devices that are held now."""
    found = await connection.execute(
        select(devices, assignments.c.patient_id, gateways.c.online)
        .join(assignments, _held_now())
        .outerjoin(gateways, gateways.c.gateway_id == devices.c.gateway_id)
        .where(devices.c.hospital_id == hospital_id)
        .order_by(devices.c.device_type, devices.c.device_id)
    )
    held: dict[PatientId, list[DeviceCondition]] = {}
    for row in found.mappings():
        held.setdefault(row["patient_id"], []).append(_condition(row))
    return held


def _held_now() -> ColumnElement[bool]:
    same = assignments.c.device_type == devices.c.device_type, assignments.c.device_id == devices.c.device_id
    return and_(*same, assignments.c.ends.is_(None))


def _condition(row: RowMapping) -> DeviceCondition:
    has_gateway = row["gateway_id"] is not None
    return DeviceCondition(
        device=_key(row),
        gateway_id=row["gateway_id"],
        status=shown_status(row["status"], online=row["online"]) if has_gateway else row["status"],
        battery_percent=row["battery_percent"],
        faults=tuple(msgspec.json.decode(row["faults"], type=list[str])),
        since=row["status_since"],
    )


class Placement:
    """Whose a reading is: the links and stays of one hospital, in the owner's memory (loaded after its token, delivery rule 12)."""

    def __init__(
        self,
        hospital_id: HospitalId,
        devices_: Iterable[DevicePlace],
        links: dict[DeviceKey, list[Link]],
        stays_: dict[PatientId, list[Stay]],
    ) -> None:
        self.hospital_id = hospital_id
        self._devices = {place.device: place for place in devices_}
        self._links = links
        self._stays = stays_

    def device(self, device: DeviceKey) -> DevicePlace | None:
        """The device as it is registered now."""
        return self._devices.get(device)

    def patient_at(self, device: DeviceKey, at: datetime) -> PatientPlace | None:
        """The patient who held the device at `at`, lying where they lay then; None: nobody did."""
        link = next((link for link in self._links.get(device, ()) if link.holds(at)), None)
        if link is None:
            return None
        stay = next((stay for stay in self._stays.get(link.patient_id, ()) if stay.holds(at)), None)
        return PatientPlace(
            patient_id=link.patient_id,
            hospital_id=self.hospital_id,
            ward_id=stay.ward_id if stay else None,
            bed_id=stay.bed_id if stay else None,
        )


async def load_placement(connection: AsyncConnection, hospital_id: HospitalId) -> Placement:
    """All that `Placement` needs, as of this transaction."""
    rows = (await connection.execute(select(devices).where(devices.c.hospital_id == hospital_id))).mappings().all()
    places = [DevicePlace(device=_key(row), hospital_id=hospital_id, gateway_id=row["gateway_id"]) for row in rows]
    links: dict[DeviceKey, list[Link]] = {}
    same = and_(assignments.c.device_type == devices.c.device_type, assignments.c.device_id == devices.c.device_id)
    for row in (
        await connection.execute(select(assignments).join(devices, same).where(devices.c.hospital_id == hospital_id))
    ).mappings():
        link = Link(patient_id=row["patient_id"], starts=row["starts"], ends=row["ends"])
        links.setdefault(_key(row), []).append(link)
    stays_: dict[PatientId, list[Stay]] = {}
    for row in (await connection.execute(select(stays).where(stays.c.hospital_id == hospital_id))).mappings():
        stays_.setdefault(row["patient_id"], []).append(Stay(**{name: row[name] for name in Stay.__struct_fields__}))
    return Placement(hospital_id, places, links, stays_)


async def capacity(connection: AsyncConnection, hospital_id: HospitalId) -> tuple[int, int]:
    """Beds in all, and beds occupied now."""
    total = await connection.scalar(select(func.count()).where(beds.c.hospital_id == hospital_id))
    occupied = await connection.scalar(
        select(func.count()).where(stays.c.hospital_id == hospital_id, stays.c.discharged.is_(None))
    )
    return int(total or 0), int(occupied or 0)


def _key(row: RowMapping) -> DeviceKey:
    return DeviceKey(device_type=DeviceType(row["device_type"]), device_id=row["device_id"])


def _same_device(device: DeviceKey, columns: ReadOnlyColumnCollection[str, Any]) -> ColumnElement[bool]:
    return and_(columns.device_type == device.device_type.value, columns.device_id == device.device_id)


async def _one(connection: AsyncConnection, statement: Select[Any]) -> RowMapping | None:
    row: RowMapping | None = (await connection.execute(statement)).mappings().one_or_none()
    return row
