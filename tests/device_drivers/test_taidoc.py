"""What is said to TaiDoc's and FORA's devices, and what becomes of their records."""

from datetime import timedelta
from decimal import Decimal

import pytest

from device_drivers.advertisement import Advertisement
from device_drivers.cuffs import taidoc
from device_drivers.cuffs.taidoc import BloodPressure, Frame, Glucose, RecordTime, Saturation, Temperature
from device_drivers.cuffs.taidoc_session import CHARACTERISTIC, SERVICE
from device_drivers.date_time import DateTime
from device_drivers.registry import DRIVERS, drivers_for
from device_drivers.sessions import (
    CloseLink,
    LinkEstablished,
    ReportRefused,
    SendBytes,
    SubscribeTo,
    TimePassed,
    ValueReceived,
    WriteValue,
)
from simulators.models.model import Body
from simulators.models.registry import MODELS
from simulators.models.taidoc import TaiDocDevice
from tests.device_drivers.conversation import Conversation
from tests.device_drivers.samples import BERLIN, CUFF, NOON, after, context, readings
from vitals.parameters import Parameter
from vitals.readings import Reason

TIME = DateTime.of(NOON.astimezone(BERLIN))
SEEN = Body(spo2=96, pulse_rate=64, systolic=131, diastolic=84, temperature=Decimal("37.4"), glucose=97)


def talk(key, model=None, memory=None, at=NOON, **options):
    model = model or MODELS[key](lambda now: SEEN)
    model.disconnected()
    memory = {} if memory is None else memory
    return Conversation(driver=DRIVERS[key], model=model, options=options, memory=memory, now=at).run(20)


def asked(conversation):
    return [Frame.from_bytes(sent).cmd for sent in conversation.sent]


def begun(key, **options):
    session = DRIVERS[key].session(context(CUFF, **options))
    session.handle(LinkEstablished(at=NOON))
    return session


def tell(session, *frames, at=NOON):
    events = [ValueReceived(at=at, characteristic=CHARACTERISTIC, data=bytes(frame)) for frame in frames]
    return [command for event in events for command in session.handle(event)]


def told(key, value, *, model=None, kind=0, marks=0):
    """What a device's session makes of one record."""
    session = begun(key)
    if model is not None:
        tell(session, taidoc.reply(taidoc.READ_MODEL, model.to_bytes(2, "little") + bytes(2)))
    return [
        command
        for command in tell(session, RecordTime(timestamp=TIME, kind=kind, marks=marks), value)
        if not isinstance(command, WriteValue)
    ]


def values(commands):
    (reading,) = readings(commands)
    return {value.parameter: (value.number, value.reasons) for value in reading.values}


def refusal(commands):
    (refused,) = commands
    assert isinstance(refused, ReportRefused)
    return refused.reason


PRESSURE = BloodPressure(systolic=131, diastolic=84, pulse_rate=64)


def test_model_clock_number_of_records_and_each_record_are_asked_for_in_this_order():
    conversation = talk("fora-bp")
    assert conversation.commands[0] == SubscribeTo(characteristic=CHARACTERISTIC)
    assert [f"{cmd:02x}" for cmd in dict.fromkeys(asked(conversation))] == ["24", "23", "2b", "25", "26"]
    assert conversation.commands[-1] == CloseLink()


def test_a_meter_on_a_cable_is_connected_to_first():
    conversation = talk("taidoc-glucose-serial")
    assert conversation.commands[0] == SendBytes(data=bytes.fromhex("512200000000a316"))
    assert [reading.values[0].number for reading in conversation.readings] == [97]


@pytest.mark.parametrize("key", ["fora-bp", "fora-thermometer", "fora-oximeter", "fora-glucose"])
def test_the_clock_is_set_only_where_the_options_ask_for_it_and_after_it_was_read(key):
    assert taidoc.SET_CLOCK not in asked(talk(key))
    commands = asked(talk(key, set_time=True))
    assert commands.index(taidoc.READ_CLOCK) < commands.index(taidoc.SET_CLOCK)


def test_a_stored_record_is_placed_by_the_clock_that_was_read():
    model = MODELS["fora-bp"](lambda now: SEEN)
    model.measure(NOON - timedelta(hours=3))
    live, stored = talk("fora-bp", model).readings
    assert (live.stored, live.time_uncertain) == (False, False)
    assert (stored.measured, stored.stored, stored.time_uncertain) == (NOON - timedelta(hours=3), True, False)


def test_records_that_an_earlier_reading_had_are_not_asked_for_again():
    memory, model = {}, MODELS["fora-glucose"](lambda now: SEEN)
    for hour in range(5):
        model.measure(NOON - timedelta(hours=5 - hour))
    assert len(talk("fora-glucose", model, memory).readings) == 6
    again = talk("fora-glucose", model, memory, at=after(3600))
    assert len(again.readings) == 1
    assert asked(again).count(taidoc.READ_RECORD_VALUE) == 2


def test_a_user_is_asked_for_and_stays_with_the_reading():
    conversation = talk("fora-bp", user=3)
    frames = {Frame.from_bytes(sent).cmd: Frame.from_bytes(sent).data.hex() for sent in conversation.sent}
    assert (frames[taidoc.COUNT_RECORDS], frames[taidoc.READ_RECORD_VALUE]) == ("03000000", "00000003")
    assert [reading.user for reading in conversation.readings] == [3]
    assert [reading.user for reading in talk("fora-bp").readings] == [None]


def test_an_oximeter_tells_its_present_numbers_only_where_the_options_ask_for_it():
    assert taidoc.READ_NOW not in asked(talk("fora-oximeter"))
    conversation = talk("fora-oximeter", live=True)
    assert not conversation.closed
    live = [reading for reading in conversation.readings if reading.device_time is None]
    assert len(live) >= 18
    assert {reading.value(Parameter.SPO2).number for reading in live} == {96}
    assert not any(reading.stored or reading.time_uncertain for reading in live)


def test_no_finger_is_no_number():
    body = iter([SEEN] + [Body(spo2=None)] * 1000)
    model = TaiDocDevice(lambda now: next(body), make=MODELS["fora-oximeter"].keywords["make"])
    reading = talk("fora-oximeter", model, live=True).readings[-1]
    assert {(value.number, value.reasons) for value in reading.values} == {(None, (Reason.NO_FINGER,))}


def test_a_value_counts_only_after_the_time_of_its_record():
    session = begun("fora-bp")
    assert refusal(tell(session, PRESSURE)) == "value_without_time"
    tell(session, RecordTime(timestamp=TIME, kind=2), PRESSURE)
    assert refusal(tell(session, PRESSURE)) == "value_without_time"


def test_a_device_that_says_that_it_listens_is_answered_with_nothing():
    assert tell(begun("fora-bp"), taidoc.reply(taidoc.LISTENING, bytes(4))) == []


def test_model_and_clock_that_are_not_told_are_passed_over_and_a_silent_device_is_left():
    session = begun("fora-thermometer")
    said = [session.handle(TimePassed(at=after(2 * times))) for times in range(1, 10)]
    commands = [Frame.from_bytes(command.data).cmd for (command, *_) in said[:-1]]
    assert commands == [0x24, 0x24, 0x23, 0x23, 0x23, 0x2B, 0x2B, 0x2B]
    assert said[-1] == [ReportRefused(at=after(18), reason="no_answer", discarded=0), CloseLink()]
    assert session.handle(TimePassed(at=after(60))) == []


@pytest.mark.parametrize(
    ("kind", "marks", "reasons"),
    [
        (2, 0, ()),
        (2, 4, ()),
        (3, 0, (Reason.IRREGULAR_PULSE,)),
        (2, 2, (Reason.IRREGULAR_PULSE,)),
        (3, 3, (Reason.IRREGULAR_PULSE,)),
        (3, 1, (Reason.PULSE_OUT_OF_RANGE,)),
    ],
)
def test_what_a_cuff_remarks_of_the_pulse_stays_with_every_number(kind, marks, reasons):
    said = values(told("fora-bp", PRESSURE, kind=kind, marks=marks))
    assert {of for _, of in said.values()} == {reasons}


def test_a_mean_pressure_is_passed_on_where_the_cuff_has_one():
    said = values(told("fora-bp", BloodPressure(systolic=120, diastolic=80, pulse_rate=64, mean=93), kind=2))
    assert (said[Parameter.SYSTOLIC][0], said[Parameter.MEAN][0]) == (120, 93)
    assert Parameter.MEAN not in values(told("fora-bp", PRESSURE, kind=2))


@pytest.mark.parametrize("pulse_rate", [None, 1, 3])
def test_a_measurement_that_failed_has_no_numbers(pulse_rate):
    failed = BloodPressure(systolic=131, diastolic=84, pulse_rate=pulse_rate)
    said = values(told("fora-bp", failed, kind=2))
    assert set(said.values()) == {(None, (Reason.MEASUREMENT_FAILED,))}


def test_a_record_of_a_combined_meter_that_is_not_marked_as_a_blood_pressure_is_none():
    assert refusal(told("fora-bp", PRESSURE, model=0x3261)) == "not_marked_as_blood_pressure"
    assert refusal(told("fora-bp", PRESSURE)) == "not_marked_as_blood_pressure"
    assert values(told("fora-bp", PRESSURE, model=0x3129))[Parameter.SYSTOLIC][0] == 131
    assert refusal(told("fora-glucose", Glucose(glucose=131), kind=2)) == "not_a_glucose"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (Glucose(glucose=100, meal=Glucose.CONTROL), "control_solution"),
        (Glucose(glucose=42, substance=6), "not_a_glucose"),
        (Glucose(glucose=42, substance=7, meal=3), "control_solution"),
    ],
)
def test_what_is_not_of_a_patients_blood_is_no_glucose(value, reason):
    assert refusal(told("fora-glucose", value)) == reason


def test_a_glucose_before_a_meal_is_one():
    assert values(told("fora-glucose", Glucose(glucose=107, meal=1)))[Parameter.GLUCOSE] == (107, ())
    assert values(told("fora-glucose", Glucose(glucose=None)))[Parameter.GLUCOSE] == (
        None,
        (Reason.MEASUREMENT_FAILED,),
    )


@pytest.mark.parametrize("site", range(8))
def test_only_a_body_has_a_temperature(site):
    commands = told("fora-thermometer", Temperature(temperature=Decimal("22.5")), kind=site & 3, marks=site >> 2)
    if site in (4, 5):
        assert refusal(commands) == "not_a_body_temperature"
    else:
        assert values(commands)[Parameter.TEMPERATURE][0] == Decimal("22.5")


@pytest.mark.parametrize(("raw", "celsius"), [(986, "37"), (1010, "38.33"), (1000, "37.78")])
def test_degrees_fahrenheit_are_tenths_beyond_1000_too(raw, celsius):
    frame = taidoc.reply(taidoc.READ_RECORD_VALUE, raw.to_bytes(2, "little") + bytes(2))
    (reading,) = readings(told("fora-thermometer", frame, marks=4))
    value = reading.values[0]
    assert (value.number, value.sent_number) == (Decimal(celsius), Decimal(raw).scaleb(-1))


def test_no_temperature_is_none():
    said = values(told("fora-thermometer", Temperature(temperature=None)))
    assert said[Parameter.TEMPERATURE] == (None, (Reason.MEASUREMENT_FAILED,))


def test_a_date_that_is_unknown_is_no_time():
    unknown = DateTime(year=2000, month=0, day=0, hour=0, minute=0, second=0)
    (reading,) = readings(
        tell(begun("fora-oximeter"), RecordTime(timestamp=unknown), Saturation(spo2=96, pulse_rate=64))
    )
    assert reading.time_uncertain
    assert reading.device_time is None


def found(name):
    advertisement = Advertisement(address="00:11:22:33:44:55", name=name, services=frozenset({SERVICE}))
    return [driver.key for driver in drivers_for(advertisement)]


def test_the_service_that_all_kinds_share_decides_nothing():
    every = {"fora-bp", "fora-thermometer", "fora-oximeter", "fora-glucose"}
    assert set(found(None)) == every
    for name, first in (("TAIDOC TD8255", "fora-oximeter"), ("FORA P60", "fora-bp"), ("FORA GD40", "fora-glucose")):
        assert found(name)[0] == first
        assert set(found(name)) >= every
    assert set(found("FORA D40")[:2]) == {"fora-bp", "fora-glucose"}


@pytest.mark.parametrize("cmd", [0x43, 0x50, 0x52, 0x00])
def test_a_session_can_say_nothing_that_starts_erases_or_turns_off(cmd):
    with pytest.raises(ValueError, match="no command that reads"):
        taidoc.request(cmd)


@pytest.mark.parametrize(
    "message",
    [
        BloodPressure(systolic=512, diastolic=80, pulse_rate=64),
        BloodPressure(systolic=256, diastolic=80, pulse_rate=64, mean=90),
        BloodPressure(systolic=120, diastolic=80, pulse_rate=64, mean=1),
        Temperature(temperature=Decimal("0.05")),
        Temperature(temperature=Decimal("655.36")),
        Saturation(spo2=65536, pulse_rate=64),
        Glucose(glucose=1, code=1024),
        RecordTime(timestamp=DateTime.parse("2128-01-01T00:00:00")),
        Frame(cmd=0x24, data=b"\0"),
    ],
)
def test_what_a_frame_can_not_say_is_not_encoded(message):
    with pytest.raises(ValueError, match=r"systolic|temperature|spo2|code|the year|data"):
        bytes(message)
