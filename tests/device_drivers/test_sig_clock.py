"""When a device's clock is read and set, what waits for it, what follows it, and that no refusal ends the conversation."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from device_drivers import uuids
from device_drivers.date_time import DateTime
from device_drivers.sessions import (
    Bond,
    Command,
    Deliver,
    LinkEstablished,
    ReadValue,
    ReportRefused,
    ReportStatus,
    SubscribeTo,
    TimePassed,
    ValueReceived,
    WriteValue,
)
from device_drivers.sig import blood_pressure, session
from device_drivers.sig.blood_pressure import BloodPressureMeasurement
from tests.device_drivers.samples import BERLIN, CUFF, NOON, after, context, readings
from tests.device_drivers.sig_talk import CLOCK, LOCAL_NOON, begun, measure, pressures, refuse, tell, with_clock

VENDORS = "0000ffee-1234-5678-9abc-def012345678"
FETCH = WriteValue(characteristic=VENDORS, data=bytes.fromhex("0200e1"))


@pytest.mark.parametrize("off_by", [timedelta(0), timedelta(days=-400), timedelta(hours=1)])
def test_what_comes_before_the_clock_was_read_waits_for_it(off_by):
    talk, stamp = begun(), DateTime.of(LOCAL_NOON + off_by - timedelta(hours=1))
    assert tell(talk, uuids.BLOOD_PRESSURE_MEASUREMENT, pressures(timestamp=stamp)) == []
    commands = tell(talk, uuids.DATE_TIME, bytes(DateTime.of(LOCAL_NOON + off_by)), after(1))
    (reading,) = readings(commands)
    assert isinstance(commands[0], Deliver)
    assert (reading.measured, reading.stored) == (NOON - timedelta(hours=1) + timedelta(seconds=1), True)
    assert (reading.received, reading.time_uncertain) == (NOON, False)
    assert commands[-1] == WriteValue(characteristic=uuids.DATE_TIME, data=bytes.fromhex("ea070b170d0001"))


def test_a_clock_that_cannot_be_read_is_set_all_the_same_and_what_waited_is_uncertain():
    talk = begun()
    tell(talk, uuids.BLOOD_PRESSURE_MEASUREMENT, pressures(timestamp=DateTime.of(datetime(2020, 1, 1))))
    commands = refuse(talk, ReadValue(characteristic=uuids.DATE_TIME))
    assert [reading.time_uncertain for reading in readings(commands)] == [True]
    assert commands[-1] == WriteValue(characteristic=uuids.DATE_TIME, data=bytes.fromhex("ea070b170d0000"))


def test_a_clock_that_makes_no_sense_is_said_and_set():
    commands = tell(begun(), uuids.DATE_TIME, b"\x00")
    assert commands[0] == ReportRefused(at=NOON, reason="truncated", discarded=1)
    assert isinstance(commands[1], WriteValue)


def test_nothing_waits_long_for_a_clock_and_then_it_is_left_as_it_is():
    talk = begun()
    tell(talk, uuids.BLOOD_PRESSURE_MEASUREMENT, pressures())
    assert list(talk.handle(TimePassed(at=after(19)))) == []
    commands = list(talk.handle(TimePassed(at=after(20))))
    assert len(readings(commands)) == len(commands) == 1
    assert tell(talk, uuids.DATE_TIME, bytes(DateTime.of(LOCAL_NOON)), after(21)) == []


def test_no_more_than_a_few_measurements_wait_for_a_clock():
    talk = begun()
    for _ in range(64):
        assert tell(talk, uuids.BLOOD_PRESSURE_MEASUREMENT, pressures()) == []
    assert len(readings(tell(talk, uuids.BLOOD_PRESSURE_MEASUREMENT, pressures()))) == 65
    assert len(readings(tell(talk, uuids.BLOOD_PRESSURE_MEASUREMENT, pressures()))) == 1


@pytest.mark.parametrize("off_by", [timedelta(hours=-1), timedelta(hours=1), timedelta(days=-400)])
def test_what_is_measured_after_the_clock_was_set_is_live(off_by):
    """The offset of before would put it an hour back, or into the future."""
    reading = measure(with_clock(off_by), at=after(600), timestamp=DateTime.of(LOCAL_NOON + timedelta(seconds=590)))
    assert (reading.measured, reading.stored, reading.time_uncertain) == (after(600), False, False)


def test_what_an_hour_fast_clock_stamped_an_hour_ago_is_not_taken_for_a_measurement_of_now():
    """Hourly rounds: by the new time it would be half a minute ahead."""
    stamp = DateTime.of(LOCAL_NOON + timedelta(seconds=40))
    reading = measure(with_clock(timedelta(hours=1)), at=after(10), timestamp=stamp)
    assert (reading.measured, reading.stored) == (NOON - timedelta(hours=1) + timedelta(seconds=40), True)


def after_setting(off_by: timedelta, hours: float) -> session.Session:
    """A cuff whose clock ran `off_by` ahead until it was set at noon, and which is connected to again so much later."""
    memory: dict[str, str] = {}
    for ahead, at in ((off_by, NOON), (timedelta(0), after(3600 * hours))):
        found = session.Session(replace(context(CUFF), memory=memory), blood_pressure.PROFILE)
        found.handle(LinkEstablished(at=at, characteristics=CLOCK))
        tell(found, uuids.DATE_TIME, bytes(DateTime.of(at.astimezone(BERLIN).replace(tzinfo=None) + ahead)), at)
    return found


@pytest.mark.parametrize("off_by", [timedelta(hours=-1), timedelta(hours=2), timedelta(days=-400)])
def test_what_was_measured_before_the_clock_was_put_right_is_placed_so_also_over_a_later_connection(off_by):
    """The link was lost before it came; now the clock is right, and tells nothing of what it was."""
    stamp = DateTime.of(LOCAL_NOON + off_by - timedelta(hours=3))
    reading = measure(after_setting(off_by, hours=5), at=after(5 * 3600), timestamp=stamp)
    assert (reading.measured, reading.stored, reading.time_uncertain) == (NOON - timedelta(hours=3), True, False)


@pytest.mark.parametrize("off_by", [timedelta(0), timedelta(hours=-1), timedelta(hours=2), timedelta(days=-400)])
def test_what_was_measured_since_the_clock_was_put_right_is_placed_by_the_new_time(off_by):
    stamp = DateTime.of(LOCAL_NOON + timedelta(hours=3))
    reading = measure(after_setting(off_by, hours=5), at=after(5 * 3600), timestamp=stamp)
    assert (reading.measured, reading.stored, reading.time_uncertain) == (NOON + timedelta(hours=3), True, False)


def test_a_time_that_a_fast_clock_may_have_shown_before_it_was_put_right_is_uncertain():
    """An hour after noon by the right clock, or an hour before it by the one that was two hours fast."""
    stamp = DateTime.of(LOCAL_NOON + timedelta(hours=1))
    reading = measure(after_setting(timedelta(hours=2), hours=5), at=after(5 * 3600), timestamp=stamp)
    assert (reading.stored, reading.time_uncertain) == (True, True)


def test_a_setting_that_was_refused_is_not_remembered():
    memory: dict[str, str] = {}
    found = session.Session(replace(context(CUFF), memory=memory), blood_pressure.PROFILE)
    found.handle(LinkEstablished(at=NOON, characteristics=CLOCK))
    (written,) = tell(found, uuids.DATE_TIME, bytes(DateTime.of(LOCAL_NOON + timedelta(hours=2))))
    assert memory
    refuse(found, written)
    assert memory == {}


@pytest.mark.parametrize("off_by", [timedelta(hours=-1), timedelta(hours=1), timedelta(days=-400)])
def test_what_was_measured_before_the_clock_was_set_is_placed_by_the_old_offset_all_along(off_by):
    stamp = DateTime.of(LOCAL_NOON + off_by - timedelta(hours=3))
    reading = measure(with_clock(off_by), at=after(600), timestamp=stamp)
    assert (reading.measured, reading.stored, reading.time_uncertain) == (NOON - timedelta(hours=3), True, False)


def test_a_clock_that_could_not_be_set_goes_on_by_its_own_time():
    talk = with_clock(timedelta(hours=1))
    assert refuse(talk, WriteValue(characteristic=uuids.DATE_TIME, data=b"")) == []
    reading = measure(talk, at=after(600), timestamp=DateTime.of(LOCAL_NOON + timedelta(seconds=590)))
    assert (reading.measured, reading.stored) == (NOON - timedelta(hours=1) + timedelta(seconds=590), True)


def test_a_clock_is_set_once():
    talk = with_clock(timedelta(hours=1))
    assert tell(talk, uuids.DATE_TIME, bytes(DateTime.of(LOCAL_NOON))) == []


def vendors(characteristics: frozenset[str], **options: bool) -> tuple[session.Session, list[Command]]:
    """A cuff whose vendor has a command for after the clock, and what is said first."""
    profile = session.Profile(
        measurement=uuids.BLOOD_PRESSURE_MEASUREMENT, decode=BloodPressureMeasurement.from_bytes, after_clock=(FETCH,)
    )
    found = session.Session(context(CUFF, **options), profile)
    return found, found.handle(LinkEstablished(at=NOON, characteristics=characteristics))


def test_a_vendors_command_follows_the_setting_of_the_clock():
    found, said = vendors(CLOCK | {VENDORS})
    assert FETCH not in said
    commands = tell(found, uuids.DATE_TIME, bytes(DateTime.of(LOCAL_NOON)))
    assert [type(command) for command in commands] == [WriteValue, WriteValue]
    assert commands[-1] == FETCH


def test_a_vendors_command_follows_also_where_the_clock_is_left_alone_or_cannot_be_read():
    found, _ = vendors(CLOCK | {VENDORS}, set_time=False)
    assert tell(found, uuids.DATE_TIME, bytes(DateTime.of(LOCAL_NOON))) == [FETCH]
    found, _ = vendors(CLOCK | {VENDORS})
    assert refuse(found, ReadValue(characteristic=uuids.DATE_TIME))[-1] == FETCH
    found, _ = vendors(CLOCK | {VENDORS})
    assert list(found.handle(TimePassed(at=after(30)))) == [FETCH]


def test_a_vendors_command_comes_at_once_without_a_clock_and_never_without_its_characteristic():
    _, said = vendors(frozenset({uuids.BLOOD_PRESSURE_MEASUREMENT, VENDORS}))
    assert said[-1] == FETCH
    _, said = vendors(frozenset({uuids.BLOOD_PRESSURE_MEASUREMENT}))
    assert FETCH not in said


def test_a_device_that_must_be_bonded_with_is_where_the_options_do_not_forbid_it():
    profile = session.Profile(
        measurement=uuids.BLOOD_PRESSURE_MEASUREMENT, decode=BloodPressureMeasurement.from_bytes, bond=True
    )
    link = LinkEstablished(at=NOON, characteristics=CLOCK)
    assert session.Session(context(CUFF), profile).handle(link)[0] == Bond()
    assert Bond() not in session.Session(context(CUFF, bond=False), profile).handle(link)


def test_a_refused_subscription_is_said_and_the_conversation_goes_on():
    found = begun()
    missed = SubscribeTo(characteristic=uuids.BLOOD_PRESSURE_MEASUREMENT)
    assert refuse(found, missed) == [ReportRefused(at=NOON, reason="subscription_refused", discarded=0)]
    assert tell(found, uuids.DATE_TIME, bytes(DateTime.of(LOCAL_NOON)))
    assert measure(found)


@pytest.mark.parametrize("command", [Bond(), ReadValue(characteristic=uuids.BATTERY_LEVEL), FETCH])
def test_no_refusal_ends_the_conversation(command):
    found = begun()
    assert refuse(found, command) == []
    tell(found, uuids.DATE_TIME, bytes(DateTime.of(LOCAL_NOON)))
    assert measure(found)


def test_what_a_profile_reads_is_read_once_and_given_to_its_session():
    class Reader(session.Session):
        def value(self, event: ValueReceived) -> list[Command]:
            return [ReportStatus(at=event.at, faults=(event.data.decode(),))]

    profile = session.Profile(
        measurement=uuids.BLOOD_PRESSURE_MEASUREMENT,
        decode=BloodPressureMeasurement.from_bytes,
        reads=(uuids.BLOOD_PRESSURE_FEATURE, VENDORS),
    )
    found = Reader(context(CUFF), profile)
    said = found.handle(LinkEstablished(at=NOON, characteristics=CLOCK | {VENDORS}))
    assert [command for command in said if isinstance(command, ReadValue)][-1].characteristic == VENDORS
    assert ReadValue(characteristic=uuids.BLOOD_PRESSURE_FEATURE) not in said
    assert tell(found, VENDORS, b"word") == [ReportStatus(at=NOON, faults=("word",))]
