"""What is said to A&D's cuff and thermometer, and what becomes of what they had stored."""

from datetime import timedelta
from decimal import Decimal

import pytest

from device_drivers import uuids
from device_drivers.advertisement import Advertisement
from device_drivers.cuffs.and_ble import COMMANDS, DISCONNECT, QUIET, SEND_ALL
from device_drivers.date_time import DateTime
from device_drivers.registry import DRIVERS, drivers_for
from device_drivers.sessions import (
    Bond,
    Command,
    CommandRefused,
    LinkEstablished,
    ReadValue,
    Session,
    SubscribeTo,
    TimePassed,
    ValueReceived,
    WriteValue,
)
from device_drivers.sig.blood_pressure import BloodPressureMeasurement
from simulators.models.and_ble import UA651BLE
from simulators.models.model import Body
from simulators.models.registry import MODELS
from simulators.models.spot_check import EARLIER
from tests.device_drivers.conversation import Conversation
from tests.device_drivers.samples import BERLIN, CUFF, NOON, after, context, readings
from vitals.parameters import Parameter
from vitals.readings import Reason

KEYS = ["and-ua651ble", "and-ut201ble"]
NAMES = {"and-ua651ble": "A&D_UA-651BLE_D6A2F1", "and-ut201ble": "A&D_UT201BLE_76C9B8"}
SERVICES = {"and-ua651ble": uuids.BLOOD_PRESSURE_SERVICE, "and-ut201ble": uuids.HEALTH_THERMOMETER_SERVICE}
PRESENT = frozenset({uuids.BLOOD_PRESSURE_MEASUREMENT, uuids.DATE_TIME, COMMANDS})
LOCAL_NOON = DateTime.of(NOON.astimezone(BERLIN))
ALL_WANTED = WriteValue(characteristic=COMMANDS, data=SEND_ALL)
DISMISSED = WriteValue(characteristic=COMMANDS, data=DISCONNECT)


def cuff(present: frozenset[str] = PRESENT, **options: bool) -> Session:
    session = DRIVERS["and-ua651ble"].session(context(CUFF, **options))
    session.handle(LinkEstablished(at=NOON, characteristics=present))
    return session


def clock_read(session: Session) -> list[Command]:
    read = ValueReceived(at=NOON, characteristic=uuids.DATE_TIME, data=bytes(LOCAL_NOON))
    return list(session.handle(read))


def measured(session: Session, seconds: float) -> list[Command]:
    sent = BloodPressureMeasurement(systolic=Decimal(120), diastolic=Decimal(80), mean=Decimal(93))
    received = ValueReceived(at=after(seconds), characteristic=uuids.BLOOD_PRESSURE_MEASUREMENT, data=bytes(sent))
    return list(session.handle(received))


def ticked(session: Session, seconds: float) -> list[Command]:
    return list(session.handle(TimePassed(at=after(seconds))))


@pytest.mark.parametrize("key", KEYS)
def test_a_device_is_known_by_its_name_before_its_service(key):
    seen = Advertisement(address="00:11:22:33:44:55", name=NAMES[key], services=frozenset({SERVICES[key]}))
    assert drivers_for(seen)[0].key == key


def test_it_is_bonded_with_first_unless_the_options_say_otherwise():
    begun = DRIVERS["and-ua651ble"].session(context(CUFF)).handle(LinkEstablished(at=NOON, characteristics=PRESENT))
    assert begun == [
        Bond(),
        SubscribeTo(characteristic=uuids.BLOOD_PRESSURE_MEASUREMENT),
        ReadValue(characteristic=uuids.DATE_TIME),
    ]
    unbonded = DRIVERS["and-ua651ble"].session(context(CUFF, bond=False))
    assert Bond() not in unbonded.handle(LinkEstablished(at=NOON, characteristics=PRESENT))


def test_all_that_is_stored_is_asked_for_after_the_clock_was_read_and_set():
    assert clock_read(cuff()) == [
        WriteValue(characteristic=uuids.DATE_TIME, data=bytes(LOCAL_NOON)),
        ALL_WANTED,
    ]
    assert bytes.fromhex("0200e1") == SEND_ALL


def test_a_clock_that_cannot_be_read_is_set_all_the_same():
    """The cuff sends nothing before."""
    refused = CommandRefused(at=NOON, command=ReadValue(characteristic=uuids.DATE_TIME), reason="read not permitted")
    assert cuff().handle(refused) == [
        WriteValue(characteristic=uuids.DATE_TIME, data=bytes(LOCAL_NOON)),
        ALL_WANTED,
    ]


def test_a_cuff_without_the_vendors_characteristic_is_not_written_to():
    session = cuff(PRESENT - {COMMANDS})
    assert ALL_WANTED not in clock_read(session)
    assert ticked(session, 60) == []


def test_a_device_that_stays_without_sending_is_asked_to_leave_once():
    session = cuff()
    clock_read(session)
    assert ticked(session, QUIET.total_seconds() - 1) == []
    assert ticked(session, QUIET.total_seconds()) == [DISMISSED]
    assert ticked(session, 2 * QUIET.total_seconds()) == []
    assert bytes.fromhex("020103") == DISCONNECT


def test_a_measurement_gives_it_more_time():
    session = cuff()
    clock_read(session)
    assert readings(measured(session, 8))
    assert ticked(session, 17) == []
    assert ticked(session, 18) == [DISMISSED]


def test_nobody_is_asked_to_leave_before_the_clock_is_settled():
    assert ticked(cuff(), QUIET.total_seconds()) == []


@pytest.mark.parametrize("key", KEYS)
def test_what_was_stored_is_placed_by_the_devices_own_clock(key):
    talk = Conversation(driver=DRIVERS[key], model=MODELS[key](lambda now: Body())).run(seconds=20)
    stored, live = talk.readings
    assert (stored.stored, live.stored) == (True, False)
    assert not stored.time_uncertain
    assert abs(NOON - EARLIER - stored.measured) < timedelta(seconds=5)
    assert stored.device_time is not None
    assert live.device_time is not None
    assert live.device_time - stored.device_time == EARLIER


@pytest.mark.parametrize("key", KEYS)
def test_a_device_that_finds_nothing_sends_no_number(key):
    nothing = Body(systolic=None, diastolic=None, mean=None, pulse_rate=None, temperature=None)
    talk = Conversation(driver=DRIVERS[key], model=MODELS[key](lambda now: nothing)).run(seconds=20)
    values = [value for reading in talk.readings for value in reading.values if value.parameter is not Parameter.MEAN]
    assert values
    assert all((value.number, value.reasons) == (None, (Reason.MEASUREMENT_FAILED,)) for value in values)


@pytest.mark.parametrize("key", KEYS)
def test_a_device_whose_clock_nobody_sets_sends_nothing_and_leaves_when_told_to(key):
    model = MODELS[key](lambda now: Body())
    talk = Conversation(driver=DRIVERS[key], model=model, options={"set_time": False}).run(seconds=20)
    assert not talk.readings
    assert talk.sent[-1] == DISCONNECT
    assert model.finished


def test_the_model_keeps_what_is_stored_until_it_is_asked_for():
    model = UA651BLE(lambda now: Body())
    model.subscribed(NOON, uuids.BLOOD_PRESSURE_MEASUREMENT)
    assert not model.step(NOON)
    model.received(NOON, bytes(LOCAL_NOON), uuids.DATE_TIME)
    assert len([said for _ in range(5) for said in model.step(NOON)]) == 1
