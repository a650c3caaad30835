"""A registry in a TOML file, applied when the hub starts: for one machine, for tests, and for a ward's first day.

    [[hospitals]]
    id = "507f1f77bcf86cd799439012"
    name = "General Hospital"
    zone = "Europe/Vienna"

    [[hospitals.wards]]
    id = "icu"
    name = "Intensive care"
    beds = ["1", "2"]

    [[patients]]
    id = "507f1f77bcf86cd799439011"
    hospital = "507f1f77bcf86cd799439012"
    name = "Test Patient"
    record_number = "0001"
    age_group = "adult"
    ward = "icu"
    bed = "1"

    [[gateways]]
    id = "gw-1"
    hospital = "507f1f77bcf86cd799439012"

    [[devices]]
    type = "pulse_oximeter"
    id = "OX-1"
    gateway = "gw-1"
    patient = "507f1f77bcf86cd799439011"

Applying it again changes nothing. It adds what is missing and never removes or moves: that is the work of people, over REST.
"""

import tomllib
from collections.abc import Mapping
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import msgspec
from sqlalchemy import Table, and_, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.errors import ConfigurationError
from hub.record.engine import Engine
from hub.record.schema import assignments, beds, devices, gateways, hospitals, patients, stays, wards
from vitals.identifiers import SYSTEM, BedId, DeviceId, DeviceType, GatewayId, HospitalId, PatientId, WardId

AUTHOR: Final = "registry file"
_FROM_THE_START: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Since when what the file says holds: it knows no times, and a buffered reading is older than the hub's start."""


class AgeGroup(StrEnum):
    ADULT = "adult"
    CHILD = "child"
    NEONATE = "neonate"


class _Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Ward(_Entry, frozen=True, kw_only=True):
    id: WardId
    name: str
    beds: tuple[BedId, ...] = ()


class Hospital(_Entry, frozen=True, kw_only=True):
    id: HospitalId
    name: str
    zone: str = "UTC"
    wards: tuple[Ward, ...] = ()


class Patient(_Entry, frozen=True, kw_only=True):
    id: PatientId
    hospital: HospitalId
    name: str
    record_number: str
    age_group: AgeGroup
    birth_date: date | None = None
    sex: str | None = None
    ward: WardId | None = None
    bed: BedId | None = None


class Gateway(_Entry, frozen=True, kw_only=True):
    id: GatewayId
    hospital: HospitalId


class Device(_Entry, frozen=True, kw_only=True):
    type: DeviceType
    id: DeviceId
    gateway: GatewayId
    patient: PatientId | None = None


class RegistryFile(_Entry, frozen=True, kw_only=True):
    """The whole file."""

    hospitals: tuple[Hospital, ...] = ()
    patients: tuple[Patient, ...] = ()
    gateways: tuple[Gateway, ...] = ()
    devices: tuple[Device, ...] = ()


def load_registry(path: Path) -> RegistryFile:
    """Read and check a file. Raises ConfigurationError, which names file and place."""
    try:
        content = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), RegistryFile)
    except OSError as error:
        raise ConfigurationError(f"registry_file: {path} can't be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise ConfigurationError(f"{path.name}: {error}") from error
    _check(content, path.name)
    return content


async def apply_registry(engine: Engine, content: RegistryFile) -> None:
    """Add what the record does not have yet, in one transaction."""
    async with engine.writing_alone() as connection:
        for hospital in content.hospitals:
            await _add_hospital(connection, hospital)
        for patient in content.patients:
            await _add_patient(connection, patient)
        for gateway in content.gateways:
            await _add(connection, gateways, {"gateway_id": gateway.id}, hospital_id=gateway.hospital)
        hospital_of = {gateway.id: gateway.hospital for gateway in content.gateways}
        for device in content.devices:
            await _add_device(connection, device, hospital_of[device.gateway])


async def _add_hospital(connection: AsyncConnection, hospital: Hospital) -> None:
    await _add(connection, hospitals, {"hospital_id": hospital.id}, name=hospital.name, zone=hospital.zone)
    for ward in hospital.wards:
        key = {"hospital_id": hospital.id, "ward_id": ward.id}
        await _add(connection, wards, key, name=ward.name)
        for bed in ward.beds:
            await _add(connection, beds, key | {"bed_id": bed})


async def _add_patient(connection: AsyncConnection, patient: Patient) -> None:
    added = await _add(
        connection,
        patients,
        {"patient_id": patient.id},
        hospital_id=patient.hospital,
        name=patient.name,
        record_number=patient.record_number,
        birth_date=patient.birth_date.isoformat() if patient.birth_date else None,
        sex=patient.sex,
        age_group=patient.age_group.value,
    )
    if added and patient.ward and patient.bed:
        await connection.execute(
            insert(stays).values(
                stay_id=f"{patient.id[:40]}.first",
                patient_id=patient.id,
                hospital_id=patient.hospital,
                ward_id=patient.ward,
                bed_id=patient.bed,
                admitted=_FROM_THE_START,
                admitted_by=AUTHOR,
            )
        )


async def _add_device(connection: AsyncConnection, device: Device, hospital_id: HospitalId) -> None:
    key = {"device_type": device.type.value, "device_id": device.id}
    added = await _add(connection, devices, key, hospital_id=hospital_id, gateway_id=device.gateway)
    if added and device.patient:
        await connection.execute(
            insert(assignments).values(
                assignment_id=f"{device.type}.{device.id}"[:58] + ".first",
                patient_id=device.patient,
                starts=_FROM_THE_START,
                author=AUTHOR,
                **key,
            )
        )


async def _add(connection: AsyncConnection, table: Table, key: Mapping[str, Any], **values: object) -> bool:
    """Insert a row unless there is one under its key; whether it was inserted."""
    condition = and_(*(table.c[name] == value for name, value in key.items()))
    if (await connection.execute(select(table).where(condition))).first() is not None:
        return False
    await connection.execute(insert(table).values(**key, **values))
    return True


def _check(content: RegistryFile, name: str) -> None:
    """Every name that one entry uses must be declared by another."""
    hospital_ids = {hospital.id for hospital in content.hospitals}
    if SYSTEM in hospital_ids:
        raise ConfigurationError(f"{name}: hospitals: {SYSTEM!r} is the hub's own; choose another id")
    bed_ids = {(h.id, ward.id, bed) for h in content.hospitals for ward in h.wards for bed in ward.beds}
    patient_ids = {patient.id for patient in content.patients}
    gateway_ids = {gateway.id for gateway in content.gateways}
    for place, patient in enumerate(content.patients):
        where = f"{name}: patients[{place}]"
        _known(where, "hospital", patient.hospital, hospital_ids)
        if (patient.ward is None) != (patient.bed is None):
            raise ConfigurationError(f"{where}: ward and bed go together")
        if patient.ward and (patient.hospital, patient.ward, patient.bed) not in bed_ids:
            raise ConfigurationError(f"{where}: there is no bed {patient.bed!r} in ward {patient.ward!r}")
    for place, gateway in enumerate(content.gateways):
        _known(f"{name}: gateways[{place}]", "hospital", gateway.hospital, hospital_ids)
    for place, device in enumerate(content.devices):
        _known(f"{name}: devices[{place}]", "gateway", device.gateway, gateway_ids)
        if device.patient is not None:
            _known(f"{name}: devices[{place}]", "patient", device.patient, patient_ids)


def _known(where: str, field: str, value: str, declared: set[str]) -> None:
    if value not in declared:
        raise ConfigurationError(f"{where}.{field}: {value!r} is not declared in this file")
