"""Patients' and devices' newest values: of each vital the newest that was measured, whatever came later by another road.

Withdrawn readings and those that were corrected count as if they had never been; what can't be placed in time is nobody's newest.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, ScalarSelect, String, Subquery, literal, select, true, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.record.publications import of_reading, qualities_of
from hub.record.rows import Row, reading_of
from hub.record.schema import patients, readings
from vitals.identifiers import DeviceKey, PatientId
from vitals.parameters import Parameter, Vital
from vitals.readings import vitals_of

_candidate: Final = readings.alias("candidate")
_correction: Final = readings.alias("correction")


async def newest_of_patients(
    connection: AsyncConnection, patient_ids: Sequence[PatientId]
) -> dict[PatientId, dict[str, Any]]:
    """By patient, the data of `patient.vitals.update` with the newest value of each vital; nothing for who has none.

    `devices` names the device of each vital, `late` the vitals whose reading came late; `timestamp` is the newest measurement's.
    """
    kinds = _kinds()
    newest = _newest(_candidate.c.patient_id == patients.c.patient_id, _candidate.c.data_type == kinds.c.data_type)
    ids = select(newest).select_from(patients.join(kinds, true())).where(patients.c.patient_id.in_(patient_ids))
    found = await connection.execute(select(readings).where(readings.c.reading_id.in_(ids)))
    rows: dict[PatientId, list[Row]] = defaultdict(list)
    for row in found.mappings():
        rows[row["patient_id"]].append(row)
    return {patient_id: _merged(patient_id, of_patient) for patient_id, of_patient in rows.items()}


async def newest_of_device(connection: AsyncConnection, device: DeviceKey) -> msgspec.Raw | None:
    """The data of `device.data.update` of a device's newest reading; None where it has none."""
    newest = _newest(
        _candidate.c.device_type == device.device_type.value,
        _candidate.c.device_id == device.device_id,
        _candidate.c.n_data.is_not(None),
    )
    row = (await connection.execute(select(readings).where(readings.c.reading_id == newest))).mappings().one_or_none()
    return None if row is None else of_reading(row, 0)[0].data


def _newest(*conditions: ColumnElement[bool]) -> ScalarSelect[Any]:
    """The id of the newest reading that holds."""
    corrected = select(1).where(_correction.c.replaces == _candidate.c.reading_id).exists()
    stands = _candidate.c.withdrawn.is_(None), _candidate.c.time_uncertain.is_(False), ~corrected
    return (
        select(_candidate.c.reading_id)
        .where(*conditions, *stands)
        .order_by(_candidate.c.measured.desc(), _candidate.c.reading_id.desc())
        .limit(1)
        .scalar_subquery()
    )


def _kinds() -> Subquery:
    """All data types as a table, so that the index finds each one's newest by itself."""
    return union_all(*(select(literal(vital.value, String(32)).label("data_type")) for vital in Vital)).subquery()


def _merged(patient_id: PatientId, rows: Iterable[Row]) -> dict[str, Any]:
    in_order = sorted(rows, key=lambda row: (row["measured"], row["reading_id"]), reverse=True)
    merged: dict[str, Any] = {"patient_id": patient_id, "timestamp": in_order[0]["measured"], "measured": {}}
    for row in in_order:
        _add(merged, row)
    return merged


def _add(merged: dict[str, Any], row: Row) -> None:
    """What an older reading has of vitals that no newer one had."""
    reading = reading_of(row)
    members = {vital: value for vital, value in vitals_of(reading.values).items() if vital not in merged["measured"]}
    merged |= members
    merged["measured"] |= dict.fromkeys(members, reading.measured)
    device = {"device_type": reading.device.device_type, "device_id": reading.device.device_id}
    merged.setdefault("devices", {}).update(dict.fromkeys(members, device))
    if qualities := {vital: said for vital, said in qualities_of(reading.values).items() if vital in members}:
        merged.setdefault("quality", {}).update(qualities)
    if row["late"] and members:
        merged.setdefault("late", []).extend(members)
    if Vital.HEART_RATE in members and reading.value(Parameter.OXIMETER_PULSE_RATE) is not None:
        merged["source"] = "pulse"
