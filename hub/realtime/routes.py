"""The live endpoints. Every one checks token and rooms before it accepts anything."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from fastapi import APIRouter, Request, WebSocket
from starlette.requests import HTTPConnection
from starlette.responses import Response

from hub.auth.places import Registry
from hub.auth.rights import Place, Verb, hospitals_named, may
from hub.auth.tokens import ALL, Claims
from hub.errors import HubError, Unavailable
from hub.realtime.live import Live, endpoint_rooms
from hub.realtime.sse import EventStream, Stream
from hub.realtime.websocket import serve_websocket
from hub.rest.problems import TooMany, problem_of
from hub.rooms.messages import RoomAddress
from vitals.identifiers import SYSTEM, HospitalId
from vitals.rooms import Room, RoomKind

router = APIRouter(prefix="/realtime")

MAX_GLOBAL_ROOMS: Final = 20_000
MAX_EXACT_ROOMS: Final = 256
"""Beyond, a cursor is no longer sure to fit into a header."""
_STREAM: Final = {"content": {"text/event-stream": {}}, "description": "Server-sent events"}


def live_of(connection: HTTPConnection) -> Live:
    live: Live = connection.app.state.live
    return live


async def _websocket(websocket: WebSocket, subject: str | None, *identifiers: str) -> None:
    live = live_of(websocket)
    try:
        claims = live.authenticate(websocket)
        names = endpoint_rooms(subject, *identifiers) if subject else ()
        addresses = await live.admit(claims, names)
    except HubError as error:
        await websocket.send_denial_response(problem_of(error))
        return
    await serve_websocket(live, websocket, claims, addresses)


@router.websocket("/ws")
async def websocket_main(websocket: WebSocket) -> None:
    await _websocket(websocket, None)


@router.websocket("/ws/patient/{patient_id}")
async def websocket_patient(websocket: WebSocket, patient_id: str) -> None:
    await _websocket(websocket, "patient", patient_id)


@router.websocket("/ws/hospital/{hospital_id}")
async def websocket_hospital(websocket: WebSocket, hospital_id: str) -> None:
    await _websocket(websocket, "hospital", hospital_id)


@router.websocket("/ws/device/{device_type}/{device_id}")
async def websocket_device(websocket: WebSocket, device_type: str, device_id: str) -> None:
    await _websocket(websocket, "device", device_type, device_id)


async def _stream(request: Request, subject: str, *identifiers: str, more: Sequence[Room] = ()) -> Response:
    live = live_of(request)
    claims = live.authenticate(request)
    addresses = await live.admit(claims, (*endpoint_rooms(subject, *identifiers), *map(str, more)))
    return await _opened(live, request, Stream(live, claims, addresses))


async def _opened(live: Live, request: Request, stream: Stream) -> Response:
    if live.clients.draining:
        raise Unavailable("this node is stopping; reconnect")
    async with live.shared.admission.place(stream.user) as allowed:
        stream.claims = live.doorkeeper.still(stream.claims)
        if not (allowed and live.clients.enter(stream)):
            raise TooMany(f"at most {live.limits.user_connections} connections a user; close one, or try again later")
    cursor = request.headers.get("last-event-id") or request.query_params.get("last_event_id")
    return EventStream(live, stream, cursor)


@router.get("/events/patient/{patient_id}", responses={200: _STREAM}, response_class=Response)
async def events_of_patient(request: Request, patient_id: str, *, waveforms: bool = False) -> Response:
    """A patient's three rooms, and with `waveforms` that of the waveforms."""
    more = (Room(kind=RoomKind.PATIENT_WAVEFORMS, patient_id=patient_id),) if waveforms else ()
    return await _stream(request, "patient", patient_id, more=more)


@router.get("/events/hospital/{hospital_id}", responses={200: _STREAM}, response_class=Response)
async def events_of_hospital(request: Request, hospital_id: str) -> Response:
    """A hospital's three rooms."""
    return await _stream(request, "hospital", hospital_id)


@router.get("/events/device/{device_type}/{device_id}", responses={200: _STREAM}, response_class=Response)
async def events_of_device(request: Request, device_type: str, device_id: str) -> Response:
    """A device's two rooms."""
    return await _stream(request, "device", device_type, device_id)


@router.get("/events", responses={200: _STREAM}, response_class=Response)
async def events(request: Request) -> Response:
    """All that the token may see, live. Resumes hospital, ward and system rooms exactly."""
    live = live_of(request)
    claims = live.authenticate(request)
    in_scope = partial(global_rooms, request.app.state.components.registry)
    addresses = await in_scope(claims)
    return await _opened(
        live, request, Stream(live, claims, addresses, exact=exact_rooms(addresses), in_scope=in_scope)
    )


def exact_rooms(addresses: Sequence[RoomAddress]) -> frozenset[str]:
    """The rooms that the global stream's cursor holds: a header has no place for thousands.

    A patient's status and alerts come by the ward's and the hospital's rooms too; a token for single patients has few rooms, and
    keeps them all exactly save numerics.
    """
    shared = [address.room for address in addresses if not address.room.startswith(("patient:", "device:"))]
    shared = shared[:MAX_EXACT_ROOMS]
    patients = [
        address.room
        for address in addresses
        if address.room.startswith("patient:") and not address.room.endswith(":vitals")
    ]
    return frozenset([*shared, *patients] if len(shared) + len(patients) <= MAX_EXACT_ROOMS else shared)


async def global_rooms(registry: Registry, claims: Claims) -> tuple[RoomAddress, ...]:
    """The rooms of the global stream: of system, hospitals, wards, admitted patients and devices that the token may watch."""
    rooms = [(Room(kind=kind), Place(kind=kind, hospital_id=SYSTEM)) for kind in _SYSTEM_KINDS]
    named = [await registry.patient(patient_id) for patient_id in sorted((claims.patients | claims.opened) - {ALL})]
    patients = [patient for patient in named if patient is not None]
    concerned = hospitals_named(claims) | {patient.hospital_id for patient in patients}
    for hospital_id in await registry.hospital_ids() if ALL in claims.hospitals else sorted(concerned):
        rooms += await _rooms_of_hospital(registry, hospital_id)
    for patient in patients:
        rooms += _rooms_of_patient(patient.patient_id, patient.hospital_id, patient.ward_id)
    allowed = {
        str(room): RoomAddress(hospital_id=place.hospital_id, room=str(room))
        for room, place in rooms
        if may(claims, Verb.WATCH, place)
    }
    return tuple(allowed.values())[:MAX_GLOBAL_ROOMS]


_SYSTEM_KINDS: Final = (RoomKind.SYSTEM_ALERTS, RoomKind.ADMIN_UPDATES)
_HOSPITAL_KINDS: Final = (RoomKind.HOSPITAL, RoomKind.HOSPITAL_ALERTS, RoomKind.HOSPITAL_DEVICES)
_WARD_KINDS: Final = (RoomKind.WARD, RoomKind.WARD_ALERTS)  # a ward's vitals come by its patients' rooms
_PATIENT_KINDS: Final = (RoomKind.PATIENT, RoomKind.PATIENT_VITALS, RoomKind.PATIENT_ALERTS)
_DEVICE_KINDS: Final = (RoomKind.DEVICE, RoomKind.DEVICE_STATUS)


async def _rooms_of_hospital(registry: Registry, hospital_id: HospitalId) -> Sequence[tuple[Room, Place]]:
    hospital = await registry.hospital(hospital_id)
    if hospital is None:
        return ()
    rooms = [
        (Room(kind=kind, hospital_id=hospital_id), Place(kind=kind, hospital_id=hospital_id))
        for kind in _HOSPITAL_KINDS
    ]
    rooms += [
        (
            Room(kind=kind, hospital_id=hospital_id, ward_id=ward_id),
            Place(kind=kind, hospital_id=hospital_id, ward_id=ward_id),
        )
        for ward_id in hospital.ward_ids
        for kind in _WARD_KINDS
    ]
    for patient in await registry.patients(hospital_id):
        rooms += _rooms_of_patient(patient.patient_id, hospital_id, patient.ward_id)
    for device in await registry.devices(hospital_id):
        patient_place = device.patient
        rooms += [
            (
                Room(kind=kind, device=device.device),
                Place(
                    kind=kind,
                    hospital_id=hospital_id,
                    ward_id=patient_place.ward_id if patient_place else None,
                    patient_id=patient_place.patient_id if patient_place else None,
                ),
            )
            for kind in _DEVICE_KINDS
        ]
    return rooms


def _rooms_of_patient(patient_id: str, hospital_id: str, ward_id: str | None) -> list[tuple[Room, Place]]:
    return [
        (
            Room(kind=kind, patient_id=patient_id),
            Place(kind=kind, hospital_id=hospital_id, ward_id=ward_id, patient_id=patient_id),
        )
        for kind in _PATIENT_KINDS
    ]
