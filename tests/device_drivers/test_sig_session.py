"""What is said to cuffs and thermometers, and what becomes of their answers."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_drivers import uuids
from device_drivers.cuffs.beurer_ble import SwappedMeasurement
from device_drivers.date_time import CurrentTime, DateTime
from device_drivers.ieee11073 import Special
from device_drivers.registry import DRIVERS
from device_drivers.sessions import (
    Bond,
    Deliver,
    LinkEstablished,
    ReadValue,
    ReportRefused,
    ReportStatus,
    Session,
    SubscribeTo,
    WriteValue,
)
from device_drivers.sig.blood_pressure import BloodPressureMeasurement
from device_drivers.sig.health_thermometer import TemperatureMeasurement, TemperatureType
from tests.device_drivers.samples import NOON, context, readings
from tests.device_drivers.sig_talk import CLOCK, LOCAL_NOON, cuff, measure, pressures, tell, with_clock
from vitals.parameters import Parameter
from vitals.readings import Quality, Reason
from vitals.units import Unit


def test_a_cuff_is_subscribed_first_and_its_clock_read():
    assert cuff().handle(LinkEstablished(at=NOON, characteristics=CLOCK)) == [
        SubscribeTo(characteristic=uuids.BLOOD_PRESSURE_MEASUREMENT),
        ReadValue(characteristic=uuids.DATE_TIME),
        ReadValue(characteristic=uuids.BATTERY_LEVEL),
    ]


def test_bonding_comes_before_everything_where_the_options_ask_for_it():
    assert cuff(bond=True).handle(LinkEstablished(at=NOON, characteristics=CLOCK))[0] == Bond()


def test_the_clock_is_written_only_after_it_was_read_and_in_the_devices_zone():
    session = cuff()
    begun = session.handle(LinkEstablished(at=NOON, characteristics=CLOCK))
    assert not any(isinstance(command, WriteValue) for command in begun)
    written = tell(session, uuids.DATE_TIME, bytes(DateTime.of(datetime(2020, 1, 1))))
    assert written == [WriteValue(characteristic=uuids.DATE_TIME, data=bytes.fromhex("ea070b170d0000"))]


def test_current_time_is_written_whole():
    session = cuff()
    session.handle(LinkEstablished(at=NOON, characteristics=frozenset({uuids.CURRENT_TIME})))
    (written,) = tell(session, uuids.CURRENT_TIME, bytes(CurrentTime.of(datetime(2020, 1, 1))))
    assert written == WriteValue(characteristic=uuids.CURRENT_TIME, data=bytes.fromhex("ea070b170d0000010001"))


def test_a_clock_is_left_alone_where_the_options_say_so():
    session = cuff(set_time=False)
    session.handle(LinkEstablished(at=NOON, characteristics=CLOCK))
    assert tell(session, uuids.DATE_TIME, bytes(DateTime.of(LOCAL_NOON))) == []


def test_a_measurement_without_a_time_is_live():
    reading = measure(cuff())
    assert (reading.measured, reading.received, reading.stored, reading.time_uncertain) == (NOON, NOON, False, False)


@pytest.mark.parametrize("off_by", [timedelta(0), timedelta(days=-400), timedelta(hours=5)])
def test_a_measurement_of_now_by_the_devices_own_clock_is_live(off_by):
    reading = measure(with_clock(off_by), timestamp=DateTime.of(LOCAL_NOON + off_by - timedelta(seconds=20)))
    assert (reading.measured, reading.stored, reading.time_uncertain) == (NOON, False, False)
    assert reading.device_time == LOCAL_NOON + off_by - timedelta(seconds=20)


@pytest.mark.parametrize("off_by", [timedelta(0), timedelta(days=-400), timedelta(hours=5)])
def test_a_stored_measurement_is_placed_by_the_measured_offset(off_by):
    reading = measure(with_clock(off_by), timestamp=DateTime.of(LOCAL_NOON + off_by - timedelta(hours=3)))
    assert (reading.measured, reading.stored, reading.time_uncertain) == (NOON - timedelta(hours=3), True, False)
    assert reading.received == NOON


@pytest.mark.parametrize("year", [1, 1582, 9999])
def test_a_year_that_only_a_broken_clock_has_is_uncertain(year):
    reading = measure(with_clock(timedelta(days=-9999)), timestamp=DateTime.of(datetime(year, 12, 31, 23, 59, 59)))
    assert reading.received == NOON
    assert reading.stored


def test_a_stored_measurement_without_an_offset_has_an_uncertain_time():
    reading = measure(cuff(), timestamp=DateTime.of(LOCAL_NOON - timedelta(hours=3)))
    assert reading.stored
    assert reading.time_uncertain


def test_a_failed_measurement_has_no_pressures():
    """A real cuff: NaN in every field while the status word is 0. Naive decoders show 2047 mmHg."""
    reading = measure(cuff(), systolic=Special.NAN, diastolic=Special.NAN, mean=Special.NAN, pulse_rate=Special.NAN)
    assert all(value.number is None and value.quality is Quality.MISSING for value in reading.values)
    systolic = reading.value(Parameter.SYSTOLIC)
    assert systolic is not None
    assert systolic.reasons == (Reason.MEASUREMENT_FAILED,)


def test_a_mean_of_zero_was_not_measured():
    mean = measure(cuff(), mean=Decimal(0)).value(Parameter.MEAN)
    assert mean is not None
    assert (mean.number, mean.reasons) == (None, (Reason.NOT_MEASURED,))


@pytest.mark.parametrize(
    ("status", "reasons"),
    [
        (0x0001, (Reason.MOTION,)),
        (0x0002, (Reason.CUFF_LOOSE,)),
        (0x0004, (Reason.IRREGULAR_PULSE,)),
        (0x0008, (Reason.PULSE_OUT_OF_RANGE,)),
        (0x0010, (Reason.PULSE_OUT_OF_RANGE,)),
        (0x0020, (Reason.IMPROPER_POSITION,)),
        (0x0024, (Reason.IRREGULAR_PULSE, Reason.IMPROPER_POSITION)),
        (0xFFC0, ()),
    ],
)
def test_what_the_status_says_stays_with_the_pressures(status, reasons):
    systolic = measure(cuff(), status=status).value(Parameter.SYSTOLIC)
    assert systolic is not None
    assert systolic.reasons == reasons
    assert systolic.quality is (Quality.QUESTIONABLE if reasons else Quality.VALID)


def test_kilopascals_are_converted_and_kept_beside():
    systolic = measure(cuff(), systolic=Decimal("16.0"), unit=Unit.KILOPASCAL).value(Parameter.SYSTOLIC)
    assert systolic is not None
    assert (systolic.number, systolic.unit) == (Decimal(120), Unit.MMHG)
    assert (systolic.sent_number, systolic.sent_unit) == (Decimal("16.0"), Unit.KILOPASCAL)


def test_an_unknown_user_is_none():
    assert measure(cuff(), user_id=0xFF).user is None
    assert measure(cuff(), user_id=2).user == 2


def test_another_layout_under_the_standards_uuid_is_refused():
    """A real cuff whose fields are shifted by one: read as the standard says, it is 182400."""
    shifted = bytes.fromhex("fe 2027 0075 0055 005f 00e4070918 10093a 690001")
    assert tell(cuff(), uuids.BLOOD_PRESSURE_MEASUREMENT, shifted) == [
        ReportRefused(at=NOON, reason="absurd_pressure", discarded=20)
    ]


@pytest.mark.parametrize("beats", [60, 65, 72, 99, 131, 150, 200])
def test_a_beurer_read_by_the_standard_is_refused_for_its_pulse(beats):
    """Its exchanged bytes read as -1024000 or 0.0001536 beats a minute."""
    swapped = SwappedMeasurement(
        systolic=Decimal(120), diastolic=Decimal(80), mean=Decimal(0), pulse_rate=Decimal(beats), user_id=0, status=0
    )
    assert [type(command) for command in tell(cuff(), uuids.BLOOD_PRESSURE_MEASUREMENT, bytes(swapped))] == [
        ReportRefused
    ]


@pytest.mark.parametrize("beats", [Decimal(-1), Decimal("0.9"), Decimal(1000), Decimal(-256000)])
def test_a_pulse_that_nobody_has_is_refused(beats):
    sent = pressures(pulse_rate=beats)
    assert tell(cuff(), uuids.BLOOD_PRESSURE_MEASUREMENT, sent) == [
        ReportRefused(at=NOON, reason="absurd_pulse", discarded=len(sent))
    ]


def test_a_pulse_of_zero_was_not_found_and_takes_no_pressure_with_it():
    systolic, _, _, pulse = measure(cuff(), pulse_rate=Decimal(0)).values
    assert (systolic.number, pulse.number, pulse.reasons) == (Decimal(120), None, (Reason.MEASUREMENT_FAILED,))


def test_a_measurement_without_its_first_bytes_is_refused():
    """What is left reads as pressures below zero."""
    whole = BloodPressureMeasurement(
        systolic=Decimal(123), diastolic=Decimal(77), mean=Special.NAN, timestamp=DateTime.of(NOON), status=0
    )
    assert tell(cuff(), uuids.BLOOD_PRESSURE_MEASUREMENT, bytes(whole)[3:]) == [
        ReportRefused(at=NOON, reason="absurd_pressure", discarded=13)
    ]


def test_a_fahrenheit_thermometers_words_are_kept_beside_the_celsius():
    session = DRIVERS["sig-health-thermometer"].session(context())
    sent = TemperatureMeasurement(temperature=Decimal("98.6"), unit=Unit.FAHRENHEIT)
    (reading,) = readings(tell(session, uuids.TEMPERATURE_MEASUREMENT, bytes(sent)))
    (value,) = reading.values
    assert (value.number, value.sent_number, value.sent_unit) == (Decimal(37), Decimal("98.6"), Unit.FAHRENHEIT)


def thermometer() -> Session:
    found = DRIVERS["sig-health-thermometer"].session(context())
    found.handle(
        LinkEstablished(at=NOON, characteristics=frozenset({uuids.TEMPERATURE_MEASUREMENT, uuids.TEMPERATURE_TYPE}))
    )
    return found


def test_where_a_thermometer_measures_is_read_once_where_its_measurements_do_not_say():
    found, sent = thermometer(), bytes(TemperatureMeasurement(temperature=Decimal("36.6")))
    deliver, read = tell(found, uuids.TEMPERATURE_MEASUREMENT, sent)
    assert isinstance(deliver, Deliver)
    assert read == ReadValue(characteristic=uuids.TEMPERATURE_TYPE)
    assert tell(found, uuids.TEMPERATURE_TYPE, b"\x09") == []
    assert found.site == TemperatureType.TYMPANUM
    assert len(tell(found, uuids.TEMPERATURE_MEASUREMENT, sent)) == 1


def test_where_a_thermometer_measures_is_not_read_where_its_measurements_say_so():
    sent = bytes(TemperatureMeasurement(temperature=Decimal("36.6"), site=TemperatureType.EAR))
    assert len(tell(thermometer(), uuids.TEMPERATURE_MEASUREMENT, sent)) == 1


@pytest.mark.parametrize("temperature", [Decimal(-301), Decimal(1000), Decimal("1E+30")])
def test_an_absurd_temperature_is_refused(temperature):
    sent = bytes(TemperatureMeasurement(temperature=temperature))
    (refused,) = tell(thermometer(), uuids.TEMPERATURE_MEASUREMENT, sent)
    assert refused == ReportRefused(at=NOON, reason="absurd_temperature", discarded=len(sent))


def test_a_value_longer_than_any_measurement_is_refused():
    (refused,) = tell(cuff(), uuids.BLOOD_PRESSURE_MEASUREMENT, pressures() + bytes(64))
    assert isinstance(refused, ReportRefused)
    assert refused.reason == "oversized"


@pytest.mark.parametrize(("data", "percent"), [(b"\x00", 0), (b"\x64", 100)])
def test_a_battery_is_reported(data, percent):
    assert tell(cuff(), uuids.BATTERY_LEVEL, data) == [ReportStatus(at=NOON, battery_percent=percent)]


@pytest.mark.parametrize("data", [b"", b"\x65", b"\xff"])
def test_a_battery_out_of_range_is_refused(data):
    (refused,) = tell(cuff(), uuids.BATTERY_LEVEL, data)
    assert isinstance(refused, ReportRefused)


@pytest.mark.parametrize("key", ["sig-blood-pressure", "sig-health-thermometer"])
@given(data=st.binary(max_size=80))
def test_no_value_makes_a_session_raise(key, data):
    session = DRIVERS[key].session(context())
    characteristics = (
        uuids.BLOOD_PRESSURE_MEASUREMENT,
        uuids.TEMPERATURE_MEASUREMENT,
        uuids.DATE_TIME,
        uuids.CURRENT_TIME,
        uuids.BATTERY_LEVEL,
    )
    for characteristic in characteristics:
        for command in tell(session, characteristic, data):
            assert isinstance(command, Deliver | ReportRefused | ReportStatus | WriteValue)
