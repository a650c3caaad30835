"""Break-glass: in an emergency a clinician opens a patient who is outside their scope. It is recorded, shown to admins at once, and ends by itself."""

from datetime import timedelta
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request

from hub.auth.access import Opening
from hub.auth.errors import Forbidden
from hub.auth.rights import Verb, may, role_may
from hub.errors import Conflict, NotFound
from hub.rest.components import components_of, live_of, permitted, success
from hub.rest.submitting import converted, json_of
from hub.rooms.messages import rfc3339
from vitals.errors import InvalidIdentifier
from vitals.events import MAX_TEXT
from vitals.identifiers import identifier
from vitals.rooms import Room, RoomKind

router = APIRouter()


class Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why, in words for those who will ask."""

    reason: Annotated[str, msgspec.Meta(min_length=3, max_length=MAX_TEXT, pattern=r"\S")]


@router.post("/patients/{patient_id}/break-glass", status_code=201)
async def open_patient(request: Request, patient_id: str) -> dict[str, Any]:
    """Open a patient outside the caller's scope, for a limited time: `reason`."""
    live = live_of(request)
    room = _room(request, patient_id)
    claims, hospital_id = await permitted(request, Verb.BREAK_GLASS, room)
    asked = converted(await json_of(request), Asked)
    place = await live.gate.place(room)
    in_scope = msgspec.structs.replace(claims, opened=frozenset())
    if place is not None and may(in_scope, Verb.WATCH, place):
        raise Conflict(f"patient {patient_id} is in your scope; there is nothing to open")
    now = live.now()
    opening = Opening(
        opening_id=live.new_id(),
        subject=claims.sub,
        patient_id=patient_id,
        hospital_id=hospital_id,
        reason=asked.reason,
        starts=now,
        ends=now + timedelta(seconds=live.limits.break_glass_seconds),
    )
    await components_of(request).access.open_patient(opening)
    await live.oversight.look_now()
    return success(
        request, {"opening_id": opening.opening_id, "patient_id": patient_id, "until": rfc3339(opening.ends)}
    )


@router.delete("/patients/{patient_id}/break-glass")
async def close_patient(
    request: Request, patient_id: str, subject: Annotated[str | None, Query(min_length=1, max_length=200)] = None
) -> dict[str, Any]:
    """End it early: one's own, or as an admin that of the user `subject`."""
    live = live_of(request)
    room = _room(request, patient_id)
    claims = live.authenticate(request)
    if subject is None or subject == claims.sub:
        subject = claims.sub
        if not role_may(claims, Verb.BREAK_GLASS, room.kind):
            raise Forbidden(f"your role may not {Verb.BREAK_GLASS}; admins name the user with ?subject=")
    else:
        await permitted(request, Verb.ADMINISTER, room)
    ended = await components_of(request).access.close_patient(subject, patient_id, author=claims.sub)
    if ended is None:
        raise NotFound("break-glass of patient", patient_id)
    await live.oversight.look_now()
    return success(request, {"opening_id": ended, "patient_id": patient_id})


@router.get("/hospitals/{hospital_id}/break-glass")
async def standing(request: Request, hospital_id: str) -> dict[str, Any]:
    """Who has opened whom, and why, as of now."""
    try:
        room = Room(kind=RoomKind.HOSPITAL, hospital_id=identifier("hospital", hospital_id))
    except InvalidIdentifier as error:
        raise NotFound("hospital", hospital_id[:100]) from error
    await permitted(request, Verb.ADMINISTER, room)
    openings = await components_of(request).access.openings()
    return success(request, [_shown(opening) for opening in openings if opening.hospital_id == hospital_id])


def _shown(opening: Opening) -> dict[str, Any]:
    return {
        "opening_id": opening.opening_id,
        "by": opening.subject,
        "patient_id": opening.patient_id,
        "reason": opening.reason,
        "from": rfc3339(opening.starts),
        "until": rfc3339(opening.ends),
    }


def _room(request: Request, patient_id: str) -> Room:
    live_of(request).authenticate(request)
    try:
        return Room(kind=RoomKind.PATIENT, patient_id=identifier("patient", patient_id))
    except InvalidIdentifier as error:
        raise NotFound("patient", patient_id[:100]) from error
