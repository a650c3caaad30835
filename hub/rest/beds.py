"""Beds: which there are, who lies in them, which devices are there, and the rooms to watch for them.

The latest values of each bed, with positions to subscribe from, are the snapshot's part: `/hospitals/{hospital_id}/snapshot`.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from fastapi import APIRouter, Request

from hub.auth.errors import Forbidden
from hub.auth.gate import refusal_of_unknown
from hub.auth.places import BedPlace, DeviceCondition, HospitalFacts, Registry
from hub.auth.rights import Place, Verb, may
from hub.auth.tokens import ALL, Claims
from hub.errors import NotFound
from hub.rest.components import components_of, live_of, success
from hub.rooms.messages import rfc3339
from vitals.errors import InvalidIdentifier
from vitals.identifiers import SYSTEM, DeviceKey, HospitalId, PatientId, WardId, identifier
from vitals.rooms import Room, RoomKind

router = APIRouter(prefix="/hospitals")

_HOSPITAL_ROOMS: Final = (RoomKind.HOSPITAL, RoomKind.HOSPITAL_ALERTS, RoomKind.HOSPITAL_DEVICES)
_WARD_ROOMS: Final = (RoomKind.WARD, RoomKind.WARD_VITALS, RoomKind.WARD_ALERTS)
_PATIENT_ROOMS: Final = (RoomKind.PATIENT, RoomKind.PATIENT_VITALS, RoomKind.PATIENT_ALERTS)


@router.get("")
async def hospitals(request: Request) -> dict[str, Any]:
    """The hospitals that the token covers, in whole or in part."""
    claims = live_of(request).authenticate(request)
    registry = components_of(request).registry
    found = [await registry.hospital(hospital_id) for hospital_id in await _covered(registry, claims)]
    return success(request, [_named(hospital) for hospital in found if hospital is not None])


@router.get("/{hospital_id}/beds")
async def beds(
    request: Request, hospital_id: str, ward: str | None = None, patient: str | None = None
) -> dict[str, Any]:
    """The beds of a hospital that the token may watch, and the rooms in which everything about them is told.

    `ward` and `patient` narrow both. A device's `status` is `gateway_offline` while its gateway is away, `unknown` until it has said one.
    """
    claims = live_of(request).authenticate(request)
    registry = components_of(request).registry
    view, permitted = await permitted_beds(registry, claims, hospital_id)
    shown = [bed for bed in permitted if ward in (None, bed.ward_id) and patient in (None, bed.patient_id)]
    narrowed = ward is not None or patient is not None
    if narrowed and not shown:
        raise NotFound("bed with patient", patient[:100]) if patient is not None else NotFound("ward", str(ward)[:100])
    rooms = view.rooms(shown, whole_hospital=not narrowed, whole_wards=patient is None)
    answer = {**view.named, "rooms": [str(room) for room in rooms], "beds": [_shown(bed) for bed in shown]}
    return success(request, answer)


async def permitted_beds(registry: Registry, claims: Claims, hospital_id: str) -> tuple["View", list[BedPlace]]:
    """The hospital as the token sees it, and the beds that it may watch. Raises NotFound or Forbidden."""
    hospital = await registry.hospital(_known("hospital", hospital_id))
    if hospital is None:
        raise refusal_of_unknown(claims, Room(kind=RoomKind.HOSPITAL, hospital_id=hospital_id))
    view = View(claims, hospital)
    permitted = [bed for bed in await registry.beds(hospital_id) if view.may_watch(bed)]
    if not permitted and not view.covers_hospital:
        raise Forbidden(f"your token may watch no bed of hospital {hospital_id}")
    return view, permitted


class View:
    """One token's view of one hospital."""

    def __init__(self, claims: Claims, hospital: HospitalFacts) -> None:
        self._claims = claims
        self._hospital = hospital

    @property
    def named(self) -> dict[str, Any]:
        """The hospital's id, name and zone."""
        return _named(self._hospital)

    @property
    def ward_ids(self) -> Sequence[WardId]:
        return self._hospital.ward_ids

    @property
    def covers_hospital(self) -> bool:
        return all(self._may(kind) for kind in _HOSPITAL_ROOMS)

    def may_watch(self, bed: BedPlace) -> bool:
        return self.may_ward(bed.ward_id) or (
            bed.patient_id is not None and self._may(RoomKind.PATIENT, ward_id=bed.ward_id, patient_id=bed.patient_id)
        )

    def rooms(self, beds: Sequence[BedPlace], *, whole_hospital: bool, whole_wards: bool) -> tuple[Room, ...]:
        """The fewest rooms in which everything about `beds` is told; those of the hospital or of wards only where wanted."""
        wards = sorted({bed.ward_id for bed in beds if whole_wards and self.may_ward(bed.ward_id)})
        rooms = [Room(kind=RoomKind.SYSTEM_ALERTS)]
        if whole_hospital and self.covers_hospital:
            wards = list(self._hospital.ward_ids)
            rooms += [Room(kind=kind, hospital_id=self._hospital.hospital_id) for kind in _HOSPITAL_ROOMS]
        else:
            rooms += [Room(kind=RoomKind.DEVICE_STATUS, device=device) for device in _devices(beds)]
        rooms += [
            Room(kind=kind, hospital_id=self._hospital.hospital_id, ward_id=ward)
            for ward in wards
            for kind in _WARD_ROOMS
        ]
        alone = [bed.patient_id for bed in beds if bed.ward_id not in wards and bed.patient_id is not None]
        rooms += [Room(kind=kind, patient_id=patient_id) for patient_id in alone for kind in _PATIENT_ROOMS]
        return tuple(rooms)

    def may_ward(self, ward_id: WardId) -> bool:
        return all(self._may(kind, ward_id=ward_id) for kind in _WARD_ROOMS)

    def _may(self, kind: RoomKind, *, ward_id: WardId | None = None, patient_id: PatientId | None = None) -> bool:
        place = Place(kind=kind, hospital_id=self._hospital.hospital_id, ward_id=ward_id, patient_id=patient_id)
        return may(self._claims, Verb.WATCH, place)


def _devices(beds: Sequence[BedPlace]) -> Iterator[DeviceKey]:
    return (condition.device for bed in beds for condition in bed.devices)


async def _covered(registry: Registry, claims: Claims) -> list[HospitalId]:
    """The hospitals of a token's scope: all, or those that it names itself, by wards, or by patients."""
    if ALL in claims.hospitals:
        return sorted(await registry.hospital_ids())
    named = set(claims.hospitals) | {ward.partition(":")[0] for ward in claims.wards}
    places = [await registry.patient(patient_id) for patient_id in sorted(claims.patients - {ALL})]
    return sorted((named | {place.hospital_id for place in places if place is not None}) - {ALL, SYSTEM})


def _known(kind: str, text: str) -> str:
    try:
        return identifier(kind, text)
    except InvalidIdentifier as error:
        raise NotFound(kind, text[:100]) from error


def _named(hospital: HospitalFacts) -> dict[str, Any]:
    return {"hospital_id": hospital.hospital_id, "name": hospital.name, "zone": hospital.zone}


def _shown(bed: BedPlace) -> dict[str, Any]:
    devices = [_condition(device) for device in bed.devices]
    return {"ward_id": bed.ward_id, "bed": bed.bed_id, "patient_id": bed.patient_id, "devices": devices}


def _condition(device: DeviceCondition) -> dict[str, Any]:
    return {
        "device_type": device.device.device_type,
        "device_id": device.device.device_id,
        "gateway_id": device.gateway_id,
        "status": device.status,
        "battery": device.battery_percent,
        "faults": list(device.faults),
        "since": rfc3339(device.since) if device.since else None,
    }
