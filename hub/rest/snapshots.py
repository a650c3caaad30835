"""The latest state of each bed of a hospital or a ward, with positions to subscribe from: what a screen begins with.

Positions are read first, then the record, at one N (delivery rule 26). Whoever subscribes from a position gets all that came after it;
messages with an `n` up to the position's are in the snapshot already, and aren't shown any more (rule 27).
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request

from hub.auth.errors import Forbidden
from hub.auth.places import BedPlace
from hub.auth.tokens import Claims
from hub.errors import NotFound, RoomsUnavailable
from hub.latest import LatestStates
from hub.rest.beds import View, permitted_beds
from hub.rest.components import components_of, live_of, success
from hub.rooms.messages import RoomAddress, RoomTop
from vitals.identifiers import SYSTEM, HospitalId
from vitals.rooms import Room, RoomKind

router = APIRouter()

ATTEMPTS: Final = 5
"""How often rooms and record are read that do not agree, because someone was just moved or an owner has just taken over."""

Answer = dict[str, Any]


@router.get("/hospitals/{hospital_id}/snapshot")
async def hospital_snapshot(request: Request, hospital_id: str) -> Answer:
    """The beds of a hospital that the token may watch, each with patient, values, alerts and devices; and positions of their rooms."""
    claims = live_of(request).authenticate(request)
    return await _answer(request, claims, hospital_id, None)


@router.get("/wards/{hospital_id}/{ward_id}/snapshot")
async def ward_snapshot(request: Request, hospital_id: str, ward_id: str) -> Answer:
    """As of a hospital, of one of its wards."""
    claims = live_of(request).authenticate(request)
    return await _answer(request, claims, hospital_id, ward_id)


async def _answer(request: Request, claims: Claims, hospital_id: HospitalId, ward_id: str | None) -> Answer:
    for _ in range(ATTEMPTS):
        view, permitted = await permitted_beds(components_of(request).registry, claims, hospital_id)
        beds = [bed for bed in permitted if ward_id in (None, bed.ward_id)]
        if ward_id is not None and not beds:
            _check_ward(view, hospital_id, ward_id)
        if (taken := await _taken(request, view, hospital_id, beds, ward_id)) is not None:
            return success(request, view.named | taken)
    raise RoomsUnavailable("rooms and record do not agree now, as right after a restore; try again")


def _check_ward(view: View, hospital_id: HospitalId, ward_id: str) -> None:
    """Raises NotFound or Forbidden for a ward of which the token may watch no bed, and which is not merely without beds."""
    if ward_id in view.ward_ids and view.may_ward(ward_id):
        return
    if ward_id not in view.ward_ids and view.covers_hospital:
        raise NotFound("ward", f"{hospital_id}:{ward_id}"[:100])
    raise Forbidden(f"your token may watch no bed of ward {ward_id[:100]}")


async def _taken(
    request: Request, view: View, hospital_id: HospitalId, beds: Sequence[BedPlace], ward_id: str | None
) -> Answer | None:
    """One attempt; None where rooms and record, or the beds that were asked for and those of the record, do not agree."""
    tops = await _tops(request, hospital_id, view.rooms(beds, whole_hospital=ward_id is None, whole_wards=True))
    wards = sorted({bed.ward_id for bed in beds})
    ward_rooms = [str(Room(kind=RoomKind.WARD, hospital_id=hospital_id, ward_id=ward)) for ward in wards]
    patients = [bed.patient_id for bed in beds if bed.patient_id is not None]
    rooms = [str(Room(kind=kind, patient_id=patient)) for kind in _OF_PATIENT for patient in patients]
    latest = await components_of(request).latest.states(hospital_id, [*ward_rooms, *rooms])
    if not all(latest.covers(top.record_epoch, top.n) for room, top in tops.items() if room.hospital_id == hospital_id):
        return None
    recorded = {(bed["ward_id"], bed["bed"]): bed for room in ward_rooms for bed in _state(latest, room)["beds"]}
    shown = [recorded.get((bed.ward_id, bed.bed_id), {}) for bed in beds]
    if [bed.get("patient_id") for bed in shown] != [bed.patient_id for bed in beds]:
        return None
    return {
        "n": latest.n,
        "rooms": {address.room: _position(top, address, latest) for address, top in tops.items()},
        "beds": [bed | _of_patient(latest, bed["patient_id"]) for bed in shown],
    }


_OF_PATIENT: Final = (RoomKind.PATIENT_VITALS, RoomKind.PATIENT_ALERTS)


async def _tops(request: Request, hospital_id: HospitalId, rooms: Sequence[Room]) -> dict[RoomAddress, RoomTop]:
    addresses = [
        RoomAddress(hospital_id=SYSTEM if room.kind is RoomKind.SYSTEM_ALERTS else hospital_id, room=str(room))
        for room in rooms
    ]
    found = await live_of(request).rooms.room_tops(addresses)
    tops = {address: top for address, top in found.items() if top is not None}
    if len(tops) < len(addresses):
        raise RoomsUnavailable(f"the rooms of {hospital_id} have no epoch yet; try again")
    return {address: tops[address] for address in addresses}


def _position(top: RoomTop, address: RoomAddress, latest: LatestStates) -> Answer:
    n = top.n if address.hospital_id == SYSTEM else latest.n
    return {"epoch": top.epoch, "offset": top.offset, "n": n}


def _of_patient(latest: LatestStates, patient_id: str | None) -> Answer:
    if patient_id is None:
        return {"vitals": None, "alerts": None}
    vitals, alerts = (str(Room(kind=kind, patient_id=patient_id)) for kind in _OF_PATIENT)
    return {"vitals": _state(latest, vitals), "alerts": _state(latest, alerts)}


def _state(latest: LatestStates, room: str) -> Answer:
    state: Answer = msgspec.json.decode(latest.states[room] or b"{}")
    return state
