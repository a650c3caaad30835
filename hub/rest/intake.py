"""What ingest took and refused, by gateway and reason: for whoever looks after gateways and wonders why something doesn't arrive."""

from typing import Any

from fastapi import APIRouter, Request

from hub.auth.errors import Forbidden
from hub.auth.rights import Place, Verb, may, role_may
from hub.errors import Unavailable
from hub.rest.components import components_of, live_of, success
from vitals.identifiers import SYSTEM, HospitalId
from vitals.rooms import RoomKind

router = APIRouter(prefix="/ingest")


@router.get("/counters")
async def counters(request: Request) -> dict[str, Any]:
    """Entries taken, and refusals of gateways whose devices the token may watch; since this process began, of this process.

    Gateways that no hospital has registered are shown to those who may watch `admin:updates`.
    """
    live = live_of(request)
    claims = live.authenticate(request)
    if not role_may(claims, Verb.WATCH, RoomKind.HOSPITAL_DEVICES):
        raise Forbidden("your role may not watch gateways")
    intake = components_of(request).intake
    if intake is None:
        raise Unavailable("this process takes no readings in; ask one whose role is all or ingest")
    refused = {
        gateway: dict(reasons)
        for gateway, reasons in intake.counters.refused_from.items()
        if may(claims, Verb.WATCH, _place(intake.hospital_of(gateway)))
    }
    answer = {"taken": dict(intake.counters.taken), "refused": refused}
    return success(request, answer)


def _place(hospital_id: HospitalId | None) -> Place:
    """The room by which rights on a gateway are decided."""
    if hospital_id is None:
        return Place(kind=RoomKind.ADMIN_UPDATES, hospital_id=SYSTEM)
    return Place(kind=RoomKind.HOSPITAL_DEVICES, hospital_id=hospital_id)
