"""What people do that changes the ward: admit, discharge, say a patient's status, raise the alarm, announce."""

from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Request

from hub.auth.rights import Verb
from hub.errors import Invalid, NotFound
from hub.record.inbox import RequestKind
from hub.rest.components import live_of, permitted, success
from hub.rest.submitting import Body, converted, json_of, submit
from vitals.errors import InvalidIdentifier
from vitals.events import EventName, HospitalNotice, Scope, Severity, SystemNotice, Text
from vitals.identifiers import SYSTEM, BedId, WardId, identifier
from vitals.readings import Instant
from vitals.rooms import Room, RoomKind

router = APIRouter()

MAX_STATUS: Final = 100


class Admission(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    ward_id: WardId
    bed: BedId


class Discharge(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nothing is to be said."""


class Status(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    status: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_STATUS)]
    reason: Text | None = None


class Notice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    severity: Severity
    message: Text
    data: dict[str, Any] = {}


class Announcement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`event` is system.alert, system.maintenance or system.update."""

    event: EventName
    message: Text
    severity: Severity | msgspec.UnsetType = msgspec.UNSET
    starts: Instant | msgspec.UnsetType = msgspec.UNSET
    ends: Instant | msgspec.UnsetType = msgspec.UNSET
    version: Text | msgspec.UnsetType = msgspec.UNSET


@router.post("/patients/{patient_id}/admission")
async def admit(request: Request, patient_id: str) -> dict[str, Any]:
    """Admit a patient to a bed: `ward_id`, `bed`."""
    hospital_id, by = await _patient(request, patient_id)
    asked = await _asked(request, Admission)
    payload = {"patient_id": patient_id, "ward_id": asked.ward_id, "bed_id": asked.bed, "author": by}
    return await _done(request, hospital_id, RequestKind.ADMIT, payload)


@router.post("/patients/{patient_id}/discharge")
async def discharge(request: Request, patient_id: str) -> dict[str, Any]:
    """Discharge a patient; it ends their hold on every device."""
    hospital_id, by = await _patient(request, patient_id)
    await _asked(request, Discharge)
    return await _done(request, hospital_id, RequestKind.DISCHARGE, {"patient_id": patient_id, "author": by})


@router.post("/patients/{patient_id}/status")
async def change_status(request: Request, patient_id: str) -> dict[str, Any]:
    """Say a patient's status: `status`, optional `reason`."""
    hospital_id, by = await _patient(request, patient_id)
    asked = await _asked(request, Status)
    payload = {"patient_id": patient_id, "status": asked.status, "reason": asked.reason, "author": by}
    return await _done(request, hospital_id, RequestKind.STATUS_CHANGE, payload)


@router.post("/hospitals/{hospital_id}/alerts")
async def raise_hospital_alert(request: Request, hospital_id: str) -> dict[str, Any]:
    """A hospital-wide alert: `severity`, `message`, optional `data`."""
    return await _notice(request, hospital_id, EventName.HOSPITAL_ALERT)


@router.post("/hospitals/{hospital_id}/emergencies")
async def raise_emergency(request: Request, hospital_id: str) -> dict[str, Any]:
    """An emergency, to the hospital and all its wards: `severity`, `message`, optional `data`."""
    return await _notice(request, hospital_id, EventName.HOSPITAL_EMERGENCY)


@router.post("/system/announcements")
async def announce(request: Request) -> dict[str, Any]:
    """Tell everyone: `event` (system.alert, system.maintenance, system.update), `message`, optional details."""
    await permitted(request, Verb.OPERATE, Room(kind=RoomKind.SYSTEM_ALERTS))
    asked = await _asked(request, Announcement)
    if not asked.event.startswith("system."):
        raise Invalid("event: one of system.alert, system.maintenance, system.update")
    notice = SystemNotice(
        message=asked.message, severity=asked.severity, starts=asked.starts, ends=asked.ends, version=asked.version
    )
    payload = {"event": asked.event, "data": notice, "scope": Scope()}
    return await _done(request, SYSTEM, RequestKind.ANNOUNCE, payload)


async def _notice(request: Request, hospital_id: str, event: EventName) -> dict[str, Any]:
    live_of(request).authenticate(request)
    room = Room(kind=RoomKind.HOSPITAL_ALERTS, hospital_id=_known("hospital", hospital_id))
    await permitted(request, Verb.OPERATE, room)
    asked = await _asked(request, Notice)
    notice = HospitalNotice(hospital_id=hospital_id, severity=asked.severity, message=asked.message, data=asked.data)
    payload = {"event": event, "data": notice, "scope": Scope(hospital_id=hospital_id)}
    return await _done(request, hospital_id, RequestKind.ANNOUNCE, payload)


async def _patient(request: Request, patient_id: str) -> tuple[str, str]:
    """The patient's hospital and the caller, when they may."""
    live_of(request).authenticate(request)
    room = Room(kind=RoomKind.PATIENT, patient_id=_known("patient", patient_id))
    claims, hospital_id = await permitted(request, Verb.OPERATE, room)
    return hospital_id, claims.sub


def _known(kind: str, text: str) -> str:
    try:
        return identifier(kind, text)
    except InvalidIdentifier as error:
        raise NotFound(kind, text[:100]) from error


async def _asked(request: Request, body: type[Body]) -> Body:
    return converted(await json_of(request), body)


async def _done(request: Request, hospital_id: str, kind: RequestKind, payload: object) -> dict[str, Any]:
    outcome = await submit(request, hospital_id, kind, payload)
    return success(request, outcome.answer)
