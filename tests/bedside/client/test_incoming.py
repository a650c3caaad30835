"""Decoding what the hub sends: typed as far as the catalogue knows it, tolerant beyond, never raising anything undeclared."""

import contextlib
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bedside.client.events import Event
from bedside.client.incoming import UnreadableMessage, decode_frame, event_of
from vitals.events import PatientAlert, PatientVitals

ENVELOPE = {
    "event_id": "e",
    "room": "patient:p1:vitals",
    "timestamp": "2026-11-25T10:00:00Z",
    "epoch": "x",
    "offset": 1,
    "n": 1,
}
VITALS = {"patient_id": "p1", "timestamp": "2026-11-25T10:00:00Z"}


def decoded(event: str, data: object) -> Event:
    text = msgspec.json.encode({"type": "t", "event": event, "data": data, **ENVELOPE})
    return event_of(decode_frame(text), text)


def test_data_of_the_catalogue_is_typed_and_its_numbers_are_exact():
    data = decoded("patient.vitals.update", VITALS | {"temperature": 36.8}).data
    assert isinstance(data, PatientVitals)
    assert data.temperature == Decimal("36.8")


def test_members_of_a_newer_hub_are_left_out_also_inside():
    pressure = {"systolic": 120, "diastolic": 80, "posture": "sitting"}
    quality = {"blood_pressure": {"status": "valid", "reasons": [], "grade": 1}}
    data = decoded("patient.vitals.update", VITALS | {"aura": 1, "blood_pressure": pressure, "quality": quality}).data
    assert isinstance(data, PatientVitals)
    assert (data.blood_pressure.systolic, data.quality["blood_pressure"].status) == (120, "valid")


def test_free_members_keep_all_that_is_in_them():
    alert = {"alert_type": "a", "severity": "info", "message": "m", "episode_id": "e", "kind": "technical", "repeat": 1}
    data = decoded("patient.alert", VITALS | alert | {"new": 1, "data": {"systolic": 150, "anything": [1]}}).data
    assert isinstance(data, PatientAlert)
    assert data.data == {"systolic": 150, "anything": [1]}


@pytest.mark.parametrize("data", [{"patient_id": 5}, {"patient_id": "p1", "timestamp": "noon"}])
def test_what_the_catalogue_would_not_have_comes_as_it_is(data):
    assert decoded("patient.vitals.update", data).data == data


def test_an_event_that_the_catalogue_does_not_know_comes_as_it_is():
    assert decoded("patient.mood", {"mood": "good"}).data == {"mood": "good"}


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', '{"type":1}', '{"room":"r"}', '{"type":"t","offset":"x"}'])
def test_what_is_no_message_is_refused(text):
    with pytest.raises(UnreadableMessage):
        decode_frame(text)


@pytest.mark.parametrize("left_out", ["room", "timestamp"])
def test_an_event_without_what_every_event_has_is_refused(left_out):
    text = msgspec.json.encode(
        {"type": "t", "event": "e", "data": {}} | {k: v for k, v in ENVELOPE.items() if k != left_out}
    )
    with pytest.raises(UnreadableMessage):
        event_of(decode_frame(text), text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from([*VITALS, "quality", "blood_pressure", "heart_rate", "measured", "replayed"])


@given(st.sampled_from(["patient.vitals.update", "patient.alert", "x"]), st.dictionaries(NAMES, JSON) | JSON)
def test_any_data_is_an_event_or_unreadable(event, data):
    with contextlib.suppress(UnreadableMessage):
        decoded(event, data)
