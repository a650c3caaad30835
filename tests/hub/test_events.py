"""Every event of the catalogue, raised by what raises it on a ward, on the whole hub: who gets it, and with which data."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bedside.services.mosquitto import Mosquitto
from bedside.services.redis import Redis
from tests.hub.ingest import support
from tests.hub.ingest.support import Gateway, chunk, entries, gateway
from tests.hub.rest.conftest import WholeHub, whole_hub
from tests.support.hub import HOSPITAL, PATIENT, WAIT_SECONDS, receive
from vitals.envelope import DeviceEvent, DeviceEventEntry, DeviceEventKind
from vitals.events import EVENTS, EventName, message_type
from vitals.identifiers import DeviceKey, DeviceType
from vitals.topics import Channel

CUFF = DeviceKey(device_type=DeviceType.BLOOD_PRESSURE_MONITOR, device_id="cuff-1")
OXIMETER = DeviceKey(device_type=DeviceType.PULSE_OXIMETER, device_id="oximeter-1")
P, H, W, D = f"patient:{PATIENT}", f"hospital:{HOSPITAL}", f"ward:{HOSPITAL}:w1", f"device:{CUFF}"
NEW = "patient:waiting"
NOTICE = {"severity": "critical", "message": "Fire on floor 2", "data": {"floor": 2}}
SYSTEM = {"message": "Tonight", "severity": "info", "starts": "2026-12-01T00:00:00Z", "ends": "2026-12-01T01:00:00Z"}
EVERYWHERE = [
    *(f"{room}{part}" for room in (P, NEW, W) for part in ("", ":vitals", ":alerts")),
    f"{P}:waveforms",
    *(D, f"{D}:status", H, f"{H}:alerts", f"{H}:devices", "system:alerts", "admin:updates"),
]

Operation = Callable[[WholeHub, Gateway], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Case:
    """What raises the event, all rooms that get it, members that its data must have, and those whose value is known."""

    operation: Operation
    rooms: set[str]
    members: set[str]
    known: dict[str, Any] = field(default_factory=dict)


def posted(path: str, body: object, role: str = "clinician", **scope: Any) -> Operation:
    async def operation(hub: WholeHub, _: Gateway) -> None:
        answer = await hub.post(path, body, role, **scope)
        assert answer.is_success, answer.text

    return operation


def measured(systolic: int, diastolic: int) -> Operation:
    async def operation(_: WholeHub, one: Gateway) -> None:
        await one.send(*entries([support.pressure(systolic, diastolic, device=CUFF)]))

    return operation


def happened(kind: DeviceEventKind, **fields: Any) -> Operation:
    async def operation(_: WholeHub, one: Gateway) -> None:
        event = DeviceEvent(kind=kind, device=CUFF, at=datetime.now(UTC), **fields)
        await one.send(DeviceEventEntry(sequence=1, event=event), channel=Channel.EVENTS)

    return operation


def sampled(samples: tuple[int | None, ...]) -> Operation:
    async def operation(_: WholeHub, one: Gateway) -> None:
        await one.send_samples(chunk(samples, device=OXIMETER))

    return operation


def announced(event: EventName, **fields: str) -> Operation:
    return posted("/system/announcements", {"event": event, **SYSTEM, **fields}, "admin", hospitals=["*"])


DEVICE = {"device_type": "blood_pressure_monitor", "device_id": "cuff-1"}
ADMITTED = posted("/patients/waiting/admission", {"ward_id": "w1", "bed": "2"})
LINKED = {f"{D}:status", f"{H}:devices"}
ALERT = {"alert_type", "severity", "message", "data", "episode_id", "kind", "repeat", "timestamp"}

# Rooms and members are written from the contract's table, not from the code's.
CASES = {
    EventName.PATIENT_VITALS_UPDATE: Case(
        operation=measured(120, 80),
        rooms={f"{P}:vitals", f"{W}:vitals"},
        members={"patient_id", "blood_pressure", "device_id", "device_type", "timestamp", "measured"},
        known={"patient_id": PATIENT, "blood_pressure": {"systolic": 120, "diastolic": 80}, **DEVICE},
    ),
    EventName.PATIENT_ALERT: Case(
        operation=measured(150, 95),
        rooms={f"{P}:alerts", f"{W}:alerts", f"{H}:alerts"},
        members={"patient_id", *ALERT},
        known={
            "patient_id": PATIENT,
            "alert_type": "high_blood_pressure",
            "severity": "warning",
            "message": "High blood pressure detected: 150/95",
            "data": {"systolic": 150, "diastolic": 95, "device_id": "cuff-1"},
            "kind": "physiological",
            "repeat": 1,
        },
    ),
    EventName.PATIENT_WAVEFORM: Case(
        operation=sampled((1, None, 3)),
        rooms={f"{P}:waveforms"},
        members={"signal", "rate_hz", "start", "samples", "scale", "unit"},
        known={
            "patient_id": PATIENT,
            "device_type": "pulse_oximeter",
            "device_id": "oximeter-1",
            "signal": "plethysmogram",
            "samples": [1, None, 3],
            "scale": {"low": 0, "high": 127},
            "unit": "1",
        },
    ),
    EventName.PATIENT_STATUS_CHANGE: Case(
        operation=posted(f"/patients/{PATIENT}/status", {"status": "stable", "reason": "rounds"}),
        rooms={P, W, H},
        members={"patient_id", "status", "previous", "reason"},
        known={"patient_id": PATIENT, "status": "stable", "previous": None, "reason": "rounds"},
    ),
    EventName.PATIENT_ADMISSION: Case(
        operation=ADMITTED,
        rooms={NEW, W, H},
        members={"patient_id", "ward_id", "bed", "at", "by"},
        known={"patient_id": "waiting", "ward_id": "w1", "bed": "2", "by": "clinician"},
    ),
    EventName.PATIENT_DISCHARGE: Case(
        operation=posted(f"/patients/{PATIENT}/discharge", {}),
        rooms={P, W, H},
        members={"patient_id", "ward_id", "bed", "at", "by"},
        known={"patient_id": PATIENT, "ward_id": "w1", "bed": "1", "by": "clinician"},
    ),
    EventName.DEVICE_DATA_UPDATE: Case(
        operation=measured(120, 80),
        rooms={D},
        members={"device_type", "device_id", "data_type", "values", "timestamp"},
        known={**DEVICE, "data_type": "blood_pressure", "values": {"systolic": 120, "diastolic": 80}},
    ),
    EventName.DEVICE_STATUS_CHANGE: Case(
        operation=happened(DeviceEventKind.STATUS, status="online", battery_percent=40, faults=("low_battery",)),
        rooms=LINKED,
        members={"device_type", "device_id", "status", "battery", "faults", "gateway_id"},
        known={**DEVICE, "status": "online", "battery": 40, "faults": ["low_battery"], "gateway_id": "gw-1"},
    ),
    EventName.DEVICE_CONNECTED: Case(
        operation=happened(DeviceEventKind.CONNECTED, status="online"),
        rooms=LINKED,
        members={"device_type", "device_id", "gateway_id"},
        known={**DEVICE, "gateway_id": "gw-1"},
    ),
    EventName.DEVICE_DISCONNECTED: Case(
        operation=happened(DeviceEventKind.DISCONNECTED, status="offline", reason="link_lost"),
        rooms=LINKED,
        members={"device_type", "device_id", "gateway_id", "reason"},
        known={**DEVICE, "gateway_id": "gw-1", "reason": "link_lost"},
    ),
    EventName.DEVICE_ALERT: Case(
        operation=happened(DeviceEventKind.FAULT, status="online", reason="truncated"),
        rooms={*LINKED, f"{P}:alerts", f"{W}:alerts"},
        members={"device_type", "device_id", "patient_id", *ALERT},
        known={**DEVICE, "patient_id": PATIENT, "kind": "technical", "message": "cuff-1: truncated"},
    ),
    EventName.HOSPITAL_ALERT: Case(
        operation=posted(f"/hospitals/{HOSPITAL}/alerts", NOTICE, "admin"),
        rooms={f"{H}:alerts"},
        members={"hospital_id", "severity", "message", "data"},
        known={"hospital_id": HOSPITAL, **NOTICE},
    ),
    EventName.HOSPITAL_CAPACITY_UPDATE: Case(
        operation=ADMITTED,
        rooms={H},
        members={"hospital_id", "beds_total", "beds_occupied"},
        known={"hospital_id": HOSPITAL, "beds_total": 2, "beds_occupied": 2},
    ),
    EventName.HOSPITAL_EMERGENCY: Case(
        operation=posted(f"/hospitals/{HOSPITAL}/emergencies", NOTICE, "admin"),
        rooms={f"{H}:alerts", H, W},
        members={"hospital_id", "severity", "message", "data"},
        known={"hospital_id": HOSPITAL, **NOTICE},
    ),
    EventName.SYSTEM_ALERT: Case(
        operation=announced(EventName.SYSTEM_ALERT),
        rooms={"system:alerts"},
        members={"message", "severity"},
        known={"message": "Tonight", "severity": "info"},
    ),
    EventName.SYSTEM_MAINTENANCE: Case(
        operation=announced(EventName.SYSTEM_MAINTENANCE),
        rooms={"system:alerts"},
        members={"message", "starts", "ends"},
        known=SYSTEM,
    ),
    EventName.SYSTEM_UPDATE: Case(
        operation=announced(EventName.SYSTEM_UPDATE, version="0.2.0"),
        rooms={"system:alerts"},
        members={"message", "version"},
        known={"version": "0.2.0"},
    ),
    EventName.ADMIN_UPDATE: Case(
        operation=posted("/auth/revocations", {"subject": "nurse9"}, "admin"),
        rooms={"admin:updates"},
        members={"what", "id", "change", "by"},
        known={"what": "user", "id": "nurse9", "change": "revoked", "by": "admin"},
    ),
}


def test_every_event_has_its_case():
    assert set(CASES) == set(EventName)
    assert len(CASES) == 18


@pytest.fixture
async def hub(tmp_path: Path, redis_server: Redis, mosquitto_server: Mosquitto) -> AsyncIterator[WholeHub]:
    async with whole_hub(tmp_path, redis_server, mosquitto_server) as running:
        yield running


async def last_words(hub: WholeHub) -> None:
    """A test event to the hospital and one to all: within a hospital, messages come in the order of N."""
    for fields in (
        {"event_type": "hospital.alert", "hospital_id": HOSPITAL, "severity": "info", "message": "end", "data": {}},
        {"event_type": "system.alert", "message": "end"},
    ):
        assert (await hub.post("/realtime/test/publish", fields, "tester")).status_code == 200


async def raised(client: Any, hub: WholeHub) -> list[dict[str, Any]]:
    """All messages up to the last words."""
    messages, ended = [], set()
    while len(ended) < 2:
        message = await receive(client)
        if message.get("test"):
            ended.add(message["event"])
        else:
            messages.append(message)
    return messages


@pytest.mark.parametrize("event", EventName)
async def test_an_event_is_raised_by_a_real_operation_and_reaches_exactly_its_rooms(
    hub: WholeHub, mosquitto_server: Mosquitto, event: EventName
):
    case = CASES[event]
    async with (
        asyncio.timeout(WAIT_SECONDS),
        gateway(mosquitto_server.port) as one,
        hub.connect("/realtime/ws", "admin", hospitals=["*"]) as client,
    ):
        await client.send(json.dumps({"type": "subscribe", "rooms": EVERYWHERE}))
        assert {(await receive(client))["status"] for _ in EVERYWHERE} == {"subscribed"}
        await case.operation(hub, one)
        while (first := await receive(client))["event"] != event:
            pass
        await last_words(hub)
        messages = [first, *(message for message in await raised(client, hub) if message["event"] == event)]
    assert {message["room"] for message in messages} == case.rooms
    assert len(messages) == len(case.rooms)
    assert {message["type"] for message in messages} == {message_type(event)}
    assert len({message["event_id"] for message in messages}) == 1
    for message in messages:
        assert msgspec.convert(message["data"], EVENTS[event].data)
        assert case.members <= message["data"].keys()
        assert message["data"] == message["data"] | case.known
