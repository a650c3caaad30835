"""What the REST surface asks of the rest of the hub."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from fastapi import Request
from starlette.requests import ClientDisconnect

from hub.auth.access import AccessRecord, Opening, Revocation
from hub.auth.places import Registry
from hub.auth.rights import Verb
from hub.auth.tokens import Claims
from hub.ingest.counters import Counters
from hub.latest import LatestReader
from hub.realtime.live import Live
from hub.record.inbox import Outcome
from hub.record.inbox import Request as InboxRequest
from hub.rest.problems import BrokenOff, TooLarge
from hub.rooms.messages import rfc3339
from vitals.identifiers import DeviceKey, GatewayId, HospitalId, PatientId
from vitals.rooms import Room


class Inbox(Protocol):
    async def submit(self, request: InboxRequest) -> Outcome: ...


class DeviceDataReader(Protocol):
    async def device_data(
        self, device: DeviceKey, *, since: datetime | None = None, until: datetime | None = None, limit: int = 100
    ) -> list[dict[str, Any]]: ...

    async def reading_id(self, hospital_id: HospitalId, n: int) -> int: ...

    async def reading(self, reading_id: int) -> dict[str, Any] | None: ...


class AccessKeeper(AccessRecord, Protocol):
    """What may be changed of revocations and break-glass; `hub.record.access` says what each does."""

    async def revoke(self, revocation: Revocation, *, author: str, reason: str, forget: datetime) -> None: ...
    async def end_session(self, session: str) -> None: ...
    async def open_patient(self, opening: Opening) -> None: ...
    async def close_patient(self, subject: str, patient_id: PatientId, *, author: str) -> str | None: ...


class Intake(Protocol):
    """What ingest knows of the gateways."""

    @property
    def counters(self) -> Counters: ...

    def hospital_of(self, gateway_id: GatewayId) -> HospitalId | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Components:
    """`checks` are what must answer before the hub is ready, by name; `ingest_alive` and `judged_at` as in Live.

    `access` keeps revocations and break-glass.

    `intake` is None where another process takes readings in; `record_pool` counts connections to the database, `in_use` and `idle`.
    """

    registry: Registry
    inbox: Inbox
    device_data: DeviceDataReader
    latest: LatestReader
    access: AccessKeeper
    checks: Mapping[str, Callable[[], Awaitable[None]]]
    ingest_alive: Callable[[], bool]
    judged_at: Callable[[], datetime | None]
    intake: Intake | None = None
    record_pool: Callable[[], Mapping[str, int]] = dict


def live_of(request: Request) -> Live:
    live: Live = request.app.state.live
    return live


def components_of(request: Request) -> Components:
    components: Components = request.app.state.components
    return components


def success(request: Request, data: object) -> dict[str, Any]:
    """What every REST answer that is no error is wrapped in."""
    return {"success": True, "data": data, "timestamp": rfc3339(live_of(request).now())}


async def permitted(request: Request, verb: Verb, room: Room) -> tuple[Claims, str]:
    """The caller's claims and the hospital of `room`, when they may. Raises Unauthenticated, Forbidden or NotFound."""
    live = live_of(request)
    claims = live.authenticate(request)
    address = await live.gate.pass_room(claims, verb, room)
    return claims, address.hospital_id


async def body_of(request: Request) -> bytes:
    """The request's body. Raises TooLarge as soon as it is said or seen to be, BrokenOff where it doesn't come."""
    limits = live_of(request).limits
    try:
        async with asyncio.timeout(limits.request_seconds):
            return await _bounded(request, limits.request_bytes)
    except ClientDisconnect as error:
        raise BrokenOff("the request broke off") from error
    except TimeoutError as error:
        raise BrokenOff(f"the request's body did not come within {limits.request_seconds:g} s") from error


async def _bounded(request: Request, limit: int) -> bytes:
    too_large = TooLarge(f"at most {limit} bytes a request")
    if int(request.headers.get("content-length", "0")) > limit:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise too_large
    return bytes(body)
