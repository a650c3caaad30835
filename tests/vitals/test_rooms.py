import pytest

from vitals.errors import InvalidRoom
from vitals.rooms import AUTO_SUBSCRIPTIONS, RoomKind, is_live_only, parse_room

GUIDE_ROOMS = [  # "Room Naming Convention" of the guide
    "patient:507f1f77bcf86cd799439011",
    "patient:507f1f77bcf86cd799439011:vitals",
    "patient:507f1f77bcf86cd799439011:alerts",
    "hospital:507f1f77bcf86cd799439012",
    "hospital:507f1f77bcf86cd799439012:alerts",
    "hospital:507f1f77bcf86cd799439012:devices",
    "device:blood_pressure_monitor:BP-1",
    "device:blood_pressure_monitor:BP-1:status",
    "system:alerts",
    "admin:updates",
]
ADDED_ROOMS = ["patient:p:waveforms", "ward:h:w", "ward:h:w:vitals", "ward:h:w:alerts"]


@pytest.mark.parametrize("name", GUIDE_ROOMS + ADDED_ROOMS)
def test_a_rooms_name_parses_and_is_written_the_same(name):
    assert str(parse_room(name)) == name


def test_every_kind_of_room_has_been_named():
    assert {parse_room(name).kind for name in GUIDE_ROOMS + ADDED_ROOMS} == set(RoomKind)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "patient:",
        "patient:p:other",
        "patient:p:vitals:x",
        "patient:a b",
        "patient:p\n",
        "device:toaster:1",
        "device:thermometer",
        "system",
        "system:alerts:x",
        "ward:h",
        "*",
        "patient:*",
        "patient:" + "x" * 65,
    ],
)
def test_other_names_are_no_rooms(name):
    with pytest.raises(InvalidRoom):
        parse_room(name)


def test_endpoints_subscribe_to_the_rooms_that_the_guide_lists():
    forms = {place: [str(kind) for kind in kinds] for place, kinds in AUTO_SUBSCRIPTIONS.items()}
    assert forms["patient"] == ["patient:{patient_id}", "patient:{patient_id}:vitals", "patient:{patient_id}:alerts"]
    assert forms["hospital"] == [
        "hospital:{hospital_id}",
        "hospital:{hospital_id}:alerts",
        "hospital:{hospital_id}:devices",
    ]
    assert forms["device"] == ["device:{device_type}:{device_id}", "device:{device_type}:{device_id}:status"]


@pytest.mark.parametrize(
    ("name", "live_only"),
    [
        ("patient:p:waveforms", True),
        ("patient:p:vitals", False),
        ("hospital:waveforms", False),
        ("patient:waveforms", False),
        ("device:thermometer:waveforms", False),
    ],
)
def test_only_a_patients_waveforms_are_not_remembered(name: str, live_only: bool):
    assert is_live_only(name) is live_only
