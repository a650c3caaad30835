"""The rights, checked against a table written from the contract's words alone: role × kind of room × scope."""

import itertools

import pytest

from hub.auth.errors import Forbidden
from hub.auth.gate import Gate
from hub.auth.rights import RIGHTS, Place, Verb, may
from hub.auth.tokens import Claims, Role
from hub.errors import NotFound
from tests.support.hub import CUFF, HOSPITAL, OTHER_HOSPITAL, OTHER_PATIENT, PATIENT, SPARE, WARD, TableRegistry
from vitals.rooms import RoomKind, parse_room

ROOMS = {
    "patient": [f"patient:{PATIENT}", f"patient:{PATIENT}:vitals", f"patient:{PATIENT}:alerts", f"patient:{PATIENT}:waveforms"],
    "ward": [f"ward:{HOSPITAL}:{WARD}", f"ward:{HOSPITAL}:{WARD}:vitals", f"ward:{HOSPITAL}:{WARD}:alerts"],
    "hospital": [f"hospital:{HOSPITAL}", f"hospital:{HOSPITAL}:alerts"],
    "hospital devices": [f"hospital:{HOSPITAL}:devices"],
    "assigned device": [f"device:{CUFF}", f"device:{CUFF}:status"],
    "spare device": [f"device:{SPARE}", f"device:{SPARE}:status"],
    "system": ["system:alerts"],
    "admin": ["admin:updates"],
}  # fmt: skip
SCOPES = {
    "hospital": {"hospitals": frozenset({HOSPITAL})},
    "ward": {"wards": frozenset({f"{HOSPITAL}:{WARD}"})},
    "patient": {"patients": frozenset({PATIENT})},
    "nothing": {},
    "elsewhere": {
        "hospitals": frozenset({OTHER_HOSPITAL}),
        "wards": frozenset({f"{OTHER_HOSPITAL}:{WARD}", f"{HOSPITAL}:w9"}),
        "patients": frozenset({OTHER_PATIENT}),
    },
}
IN_PATIENTS_SCOPE = {"patient", "assigned device", "system"}
CLINICAL = {
    "hospital": {"patient", "ward", "hospital", "hospital devices", "assigned device", "system"},
    "ward": IN_PATIENTS_SCOPE | {"ward"},
    "patient": IN_PATIENTS_SCOPE,
    "nothing": {"system"},
    "elsewhere": {"system"},
}
WATCHABLE = {
    "viewer": CLINICAL,
    "clinician": CLINICAL,
    "tester": CLINICAL,
    "technician": {
        "hospital": {"hospital devices", "assigned device", "spare device", "system"},
        "ward": {"assigned device", "system"},
        "patient": {"assigned device", "system"},
        "nothing": {"system"},
        "elsewhere": {"system"},
    },
    "admin": {
        "hospital": set(ROOMS),
        "ward": CLINICAL["ward"] | {"admin"},
        "patient": CLINICAL["patient"] | {"admin"},
        "nothing": {"system", "admin"},
        "elsewhere": {"system", "admin"},
    },
}


def claims(role: str, **scope: frozenset[str]) -> Claims:
    return Claims(sub="a", jti="j", iss="i", aud="a", iat=0, exp=1, roles=frozenset({Role(role)}), **scope)


@pytest.mark.parametrize(("role", "scope"), list(itertools.product(WATCHABLE, SCOPES)))
async def test_a_role_in_a_scope_watches_these_rooms_and_no_others(role: str, scope: str):
    gate = Gate(TableRegistry())
    allowed = set()
    for group, rooms in ROOMS.items():
        answers = {await passes(gate, claims(role, **SCOPES[scope]), Verb.WATCH, room) for room in rooms}
        assert len(answers) == 1, f"{group} is neither open nor shut"
        allowed |= {group} if answers == {True} else set()
    assert allowed == WATCHABLE[role][scope]


async def passes(gate: Gate, token: Claims, verb: Verb, room: str) -> bool:
    try:
        address = await gate.pass_room(token, verb, parse_room(room))
    except Forbidden:
        return False
    assert address.room == room
    return True


def test_every_kind_of_room_is_in_the_table_above():
    kinds = {parse_room(room).kind for rooms in ROOMS.values() for room in rooms}
    assert kinds == set(RoomKind)
    assert set(WATCHABLE) == {role.value for role in Role}


OTHER_VERBS = {
    ("clinician", "record"): {"assigned device"},
    ("clinician", "operate"): {"patient"},
    ("tester", "publish"): set(ROOMS) - {"admin", "spare device"},
    ("admin", "publish"): set(ROOMS) - {"admin"},
    ("admin", "record"): {"assigned device", "spare device"},
    ("admin", "operate"): set(ROOMS) - {"admin", "system"},
}


@pytest.mark.parametrize(("role", "verb"), list(itertools.product(WATCHABLE, ["publish", "record", "operate"])))
async def test_a_role_does_these_things_in_its_hospital_and_no_others(role: str, verb: str):
    gate = Gate(TableRegistry())
    token = claims(role, **SCOPES["hospital"])
    allowed = {group for group, rooms in ROOMS.items() if await passes(gate, token, Verb(verb), rooms[0])}
    assert allowed == OTHER_VERBS.get((role, verb), set())


def test_what_is_not_in_the_table_is_denied():
    """Default deny: a verb that a role has no entry for allows nothing, on any kind."""
    everything = {"hospitals": frozenset({HOSPITAL}), "patients": frozenset({PATIENT})}
    for role, verb, kind in itertools.product(Role, Verb, RoomKind):
        if kind not in RIGHTS[role].get(verb, ()):
            place = Place(kind=kind, hospital_id=HOSPITAL, ward_id=WARD, patient_id=PATIENT)
            assert not may(claims(role, **everything), verb, place)


def test_several_roles_add_up_each_within_its_own_rights():
    both = Claims(
        sub="a", jti="j", iss="i", aud="a", iat=0, exp=1,
        roles=frozenset({Role.TECHNICIAN, Role.VIEWER}), hospitals=frozenset({HOSPITAL}),
    )  # fmt: skip
    assert may(both, Verb.WATCH, Place(kind=RoomKind.DEVICE, hospital_id=HOSPITAL))
    assert may(both, Verb.WATCH, Place(kind=RoomKind.PATIENT, hospital_id=HOSPITAL, patient_id=PATIENT))
    assert not may(both, Verb.RECORD, Place(kind=RoomKind.DEVICE, hospital_id=HOSPITAL))


async def test_everything_is_an_admins_alone():
    gate = Gate(TableRegistry())
    everywhere = claims("admin", hospitals=frozenset({"*"}))
    for room in (f"patient:{OTHER_PATIENT}", f"hospital:{HOSPITAL}", f"device:{SPARE}", "admin:updates"):
        assert await passes(gate, everywhere, Verb.WATCH, room)


@pytest.mark.parametrize("room", ["patient:none", "device:thermometer:none", f"ward:{HOSPITAL}:none"])
async def test_the_unknown_is_not_found_by_those_who_see_the_hospital_and_forbidden_to_others(room: str):
    gate = Gate(TableRegistry())
    with pytest.raises(NotFound):
        await gate.pass_room(claims("clinician", hospitals=frozenset({HOSPITAL})) if "device" not in room else
                             claims("technician", hospitals=frozenset({HOSPITAL})), Verb.WATCH, parse_room(room))  # fmt: skip
    with pytest.raises(Forbidden):
        await gate.pass_room(claims("viewer", patients=frozenset({PATIENT})), Verb.WATCH, parse_room(room))


async def test_an_unknown_hospital_is_not_found_only_where_the_token_names_it():
    gate = Gate(TableRegistry())
    with pytest.raises(NotFound):
        await gate.pass_room(claims("viewer", hospitals=frozenset({"gone"})), Verb.WATCH, parse_room("hospital:gone"))
    with pytest.raises(Forbidden):
        await gate.pass_room(claims("viewer", hospitals=frozenset({HOSPITAL})), Verb.WATCH, parse_room("hospital:gone"))
