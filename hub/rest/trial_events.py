"""Test events: any event of the catalogue, made from a request's fields, checked by the event's own structs.

They reach rooms only. What a person trying the API can't know is filled in; what is missing is said, all of it at once.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

import msgspec

from hub.errors import Invalid
from hub.rooms.messages import rfc3339
from vitals.events import EVENTS, EventData, EventName, PatientVitals, Scope, VitalsMembers
from vitals.identifiers import SYSTEM, DeviceKey, DeviceType
from vitals.rooms import Room, RoomKind

_KINDS: Final[Mapping[EventName, str]] = MappingProxyType(
    {EventName.PATIENT_ALERT: "physiological", EventName.DEVICE_ALERT: "technical"}
)
_VITALS: Final = frozenset(field.name for field in msgspec.structs.fields(VitalsMembers))


class TrialEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A checked test event; `subject` is the room by which rights are decided."""

    event: EventName
    data: EventData
    subject: Room

    @property
    def hospital_id(self) -> str:
        """The hospital named in the data, `system` for system events; empty where the registry must say."""
        named = getattr(self.data, "hospital_id", "")
        return SYSTEM if self.subject.kind is RoomKind.SYSTEM_ALERTS else str(named)


def check_trial_event(fields: Mapping[str, Any], *, by: str, now: datetime, event_id: str) -> TrialEvent:
    """The event that the request's fields make. Raises Invalid, naming every missing field."""
    name = fields.get("event_type")
    if name not in tuple(EventName):
        raise Invalid(f"event_type: one of {', '.join(EventName)}")
    event = EventName(name)
    data = {key: value for key, value in fields.items() if key not in ("event_type", "vitals")}
    if "vitals" in fields:
        data |= _vitals(event, fields["vitals"])
    struct = EVENTS[event].data
    known = {field.name: field for field in msgspec.structs.fields(struct)}
    filled = {
        "at": rfc3339(now),
        "timestamp": rfc3339(now),
        "by": by,
        "episode_id": event_id,
        "kind": _KINDS.get(event),
        "repeat": 1,
        "gateway_id": None,
    }
    data = {key: value for key, value in filled.items() if key in known} | data
    faults = [f"{key}: {event} has no such field" for key in data if key not in known]
    faults += [f"{key}: missing" for key, field in known.items() if field.required and key not in data]
    if struct is PatientVitals and not _VITALS & data.keys():
        faults.append(f"vitals: missing; one or more of {', '.join(sorted(_VITALS))}")
    if faults:
        raise Invalid(*faults)
    try:
        checked = msgspec.convert(data, struct, builtin_types=(Decimal,))
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise Invalid(str(error)[:300]) from error
    return TrialEvent(event=event, data=checked, subject=_subject(event, checked))


def _vitals(event: EventName, vitals: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    if event is not EventName.PATIENT_VITALS_UPDATE or not isinstance(vitals, dict):
        raise Invalid(f"vitals: an object, and only for {EventName.PATIENT_VITALS_UPDATE}")
    return dict(vitals)


def _subject(event: EventName, data: EventData) -> Room:
    kind = EVENTS[event].rooms[0]
    match kind.partition(":")[0]:
        case "patient":
            return Room(kind=kind, patient_id=getattr(data, "patient_id", None))
        case "device":
            return Room(kind=kind, device=_device(data))
        case "hospital":
            return Room(kind=kind, hospital_id=getattr(data, "hospital_id", None))
        case _:
            return Room(kind=kind)


def _device(data: EventData) -> DeviceKey:
    return DeviceKey(
        device_type=DeviceType(getattr(data, "device_type", "")), device_id=str(getattr(data, "device_id", ""))
    )


def scope_of(test: TrialEvent, *, hospital_id: str, wards: tuple[str, ...], patient_id: str | None) -> Scope:
    """Where the event goes: what the registry says of its subject, and the ward that its own data names."""
    named = getattr(test.data, "ward_id", None)
    if isinstance(named, str) and named not in wards:
        wards = (*wards, named)
    if test.subject.kind is RoomKind.SYSTEM_ALERTS:
        return Scope()
    return Scope(hospital_id=hospital_id, ward_ids=wards, patient_id=patient_id, device=test.subject.device)
