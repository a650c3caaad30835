"""Who may do what: one table of role × verb × kind of room, and one check of scope. What isn't in the table is denied.

Rights on records and operations are rights on the room that shows them: to write a device's data is a verb on the device's room.
"""

from collections.abc import Mapping
from enum import StrEnum, unique
from types import MappingProxyType
from typing import Final

import msgspec

from hub.auth.tokens import ALL, Claims, Role
from vitals.identifiers import HospitalId, PatientId, WardId
from vitals.rooms import RoomKind


@unique
class Verb(StrEnum):
    """`watch` a room and read its history; see who else does (`presence`); `publish` test events to it; `record` device data;
    `operate`: admit, discharge, announce; `acknowledge` and `pause` alerts; `break_glass`: open a patient outside the token's scope;
    `administer` users, tokens, rules.
    """

    WATCH = "watch"
    PRESENCE = "presence"
    PUBLISH = "publish"
    RECORD = "record"
    OPERATE = "operate"
    ACKNOWLEDGE = "acknowledge"
    PAUSE = "pause"
    BREAK_GLASS = "break_glass"
    ADMINISTER = "administer"


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A room, and where the registry says it belongs. `hospital_id` is `system` for system and admin rooms."""

    kind: RoomKind
    hospital_id: HospitalId
    ward_id: WardId | None = None
    patient_id: PatientId | None = None


_PATIENT = frozenset(kind for kind in RoomKind if kind.startswith("patient:"))
_WARD = frozenset(kind for kind in RoomKind if kind.startswith("ward:"))
_HOSPITAL = frozenset(kind for kind in RoomKind if kind.startswith("hospital:"))
_DEVICE = frozenset(kind for kind in RoomKind if kind.startswith("device:"))
_SYSTEM = frozenset({RoomKind.SYSTEM_ALERTS})
_ALL = frozenset(RoomKind)
_CLINICAL = _PATIENT | _WARD | _HOSPITAL | _DEVICE | _SYSTEM

_ALERTING = frozenset({RoomKind.PATIENT_ALERTS, RoomKind.WARD_ALERTS, RoomKind.HOSPITAL_ALERTS})
_TECHNICAL = _DEVICE | _SYSTEM | {RoomKind.HOSPITAL_DEVICES}

RIGHTS: Final[Mapping[Role, Mapping[Verb, frozenset[RoomKind]]]] = MappingProxyType(
    {
        Role.VIEWER: {Verb.WATCH: _CLINICAL, Verb.PRESENCE: _CLINICAL},
        Role.CLINICIAN: {
            Verb.WATCH: _CLINICAL,
            Verb.PRESENCE: _CLINICAL,
            Verb.RECORD: _DEVICE,
            Verb.OPERATE: _PATIENT,
            Verb.ACKNOWLEDGE: _ALERTING,
            Verb.PAUSE: _ALERTING,
            Verb.BREAK_GLASS: _PATIENT,
        },
        Role.TECHNICIAN: {Verb.WATCH: _TECHNICAL, Verb.PRESENCE: _TECHNICAL},
        Role.TESTER: {Verb.WATCH: _CLINICAL, Verb.PRESENCE: _CLINICAL, Verb.PUBLISH: _CLINICAL},
        Role.ADMIN: {
            Verb.WATCH: _ALL,
            Verb.PRESENCE: _ALL,
            Verb.PUBLISH: _ALL,
            Verb.RECORD: _DEVICE,
            Verb.OPERATE: _CLINICAL,
            Verb.ACKNOWLEDGE: _ALERTING,
            Verb.PAUSE: _ALERTING,
            Verb.ADMINISTER: _ALL,
        },
    }
)

_OF_ALL_HOSPITALS: Final = frozenset({Verb.OPERATE, Verb.PRESENCE})
"""In the rooms that all hospitals share: to speak there, and to see who is there, takes a token of all."""
_SEES_UNASSIGNED: Final = frozenset({Role.TECHNICIAN, Role.ADMIN})


def may(claims: Claims, verb: Verb, place: Place) -> bool:
    """Whether a token allows `verb` on a room at `place`: by one of its roles, and within its scope."""
    return any(
        place.kind in RIGHTS[role].get(verb, frozenset()) and _in_scope(claims, role, verb, place)
        for role in claims.roles
    )


def role_may(claims: Claims, verb: Verb, kind: RoomKind) -> bool:
    """Whether any role of the token allows `verb` on rooms of a kind, wherever they are."""
    return any(kind in RIGHTS[role].get(verb, frozenset()) for role in claims.roles)


def covers_hospital(claims: Claims, hospital_id: HospitalId) -> bool:
    """Whether the whole hospital is in the token's scope."""
    return hospital_id in claims.hospitals or ALL in claims.hospitals


def hospitals_named(claims: Claims) -> frozenset[HospitalId]:
    """The hospitals that the token has something to do with: named whole, or by a ward."""
    return claims.hospitals | {ward.partition(":")[0] for ward in claims.wards}


def _in_scope(claims: Claims, role: Role, verb: Verb, place: Place) -> bool:
    if verb is Verb.BREAK_GLASS:  # what is out of scope otherwise, but no further than the token's hospitals
        return place.hospital_id in hospitals_named(claims)
    if place.kind in _SYSTEM | {RoomKind.ADMIN_UPDATES}:
        return verb not in _OF_ALL_HOSPITALS or ALL in claims.hospitals
    if covers_hospital(claims, place.hospital_id) and (
        place.kind not in _DEVICE or place.patient_id or role in _SEES_UNASSIGNED
    ):
        return True
    if place.kind in _HOSPITAL:
        return False
    if place.ward_id and f"{place.hospital_id}:{place.ward_id}" in claims.wards:
        return True
    if place.patient_id is None:
        return False
    return place.patient_id in claims.patients | claims.opened or ALL in claims.patients
