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

import hashlib
import logging
import tomllib
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from sqlalchemy import Table, and_, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.errors import ConfigurationError
from hub.record.engine import Engine
from hub.record.schema import assignments, beds, devices, gateways, hospitals, patients, stays, wards
from vitals.errors import IDENTIFIER_FORM
from vitals.identifiers import PATTERN, SYSTEM, BedId, DeviceId, DeviceType, GatewayId, HospitalId, PatientId, WardId

log = logging.getLogger(__name__)

AUTHOR: Final = "registry file"
_FROM_THE_START: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Since when what the file says holds: it knows no times, and a buffered reading is older than the hub's start."""


class AgeGroup(StrEnum):
    ADULT = "adult"
    CHILD = "child"
    NEONATE = "neonate"


_CHOICES: Final[Mapping[str, type[StrEnum]]] = {"type": DeviceType, "age_group": AgeGroup}
"""The words that there are for a key."""


def _text(most: int, *, least: int = 0) -> msgspec.Meta:
    """What the record has room for, without control characters."""
    return msgspec.Meta(min_length=least, max_length=most, pattern=r"^[^\x00-\x1f\x7f-\x9f]*\Z")


Name: TypeAlias = Annotated[str, _text(200, least=1)]
Zone: TypeAlias = Annotated[str, _text(64, least=1)]
RecordNumber: TypeAlias = Annotated[str, _text(64, least=1)]
Sex: TypeAlias = Annotated[str, _text(16)]


class _Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Ward(_Entry, frozen=True, kw_only=True):
    id: WardId
    name: Name
    beds: tuple[BedId, ...] = ()


class Hospital(_Entry, frozen=True, kw_only=True):
    id: HospitalId
    name: Name
    zone: Zone = "UTC"
    wards: tuple[Ward, ...] = ()


class Patient(_Entry, frozen=True, kw_only=True):
    id: PatientId
    hospital: HospitalId
    name: Name
    record_number: RecordNumber
    age_group: AgeGroup
    birth_date: date | None = None
    sex: Sex | None = None
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
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path.name}: {error}") from error
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{path.name}: {_explained(str(error))}") from error
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
    if added and patient.ward and patient.bed and not await _is_occupied(connection, patient):
        await connection.execute(
            insert(stays).values(
                stay_id=_first(patient.id),
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
                assignment_id=_first(device.type, device.id),
                patient_id=device.patient,
                starts=_FROM_THE_START,
                author=AUTHOR,
                **key,
            )
        )


async def _is_occupied(connection: AsyncConnection, patient: Patient) -> bool:
    """Whether people have put another into the bed since the file was written: they are right."""
    bed = and_(stays.c.hospital_id == patient.hospital, stays.c.ward_id == patient.ward, stays.c.bed_id == patient.bed)
    found = await connection.scalar(select(stays.c.stay_id).where(bed, stays.c.discharged.is_(None)))
    if found is not None:
        log.warning("a patient is added without a bed: %s:%s is occupied by now", patient.ward, patient.bed)
    return found is not None


def _first(*names: str) -> str:
    """The id of the stay or link that the file itself begins: the same each time, and no other's."""
    return f"{hashlib.blake2b(':'.join(names).encode(), digest_size=16).hexdigest()}.first"


async def _add(connection: AsyncConnection, table: Table, key: Mapping[str, Any], **values: object) -> bool:
    """Insert a row unless there is one under its key; whether it was inserted."""
    condition = and_(*(table.c[name] == value for name, value in key.items()))
    if (await connection.execute(select(table).where(condition))).first() is not None:
        return False
    await connection.execute(insert(table).values(**key, **values))
    return True


def _explained(error: str) -> str:
    """msgspec's words about an entry: its place first, and what there is in place of what is wrong."""
    said, _, place = error.rpartition(" - at `$.")
    if not said:
        return error
    key = place.removesuffix("`")
    if said.startswith("Invalid enum value") and (choices := _CHOICES.get(key.rpartition(".")[2])):
        said += f"; there are {', '.join(choices)}"
    if said.endswith(f"regex {PATTERN!r}"):
        said = f"must be {IDENTIFIER_FORM}"
    return f"{key}: {said}"


def _check(content: RegistryFile, name: str) -> None:
    """Every name that one entry uses must be declared by another, and each thing once."""
    _check_hospitals(content, name)
    _check_patients(content, name)
    gateway_hospitals = {gateway.id: gateway.hospital for gateway in content.gateways}
    patient_hospitals = {patient.id: patient.hospital for patient in content.patients}
    _once(f"{name}: gateways", [gateway.id for gateway in content.gateways])
    for place, gateway in enumerate(content.gateways):
        _known(f"{name}: gateways[{place}]", "hospital", gateway.hospital, {each.id for each in content.hospitals})
    _once(f"{name}: devices", [f"{device.type}:{device.id}" for device in content.devices])
    for place, device in enumerate(content.devices):
        where = f"{name}: devices[{place}]"
        _known(where, "gateway", device.gateway, gateway_hospitals)
        if device.patient is None:
            continue
        _known(where, "patient", device.patient, patient_hospitals)
        if patient_hospitals[device.patient] != gateway_hospitals[device.gateway]:
            raise ConfigurationError(f"{where}.patient: {device.patient!r} is of another hospital than its gateway")


def _check_hospitals(content: RegistryFile, name: str) -> None:
    _once(f"{name}: hospitals", [hospital.id for hospital in content.hospitals])
    for place, hospital in enumerate(content.hospitals):
        where = f"{name}: hospitals[{place}]"
        if hospital.id == SYSTEM:
            raise ConfigurationError(f"{where}: {SYSTEM!r} is the hub's own; choose another id")
        _check_zone(f"{where}.zone", hospital.zone)
        _once(f"{where}.wards", [ward.id for ward in hospital.wards])
        for number, ward in enumerate(hospital.wards):
            _once(f"{where}.wards[{number}].beds", ward.beds)


def _check_zone(where: str, zone: str) -> None:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigurationError(f"{where}: {zone!r} is no time zone; try Europe/Berlin") from error


def _check_patients(content: RegistryFile, name: str) -> None:
    hospital_ids = {hospital.id for hospital in content.hospitals}
    bed_ids = {(h.id, ward.id, bed) for h in content.hospitals for ward in h.wards for bed in ward.beds}
    _once(f"{name}: patients", [patient.id for patient in content.patients])
    lying: set[tuple[HospitalId, WardId, BedId]] = set()
    for place, patient in enumerate(content.patients):
        where = f"{name}: patients[{place}]"
        _known(where, "hospital", patient.hospital, hospital_ids)
        if (patient.ward is None) != (patient.bed is None):
            raise ConfigurationError(f"{where}: ward and bed go together")
        if patient.ward is None or patient.bed is None:
            continue
        bed = patient.hospital, patient.ward, patient.bed
        if bed not in bed_ids:
            raise ConfigurationError(f"{where}: there is no bed {patient.bed!r} in ward {patient.ward!r}")
        if bed in lying:
            raise ConfigurationError(
                f"{where}: bed {patient.bed!r} of ward {patient.ward!r} has another patient already"
            )
        lying.add(bed)


def _known(where: str, field: str, value: str, declared: Collection[str]) -> None:
    if value not in declared:
        raise ConfigurationError(f"{where}.{field}: {value!r} is not declared in this file")


def _once(where: str, names: Sequence[str]) -> None:
    seen: set[str] = set()
    for place, named in enumerate(names):
        if named in seen:
            raise ConfigurationError(f"{where}[{place}]: {named!r} is there already")
        seen.add(named)
