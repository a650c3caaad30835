"""The rights, checked against a table written from the contract's words alone: role × kind of room × scope."""

import itertools
from collections.abc import Iterable

import pytest

from hub.auth.errors import Forbidden
from hub.auth.gate import Gate
from hub.auth.rights import RIGHTS, Place, Verb, may
from hub.auth.tokens import Claims, Role
from hub.errors import NotFound
from tests.support.hub import HOSPITAL, OTHER_PATIENT, PATIENT, SPARE, WARD, TableRegistry
from tests.support.rights import BY_ROLE, ROOMS, SCOPES, allowed
from vitals.rooms import RoomKind, parse_room

SCOPE_OF_ROLE = [(role, scope) for role in BY_ROLE for scope in SCOPES if scope != "all" or role == "admin"]


def claims(role: str, **scope: Iterable[str]) -> Claims:
    scopes = {name: frozenset(ids) for name, ids in scope.items()}
    return Claims(sub="a", jti="j", iss="i", aud="a", iat=0, exp=1, roles=frozenset({Role(role)}), **scopes)


@pytest.mark.parametrize("verb", Verb)
@pytest.mark.parametrize(("role", "scope"), SCOPE_OF_ROLE)
async def test_a_role_does_a_thing_in_the_rooms_of_its_scope_and_in_no_others(role: str, scope: str, verb: Verb):
    gate = Gate(TableRegistry())
    token = claims(role, **SCOPES[scope])
    assert {room for room in ROOMS if await passes(gate, token, verb, room)} == allowed(role, verb, scope)


async def passes(gate: Gate, token: Claims, verb: Verb, room: str) -> bool:
    try:
        address = await gate.pass_room(token, verb, parse_room(room))
    except Forbidden:
        return False
    assert address.room == room
    return True


def test_every_role_and_kind_of_room_is_in_the_statement():
    assert {parse_room(room).kind for room in ROOMS} == set(RoomKind)
    assert set(BY_ROLE) == {role.value for role in Role}


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


def test_break_glass_opens_one_patient_to_the_users_own_role_and_nothing_else():
    opened = {"opened": frozenset({PATIENT}), "wards": frozenset({f"{HOSPITAL}:w9"})}
    here = {"hospital_id": HOSPITAL, "ward_id": WARD}
    seen = Place(kind=RoomKind.PATIENT_VITALS, patient_id=PATIENT, **here)
    assert may(claims("clinician", **opened), Verb.WATCH, seen)
    assert may(claims("clinician", **opened), Verb.OPERATE, seen)
    assert not may(claims("viewer", **opened), Verb.OPERATE, seen)
    assert not may(claims("clinician", **opened), Verb.WATCH, Place(kind=RoomKind.WARD_VITALS, **here))
    another = Place(kind=RoomKind.PATIENT_VITALS, patient_id="another", **here)
    assert not may(claims("clinician", **opened), Verb.WATCH, another)


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
