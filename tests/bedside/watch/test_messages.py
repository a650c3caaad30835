"""What a hub sends, read tolerantly, and never more than it says."""

from decimal import Decimal

import msgspec
import pytest

from bedside.watch.answers import Device, RecordedReading
from bedside.watch.messages import (
    DATA,
    Alert,
    Event,
    InvalidMessage,
    Pong,
    Pressure,
    Refusal,
    Subscribed,
    Vitals,
    Worth,
    decode_message,
    signs_of,
)
from tests.bedside.watch.samples import NOON, REPLAYED, alert, pong, said, vitals
from vitals.events import EVENTS, EventName
from vitals.parameters import Vital


def text_of(document: dict) -> str:
    return msgspec.json.encode(document).decode()


def signs(**members) -> dict:
    message = decode_message(text_of(vitals(**members)))
    assert isinstance(message, Event)
    assert isinstance(message.data, Vitals)
    return {sign.vital: sign for sign in signs_of(message.data)}


def test_each_vital_is_a_sign_with_its_number_exactly_as_sent():
    found = signs(spo2=97, temperature=37.9, blood_pressure={"systolic": 150, "diastolic": 95, "mean": 113})
    assert found.keys() == {Vital.SPO2, Vital.TEMPERATURE, Vital.BLOOD_PRESSURE}
    assert found[Vital.TEMPERATURE].number == Decimal("37.9")
    assert found[Vital.BLOOD_PRESSURE].number == Pressure(
        systolic=Decimal(150), diastolic=Decimal(95), mean=Decimal(113)
    )


def test_a_missing_value_is_missing_with_its_reason_and_no_zero():
    found = signs(spo2=None, quality={"spo2": {"status": "missing", "reasons": ["no_finger"]}})
    assert found[Vital.SPO2].number is None
    assert found[Vital.SPO2].is_missing
    assert found[Vital.SPO2].worth == Worth(status="missing", reasons=("no_finger",))


def test_a_pressure_without_numbers_is_missing_and_one_with_a_single_number_is_not():
    nothing = signs(blood_pressure={"systolic": None, "diastolic": None})
    half = signs(blood_pressure={"systolic": 150, "diastolic": None})
    assert nothing[Vital.BLOOD_PRESSURE].is_missing
    assert not half[Vital.BLOOD_PRESSURE].is_missing


def test_a_vitals_own_time_goes_before_that_of_the_message():
    found = signs(spo2=97, heart_rate=70, seconds=5, measured={"spo2": said(NOON)})
    assert found[Vital.SPO2].measured == NOON
    assert found[Vital.HEART_RATE].measured > NOON


def test_the_place_in_a_recording_stays_with_the_value():
    assert signs(spo2=97, replayed=REPLAYED)[Vital.SPO2].replayed.speed == 240


def test_members_and_events_that_a_screen_does_not_know_are_passed_over():
    document = vitals(spo2=97, shoe_size=42)
    document["unheard"] = {"of": []}
    assert isinstance(decode_message(text_of(document)), Event)
    unknown = decode_message(text_of({**document, "event": "patient.horoscope"}))
    assert isinstance(unknown, Event)
    assert unknown.data is None


@pytest.mark.parametrize("event", DATA)
def test_what_a_screen_must_find_in_an_event_the_catalogue_promises(event: str):
    promised = {field.name for field in msgspec.structs.fields(EVENTS[EventName(event)].data)}
    assert {field.name for field in msgspec.structs.fields(DATA[event]) if field.required} <= promised


def test_what_the_server_says_of_itself_is_read():
    assert isinstance(decode_message(text_of(pong(upstream="redis_lost"))), Pong)
    refusal = decode_message('{"type": "error", "code": "unavailable", "message": "later", "room": "r"}')
    assert refusal == Refusal(code="unavailable", message="later", room="r")
    answer = decode_message(
        '{"type":"subscription","room":"r","status":"subscribed","epoch":"e","offset":3,"missing":{"epoch":"e"}}'
    )
    assert isinstance(answer, Subscribed)
    assert (answer.position.offset, answer.missing, answer.recovered) == (3, True, False)
    denied = decode_message('{"type":"subscription","room":"r","status":"denied","reason":"forbidden"}')
    assert (denied.status, denied.position) == ("denied", None)
    assert decode_message('{"type": "ping"}') is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no json",
        "[]",
        "7",
        "null",
        "{}",
        '{"type": "pong"}',
        '{"event": "patient.alert"}',
        '{"type": "subscription"}',
        text_of({**vitals(spo2=97), "data": {"patient_id": 3}}),
        text_of({**vitals(spo2="much"), "offset": 1}),
        text_of({**vitals(spo2=97), "timestamp": "yesterday"}),
        "[" * 100_000,
    ],
)
def test_what_is_no_message_is_an_error_that_repeats_nothing_of_it(text: str):
    with pytest.raises(InvalidMessage) as caught:
        decode_message(text)
    assert str(caught.value) == "a message can't be read"


def test_text_can_not_steer_a_terminal_nor_turn_its_direction():
    evil = "\x1b[2J\x07\x9b31mHigh\u202e\u200f\n pressure ° é"
    message = decode_message(text_of(alert(evil)))
    assert isinstance(message.data, Alert)
    assert message.data.message == "[2J31mHigh pressure ° é"


def test_a_recorded_reading_says_what_its_message_said():
    device = Device(device_type="blood_pressure_monitor", device_id="BP-101")
    reading = msgspec.convert(
        {
            "data_type": "blood_pressure",
            "values": {"systolic": 150, "diastolic": 95, "mean": None},
            "timestamp": said(NOON),
            "patient_id": "ann",
            "quality": {"blood_pressure": {"status": "questionable", "reasons": ["motion"]}},
            "replayed": REPLAYED,
        },
        RecordedReading,
    )
    (sign,) = reading.signs(device)
    assert sign.number == Pressure(systolic=Decimal(150), diastolic=Decimal(95), mean=None)
    assert (sign.patient_id, sign.device_id, sign.measured) == ("ann", "BP-101", NOON)
    assert sign.worth.reasons == ("motion",)


def test_a_recorded_reading_that_no_patient_has_says_nothing():
    reading = RecordedReading(data_type="spo2", values={"spo2": Decimal(97)}, timestamp=NOON)
    assert reading.signs(Device(device_type="pulse_oximeter", device_id="x")) == ()
