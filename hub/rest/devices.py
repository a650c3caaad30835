"""Device data over REST: enter, read, correct, withdraw. It runs the same road as readings that come over MQTT."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime

from hub.auth.rights import Verb
from hub.auth.tokens import Claims
from hub.errors import Conflict, NotFound
from hub.record.inbox import RequestKind
from hub.record.publications import qualities_of, value_name
from hub.rest.components import components_of, live_of, permitted, success
from hub.rest.entered_readings import entered_reading
from hub.rest.rates import spend
from hub.rest.submitting import json_of, submit
from hub.rooms.messages import rfc3339
from vitals.errors import InvalidIdentifier
from vitals.identifiers import DeviceKey, DeviceType, identifier
from vitals.readings import Value
from vitals.rooms import Room, RoomKind

router = APIRouter(prefix="/devices/{device_type}/{device_id}/data")

_decode_values = msgspec.json.Decoder(tuple[Value, ...]).decode


@router.post("", status_code=201)
async def enter(request: Request, device_type: str, device_id: str) -> dict[str, Any]:
    """Record a reading: `data_type`, `values`, `timestamp`, optional `unit` and `patient_id` (must hold the device)."""
    device, claims, hospital_id = await _device(request, Verb.RECORD, device_type, device_id)
    await spend(request, claims)
    reading, patient_id = entered_reading(await json_of(request), device, now=live_of(request).now())
    payload = {"reading": reading, "author": claims.sub, "patient_id": patient_id}
    outcome = await submit(request, hospital_id, RequestKind.DEVICE_DATA, payload)
    return success(request, await _with_id(request, hospital_id, outcome.answer))


@router.get("")
async def read(
    request: Request,
    device_type: str,
    device_id: str,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> dict[str, Any]:
    """The device's readings, newest first, as they stand now."""
    device, _, _ = await _device(request, Verb.WATCH, device_type, device_id)
    rows = await components_of(request).device_data.device_data(device, since=since, until=until, limit=limit)
    return success(request, [_shown(row) for row in rows])


@router.get("/{reading_id}")
async def read_one(request: Request, device_type: str, device_id: str, reading_id: int) -> dict[str, Any]:
    """One reading, whatever became of it."""
    device, _, _ = await _device(request, Verb.WATCH, device_type, device_id)
    return success(request, _shown(await _row(request, device, reading_id)))


@router.put("/{reading_id}")
@router.patch("/{reading_id}")
async def correct(request: Request, device_type: str, device_id: str, reading_id: int) -> dict[str, Any]:
    """Put a corrected reading beside the old one, which stays in the record. What isn't given is taken from the old one."""
    device, claims, hospital_id = await _device(request, Verb.RECORD, device_type, device_id)
    old = _shown(await _row(request, device, reading_id))
    given = await json_of(request)
    fields = {name: old[name] for name in ("data_type", "values", "timestamp")} | given
    if (
        request.method == "PATCH"
        and isinstance(given.get("values"), dict)
        and given.get("data_type") in (None, old["data_type"])
    ):
        fields["values"] = old["values"] | given["values"]
    reading, patient_id = entered_reading(fields, device, now=live_of(request).now())
    if patient_id not in (None, old["patient_id"]):
        raise Conflict("patient_id: a correction can't move a reading to another patient")
    payload = {"reading_id": reading_id, "reading": reading, "author": claims.sub}
    outcome = await submit(request, hospital_id, RequestKind.CORRECT, payload)
    return success(request, await _with_id(request, hospital_id, outcome.answer))


@router.delete("/{reading_id}")
async def withdraw(request: Request, device_type: str, device_id: str, reading_id: int) -> dict[str, Any]:
    """Withdraw a reading: it is shown no more, and stays in the record."""
    device, claims, hospital_id = await _device(request, Verb.RECORD, device_type, device_id)
    await _row(request, device, reading_id)
    outcome = await submit(request, hospital_id, RequestKind.WITHDRAW, {"reading_id": reading_id, "author": claims.sub})
    return success(request, outcome.answer)


async def _device(request: Request, verb: Verb, device_type: str, device_id: str) -> tuple[DeviceKey, Claims, str]:
    """The device, the caller and the hospital, when they may."""
    live_of(request).authenticate(request)
    try:
        device = DeviceKey(device_type=DeviceType(device_type), device_id=identifier("device_id", device_id))
    except (ValueError, InvalidIdentifier) as error:
        raise NotFound("device", f"{device_type}:{device_id}"[:100]) from error
    claims, hospital_id = await permitted(request, verb, Room(kind=RoomKind.DEVICE, device=device))
    return device, claims, hospital_id


async def _with_id(request: Request, hospital_id: str, answer: dict[str, Any]) -> dict[str, Any]:
    """The operation's answer, with the id of the reading that it recorded."""
    reading_id = await components_of(request).device_data.reading_id(hospital_id, answer["n"])
    return {"reading_id": reading_id} | answer


async def _row(request: Request, device: DeviceKey, reading_id: int) -> dict[str, Any]:
    row = None
    if 0 < reading_id < 2**63:
        row = await components_of(request).device_data.reading(reading_id)
    if row is None or (row["device_type"], row["device_id"]) != (device.device_type, device.device_id):
        raise NotFound("reading", str(reading_id))
    return row


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """A row of readings as REST shows it; `quality` as in messages, of what is not simply valid."""
    recorded = _decode_values(row["vital_values"])
    return {
        "reading_id": row["reading_id"],
        "data_type": row["data_type"],
        "values": {value_name(value.parameter): _number(value.number) for value in recorded},
        "quality": qualities_of(recorded),
        "timestamp": rfc3339(row["measured"]),
        "received": rfc3339(row["received"]),
        "patient_id": row["patient_id"],
        "late": row["late"],
        "replayed": msgspec.json.decode(row["replayed"]) if row["replayed"] else None,
        "replaces": row["replaces"],
        "withdrawn": rfc3339(row["withdrawn"]) if row["withdrawn"] else None,
        "author": row["author"],
    }


def _number(value: Any) -> int | float | None:  # noqa: ANN401 - a Decimal or None
    if value is None:
        return None
    return int(value) if value == value.to_integral_value() else float(value)
