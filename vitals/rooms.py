"""Rooms: the names under which messages are delivered, as one table from kind of room to the pattern of its name."""

import re
from collections.abc import Mapping
from enum import StrEnum, unique
from types import MappingProxyType
from typing import Final

import msgspec

from vitals.errors import InvalidRoom
from vitals.identifiers import DeviceKey, DeviceType, HospitalId, PatientId, WardId


@unique
class RoomKind(StrEnum):
    """Each member's value is the form of the room's name."""

    PATIENT = "patient:{patient_id}"
    PATIENT_VITALS = "patient:{patient_id}:vitals"
    PATIENT_ALERTS = "patient:{patient_id}:alerts"
    PATIENT_WAVEFORMS = "patient:{patient_id}:waveforms"
    WARD = "ward:{hospital_id}:{ward_id}"
    WARD_VITALS = "ward:{hospital_id}:{ward_id}:vitals"
    WARD_ALERTS = "ward:{hospital_id}:{ward_id}:alerts"
    HOSPITAL = "hospital:{hospital_id}"
    HOSPITAL_ALERTS = "hospital:{hospital_id}:alerts"
    HOSPITAL_DEVICES = "hospital:{hospital_id}:devices"
    DEVICE = "device:{device_type}:{device_id}"
    DEVICE_STATUS = "device:{device_type}:{device_id}:status"
    SYSTEM_ALERTS = "system:alerts"
    ADMIN_UPDATES = "admin:updates"


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """One room: its kind, and those identifiers that the kind's name holds."""

    kind: RoomKind
    hospital_id: HospitalId | None = None
    ward_id: WardId | None = None
    patient_id: PatientId | None = None
    device: DeviceKey | None = None

    def __str__(self) -> str:
        return self.kind.format(
            hospital_id=self.hospital_id,
            ward_id=self.ward_id,
            patient_id=self.patient_id,
            device_type=self.device and self.device.device_type,
            device_id=self.device and self.device.device_id,
        )


AUTO_SUBSCRIPTIONS: Final[Mapping[str, tuple[RoomKind, ...]]] = MappingProxyType(
    {
        "patient": (RoomKind.PATIENT, RoomKind.PATIENT_VITALS, RoomKind.PATIENT_ALERTS),
        "hospital": (RoomKind.HOSPITAL, RoomKind.HOSPITAL_ALERTS, RoomKind.HOSPITAL_DEVICES),
        "device": (RoomKind.DEVICE, RoomKind.DEVICE_STATUS),
    }
)
"""Rooms to which an endpoint subscribes by itself (guide, "WebSocket Endpoints")."""

LIVE_ONLY: Final = frozenset({RoomKind.PATIENT_WAVEFORMS})
"""Rooms that remember nothing: no offset and no history, and who is away misses what is said."""

_FIELD = re.compile(r"\\\{(\w+)\\\}")
_DEVICE_TYPES = "|".join(DeviceType)


def _pattern(form: str) -> re.Pattern[str]:
    def group(match: re.Match[str]) -> str:
        name = match[1]
        return f"(?P<{name}>{_DEVICE_TYPES})" if name == "device_type" else f"(?P<{name}>[A-Za-z0-9_.-]{{1,64}})"

    return re.compile(_FIELD.sub(group, re.escape(form)))


_PATTERNS: Final = tuple((kind, _pattern(kind)) for kind in RoomKind)


def parse_room(text: str) -> Room:
    """The room that `text` names. Raises InvalidRoom."""
    for kind, pattern in _PATTERNS:
        if match := pattern.fullmatch(text):
            fields = match.groupdict()
            device_type = fields.pop("device_type", None)
            device_id = fields.pop("device_id", None)
            device = DeviceKey(device_type=DeviceType(device_type), device_id=device_id) if device_id else None
            return Room(kind=kind, device=device, **fields)
    raise InvalidRoom(text)


def is_live_only(name: str) -> bool:
    """Whether the room so named remembers nothing. Raises InvalidRoom."""
    return parse_room(name).kind in LIVE_ONLY
