"""A hub's live side for tests: the real app under real uvicorn on a free port, with real rooms in Redis.

The registry is a table in memory, and the owner of every hospital is this process: what the inbox is given is published at once.
"""

import asyncio
import contextlib
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import websockets

from hub.app import create_app
from hub.auth.access import Change, ChangeKind, Opening, Revocation
from hub.auth.tokens import mint, new_secret
from hub.errors import RecordUnavailable
from hub.latest import LatestStates
from hub.limits import Limits
from hub.publication import Fence, Publication, StreamTop
from hub.record.inbox import Outcome, Request, RequestKind, RequestState
from hub.record.places import BedPlace, DeviceCondition, DevicePlace, HospitalFacts, PatientPlace
from hub.rest.components import Components
from hub.rooms.rooms import Rooms
from hub.run import server
from hub.settings import AuthSettings, HubSettings
from tests.support.net import free_port
from vitals.events import EventName, Scope, rooms_of
from vitals.identifiers import DeviceKey, DeviceType

PATIENT = "507f1f77bcf86cd799439011"
HOSPITAL = "507f1f77bcf86cd799439012"
WARD = "w1"
OTHER_HOSPITAL = "h2"
OTHER_PATIENT = "p2"
CUFF = DeviceKey(device_type=DeviceType.BLOOD_PRESSURE_MONITOR, device_id="cuff-1")
SPARE = DeviceKey(device_type=DeviceType.PULSE_OXIMETER, device_id="spare-1")
WAIT_SECONDS = 10


class TableRegistry:
    """Two hospitals, a patient in each; the first holds a cuff, and has a spare oximeter."""

    def __init__(self) -> None:
        self.hospitals = {
            HOSPITAL: HospitalFacts(hospital_id=HOSPITAL, name="One", zone="UTC", ward_ids=(WARD,)),
            OTHER_HOSPITAL: HospitalFacts(hospital_id=OTHER_HOSPITAL, name="Two", zone="UTC", ward_ids=("w9",)),
        }
        self.places = {
            PATIENT: PatientPlace(patient_id=PATIENT, hospital_id=HOSPITAL, ward_id=WARD, bed_id="b1"),
            OTHER_PATIENT: PatientPlace(
                patient_id=OTHER_PATIENT, hospital_id=OTHER_HOSPITAL, ward_id="w9", bed_id="b9"
            ),
        }
        self.device_places = {
            CUFF: DevicePlace(device=CUFF, hospital_id=HOSPITAL, gateway_id="gw-1", patient=self.places[PATIENT]),
            SPARE: DevicePlace(device=SPARE, hospital_id=HOSPITAL),
        }

    async def patient(self, patient_id: str) -> PatientPlace | None:
        return self.places.get(patient_id)

    async def device(self, device: DeviceKey) -> DevicePlace | None:
        return self.device_places.get(device)

    async def hospital(self, hospital_id: str) -> HospitalFacts | None:
        return self.hospitals.get(hospital_id)

    async def hospital_ids(self) -> tuple[str, ...]:
        return tuple(self.hospitals)

    async def patients(self, hospital_id: str) -> list[PatientPlace]:
        return [place for place in self.places.values() if place.hospital_id == hospital_id]

    async def devices(self, hospital_id: str) -> list[DevicePlace]:
        return [place for place in self.device_places.values() if place.hospital_id == hospital_id]

    async def beds(self, hospital_id: str) -> list[BedPlace]:
        return [
            BedPlace(
                ward_id=place.ward_id,
                bed_id=place.bed_id,
                patient_id=place.patient_id,
                devices=tuple(self.conditions_of(place.patient_id)),
            )
            for place in await self.patients(hospital_id)
            if place.ward_id and place.bed_id
        ]

    def conditions_of(self, patient_id: str) -> list[DeviceCondition]:
        return [
            DeviceCondition(
                device=key, gateway_id=place.gateway_id, status="online", battery_percent=None, faults=(), since=None
            )
            for key, place in self.device_places.items()
            if place.patient and place.patient.patient_id == patient_id
        ]


class Owner:
    """Publishes for every hospital, as an owner with a lease would; also the inbox, and what the record knows of rooms."""

    def __init__(self, rooms: Rooms) -> None:
        self.rooms = rooms
        self.latest = OwnersStates(self)
        self.n: Counter[str] = Counter()
        self.requests: list[Request] = []

    def fence(self) -> Fence:
        return Fence(record_epoch=1, token=1, lease_ends=datetime.now(UTC) + timedelta(seconds=60))

    async def begin(self, hospital_id: str) -> StreamTop:
        epoch = secrets.token_hex(8)
        return await self.rooms.begin_epoch(hospital_id, self.fence(), new_epoch=epoch, from_n=self.n[hospital_id])

    async def publish(
        self,
        hospital_id: str,
        rooms: Sequence[str],
        data: object,
        *,
        event: EventName = EventName.PATIENT_VITALS_UPDATE,
        test: bool = False,
        skip: int = 0,
    ) -> Publication:
        self.n[hospital_id] += 1 + skip
        n = self.n[hospital_id]
        publication = Publication(
            hospital_id=hospital_id,
            record_epoch=1,
            n=n,
            event=event,
            event_id=f"{hospital_id}-{n}",
            rooms=tuple(rooms),
            data=msgspec.Raw(msgspec.json.encode(data)),
            timestamp=datetime.now(UTC),
            test=test,
        )
        await self.rooms.publish(self.fence(), [publication], new_epoch=secrets.token_hex(8))
        return publication

    async def submit(self, request: Request) -> Outcome:
        self.requests.append(request)
        payload = msgspec.json.decode(request.payload)
        if request.kind is not RequestKind.TEST_PUBLISH:
            return Outcome(state=RequestState.DONE, answer={})
        event = EventName(payload["event"])
        rooms = [str(room) for room in rooms_of(event, msgspec.convert(payload["scope"], Scope))]
        published = await self.publish(request.hospital_id, rooms, payload["data"], event=event, test=True)
        return Outcome(state=RequestState.DONE, answer={"event_id": published.event_id, "rooms": rooms})


class OwnersStates:
    """A record whose states of rooms say no more than the N that they are of; `behind` by so much, and only while it `answers`."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self.behind = 0
        self.record_epoch = 1
        self.fails = False
        self.answers = asyncio.Event()
        self.answers.set()

    async def states(self, hospital_id: str, rooms: Sequence[str]) -> LatestStates:
        await self.answers.wait()
        if self.fails:
            raise RecordUnavailable("the record is away, for this test")
        n = self._owner.n[hospital_id] - self.behind
        state = msgspec.Raw(msgspec.json.encode({"as_of": n}))
        known = {room: None if room.startswith("system") else state for room in rooms}
        return LatestStates(record_epoch=self.record_epoch, n=n, states=known)


class MemoryAccess:
    """Revocations and break-glass for one process; the whole hub has them in SQL (`hub.record.access`)."""

    def __init__(self) -> None:
        self._revocations: list[Revocation] = []
        self._openings: list[Opening] = []
        self._changes: list[Change] = []

    async def revocations(self) -> list[Revocation]:
        return self._revocations

    async def openings(self) -> list[Opening]:
        return [opening for opening in self._openings if opening.ends > datetime.now(UTC)]

    async def changes(self, after: int) -> list[Change]:
        return [change for change in self._changes if change.change_id > after]

    async def newest_change(self) -> int:
        return len(self._changes)

    async def revoke(self, revocation: Revocation, **_: object) -> None:
        self._revocations.append(revocation)
        self.note(ChangeKind.ACCESS, "")

    async def end_session(self, session: str) -> None:
        self.note(ChangeKind.SESSION, session)

    async def open_patient(self, opening: Opening) -> None:
        self._openings.append(opening)
        self.note(ChangeKind.ACCESS, "")

    async def close_patient(self, subject: str, patient_id: str, **_: object) -> str | None:
        held = [one for one in self._openings if (one.subject, one.patient_id) == (subject, patient_id)]
        self._openings = [one for one in self._openings if one not in held]
        self.note(ChangeKind.ACCESS, "")
        return held[0].opening_id if held else None

    def note(self, kind: ChangeKind, subject: str) -> None:
        """What the record writes when a session ends, or a patient or device moves."""
        self._changes.append(Change(change_id=len(self._changes) + 1, kind=kind, subject=subject))


class NoReadings:
    async def device_data(self, device: DeviceKey, **_: object) -> list[dict[str, Any]]:
        return []

    async def reading_id(self, hospital_id: str, n: int) -> int:
        return n

    async def reading(self, reading_id: int) -> None:
        return None


@dataclass(kw_only=True)
class LiveHub:
    """A running hub, and what it takes to talk to it."""

    settings: HubSettings
    secret: bytes
    app: Any
    owner: Owner
    registry: TableRegistry
    http: httpx.AsyncClient
    conditions: dict[str, Any] = field(default_factory=dict)

    @property
    def live(self) -> Any:
        return self.app.state.live

    @property
    def port(self) -> int:
        return self.settings.port

    def token(self, role: str = "clinician", *, subject: str | None = None, **scope: Any) -> str:
        scope = scope or {"hospitals": [HOSPITAL]}
        scope = {"ttl": timedelta(hours=1), "now": datetime.now(UTC)} | scope
        return mint(self.secret, subject=subject or role, role=role, **scope)

    def headers(self, role: str = "clinician", **scope: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(role, **scope)}"}

    def url(self, path: str) -> str:
        return f"ws://127.0.0.1:{self.settings.port}{path}"

    def connect(self, path: str, *, token: str | None = None, **options: Any) -> Any:
        """A WebSocket client as an async context manager."""
        token = token or self.token()
        return websockets.connect(
            self.url(path), additional_headers={"Authorization": f"Bearer {token}"}, compression=None, **options
        )

    async def test_publish(self, **fields: Any) -> httpx.Response:
        return await self.http.post("/realtime/test/publish", json=fields, headers=self.headers("tester"))


async def receive(connection: Any, *, until: Any = None) -> dict[str, Any]:
    """The next message, or the next of a type. Fails after WAIT_SECONDS."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            message = msgspec.json.decode(await connection.recv())
            if until is None or message["type"] == until:
                return message


@contextlib.asynccontextmanager
async def running_hub(
    folder: Path, redis_url: str, *, begin: bool = True, secret: bytes | None = None, **changes: Any
) -> AsyncIterator[LiveHub]:
    """A hub on a free port, following its rooms; `changes` are limits, or settings under their names, `auth` a dictionary.

    A second node of the same hospital has the first's `secret` and does not `begin` epochs.
    """
    secret = secret or new_secret()
    secret_file = folder / "secret"
    secret_file.write_bytes(secret)
    limits = {name: changes.pop(name) for name in tuple(changes) if name in Limits.__struct_fields__}
    settings = HubSettings(
        database_url="sqlite+aiosqlite://",
        auth=AuthSettings(**{"secret_file": secret_file, "shared_secret": True} | changes.pop("auth", {})),
        port=changes.pop("port", None) or free_port(),
        redis_url=redis_url,
        limits=Limits(**{"drain_seconds": 0.05} | limits),
        **changes,
    )
    registry = TableRegistry()
    owners: list[Owner] = []
    conditions: dict[str, Any] = {"ingest": True, "judged_at": datetime(2026, 11, 24, 12, tzinfo=UTC)}

    @contextlib.asynccontextmanager
    async def components(_: HubSettings, rooms: Rooms) -> AsyncIterator[Components]:
        owner = Owner(rooms)
        owners.append(owner)
        if begin:
            for hospital_id in (HOSPITAL, OTHER_HOSPITAL, "system"):
                await owner.begin(hospital_id)
        yield Components(
            registry=registry,
            inbox=owner,
            device_data=NoReadings(),
            latest=owner.latest,
            access=MemoryAccess(),
            checks={"redis": rooms.ping},
            ingest_alive=lambda: conditions["ingest"],
            judged_at=lambda: conditions["judged_at"],
        )

    async with serving(settings, components) as (app, http):
        await asyncio.wait_for(app.state.live.feed.wait_healthy(), WAIT_SECONDS)
        yield LiveHub(
            settings=settings,
            secret=secret,
            app=app,
            owner=owners[0],
            registry=registry,
            http=http,
            conditions=conditions,
        )


@contextlib.asynccontextmanager
async def serving(settings: HubSettings, components: Any) -> AsyncIterator[tuple[Any, httpx.AsyncClient]]:
    """The app under uvicorn in this process, and a client for it."""
    app = create_app(settings, components)
    running = server(app, settings)
    task = asyncio.create_task(running._serve())
    await _started(running, task)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{settings.port}", timeout=WAIT_SECONDS) as http:
            yield app, http
    finally:
        running.should_exit = True
        await asyncio.wait_for(task, WAIT_SECONDS)


async def _started(running: Any, task: "asyncio.Task[None]") -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not running.started:
            assert not task.done(), task.exception()
            await asyncio.sleep(0.01)  # uvicorn has no event for it
