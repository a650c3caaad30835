"""Testing and watching the live side: test publish, statistics, history."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request

from hub.auth.errors import Forbidden
from hub.auth.rights import Verb
from hub.errors import Invalid, RoomsUnavailable
from hub.realtime.census import statistics as data_of
from hub.realtime.recovery import history_page
from hub.record.inbox import RequestKind
from hub.rest.components import components_of, live_of, permitted, success
from hub.rest.rates import spend
from hub.rest.strict_json import MAX_INTEGER
from hub.rest.submitting import json_of, submit
from hub.rest.trial_events import TrialEvent, check_trial_event, scope_of
from hub.rooms.live_only import LiveMessage
from hub.rooms.messages import Position, RoomAddress, rfc3339
from vitals.envelope import encode
from vitals.errors import InvalidRoom
from vitals.events import EVENTS, EventName, Scope, rooms_of
from vitals.identifiers import SYSTEM
from vitals.rooms import LIVE_ONLY, parse_room

router = APIRouter(prefix="/realtime")


@router.post("/test/publish")
async def publish_test_event(request: Request) -> dict[str, Any]:
    """Publish a test event to its rooms. It is marked `test`, and touches neither observations nor alarms."""
    live = live_of(request)
    claims = live.authenticate(request)
    if request.app.state.settings.production:
        raise Forbidden("test events are switched off in production settings")
    await spend(request, claims)
    fields = await json_of(request)
    event_id = live.new_id()
    test = check_trial_event(fields, by=claims.sub, now=live.now(), event_id=event_id)
    _, hospital_id = await permitted(request, Verb.PUBLISH, test.subject)
    scope = await _scope(request, test, hospital_id)
    if EVENTS[test.event].is_live_only:
        return await _told_at_once(request, test, scope, event_id)
    payload = {"event": test.event, "data": test.data, "scope": scope}
    outcome = await submit(request, hospital_id, RequestKind.TEST_PUBLISH, payload)
    data = {"event_id": outcome.answer["event_id"], "rooms": outcome.answer["rooms"], "test": True}
    return success(request, data)


async def _told_at_once(request: Request, test: TrialEvent, scope: Scope, event_id: str) -> dict[str, Any]:
    """A test event that nobody remembers needs no owner: those who watch its room have it."""
    live = live_of(request)
    now = live.now()
    message = LiveMessage(event=test.event, event_id=event_id, data=encode(test.data), timestamp=now, test=True)
    rooms = {str(room): [message] for room in rooms_of(test.event, scope)}
    await live.rooms.publish_live(scope.hospital_id or SYSTEM, rooms, fence=None)
    data = {"event_id": event_id, "rooms": [*rooms], "test": True}
    return {"success": True, "data": data, "timestamp": rfc3339(now)}


async def _scope(request: Request, test: TrialEvent, hospital_id: str) -> Scope:
    """Where the registry says that the event's subject is."""
    registry = components_of(request).registry
    patient_id = test.subject.patient_id
    if test.subject.device is not None and (device := await registry.device(test.subject.device)) is not None:
        patient_id = device.patient.patient_id if device.patient else None
    wards: tuple[str, ...] = ()
    if patient_id is not None and (patient := await registry.patient(patient_id)) is not None:
        wards = (patient.ward_id,) if patient.ward_id else ()
    if test.event is EventName.HOSPITAL_EMERGENCY and (hospital := await registry.hospital(hospital_id)) is not None:
        wards = tuple(hospital.ward_ids)
    return scope_of(test, hospital_id=hospital_id, wards=wards, patient_id=patient_id)


@router.get("/stats")
async def statistics(request: Request) -> dict[str, Any]:
    """Connections, users and rooms over all nodes. While Redis does not answer, of this node alone: then `partial` says so."""
    live = live_of(request)
    claims = live.authenticate(request)
    partial: dict[str, Any] = {}
    try:
        figures = await live.shared.census.figures()
    except RoomsUnavailable as error:
        figures, partial = live.shared.census.own(), {"partial": f"this node alone: {error}"}
    data = data_of(figures, claims, await components_of(request).registry.hospital_ids())
    return success(request, data) | partial


@router.get("/history/{room}")
async def history(
    request: Request,
    room: str,
    epoch: Annotated[str | None, Query(max_length=64)] = None,
    offset: Annotated[int | None, Query(ge=0, le=MAX_INTEGER)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> dict[str, Any]:
    """Messages that a room's history still has: after a position (`epoch` and `offset`), or the newest."""
    if (epoch is None) != (offset is None):
        raise Invalid("give epoch and offset together")
    try:
        parsed = parse_room(room)
    except InvalidRoom as error:
        raise Invalid(str(error)) from error
    _, hospital_id = await permitted(request, Verb.WATCH, parsed)
    if parsed.kind in LIVE_ONLY:
        raise Invalid(f"{room} is live only: it has no history")
    since = Position(epoch=epoch, offset=offset) if epoch is not None and offset is not None else None
    address = RoomAddress(hospital_id=hospital_id, room=room)
    page = await history_page(live_of(request).rooms, address, since=since, limit=limit)
    data = msgspec.json.decode(msgspec.json.encode(page))
    return success(request, data)
