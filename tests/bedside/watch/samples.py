"""A ward in words: what its hub would tell, at times that count from NOON."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from bedside.watch.answers import Bed, Device, View
from bedside.watch.happenings import BedsRead, LinkLive, Received
from bedside.watch.messages import message_of
from bedside.watch.ward import Ward

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
OXIMETER = Device(device_type="pulse_oximeter", device_id="OX-101", status="online")
CUFF = Device(device_type="blood_pressure_monitor", device_id="BP-101", status="idle")
OTHER_OXIMETER = Device(device_type="pulse_oximeter", device_id="OX-102", status="online")
ANN, BEN = "ann", "ben"
BEDS = (
    Bed(ward_id="icu", bed="101", patient_id=ANN, devices=(CUFF, OXIMETER)),
    Bed(ward_id="icu", bed="102", patient_id=BEN, devices=(OTHER_OXIMETER,)),
    Bed(ward_id="icu", bed="103", patient_id=None),
)
REPLAYED = {"recording": "27411876", "position_seconds": 7200.0, "speed": 240.0}


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def said(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


def view(*beds: Bed, **changes: Any) -> View:
    fields = {"hospital_id": "h", "name": "General", "zone": "UTC", "rooms": ("system:alerts",), "beds": beds or BEDS}
    return View(**(fields | changes))


def event(name: str, data: dict[str, Any], *, seconds: float = 0.0, **members: Any) -> dict[str, Any]:
    """An event as it stands in a WebSocket message."""
    return {
        "type": name.replace(".", "_"),
        "event": name,
        "event_id": f"{name}-{seconds}-{data.get('patient_id')}",
        "room": "room",
        "epoch": "e",
        "offset": 1,
        "n": 1,
        "timestamp": said(at(seconds)),
        "data": data,
        **members,
    }


def vitals(patient_id: str = ANN, *, seconds: float = 0.0, device: Device = OXIMETER, **members: Any) -> dict[str, Any]:
    outer = {name: members.pop(name) for name in ("test", "late") if name in members}
    data = {
        "patient_id": patient_id,
        "timestamp": said(at(seconds)),
        "device_type": device.device_type,
        "device_id": device.device_id,
        **members,
    }
    return event("patient.vitals.update", data, seconds=seconds, **outer)


def alert(message: str = "High", *, seconds: float = 0.0, episode: str = "e1", **members: Any) -> dict[str, Any]:
    outer = {name: members.pop(name) for name in ("test",) if name in members}
    data = {
        "patient_id": ANN,
        "alert_type": "high_blood_pressure",
        "severity": "warning",
        "message": message,
        "data": {"systolic": 150, "diastolic": 95, "device_id": "BP-101"},
        "episode_id": episode,
        "kind": "physiological",
        "repeat": 1,
        "timestamp": said(at(seconds)),
        **members,
    }
    return event("patient.alert", data, seconds=seconds, **outer)


def status(device: Device, status: str, *, seconds: float = 0.0, **members: Any) -> dict[str, Any]:
    fields = {"device_type": device.device_type, "device_id": device.device_id, "status": status, "faults": []}
    return event("device.status.change", fields | members, seconds=seconds)


def disconnected(device: Device, reason: str, *, seconds: float = 0.0, **outer: Any) -> dict[str, Any]:
    fields = {"device_type": device.device_type, "device_id": device.device_id, "reason": reason}
    return event("device.disconnected", fields, seconds=seconds, **outer)


def pong(*, seconds: float = 0.0, upstream: str = "ok") -> dict[str, Any]:
    return {"type": "pong", "time": said(at(seconds)), "upstream": upstream}


def received(document: dict[str, Any]) -> Received:
    return Received(text=msgspec.json.encode(document).decode(), message=message_of(document))


def ward(*documents: dict[str, Any], seconds: float = 0.0, beds: tuple[Bed, ...] = BEDS) -> Ward:
    """A ward that is linked since NOON and was told these, all at `seconds`."""
    made = Ward(NOON)
    made.take(BedsRead(view=view(*beds)), NOON)
    made.take(LinkLive(), NOON)
    for document in documents:
        made.take(received(document), at(seconds))
    return made
