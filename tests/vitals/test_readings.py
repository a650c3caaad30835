from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitals.identifiers import DeviceKey, DeviceType
from vitals.parameters import Parameter, Vital
from vitals.readings import Quality, Reading, Reason, measured_value, missing_value, plain, vitals_of
from vitals.units import Unit

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
CUFF = DeviceKey(device_type=DeviceType.BLOOD_PRESSURE_MONITOR, device_id="BP-1")


def test_a_plausible_number_is_valid():
    value = measured_value(Parameter.SYSTOLIC, 120)
    assert (value.number, value.unit, value.quality, value.reasons) == (Decimal(120), Unit.MMHG, Quality.VALID, ())


def test_an_implausible_number_is_kept_and_marked():
    value = measured_value(Parameter.SYSTOLIC, 301)
    assert value.number == 301
    assert (value.quality, value.reasons) == (Quality.QUESTIONABLE, (Reason.IMPLAUSIBLE,))


@pytest.mark.parametrize(("parameter", "low", "high"), [(Parameter.SPO2, 1, 100), (Parameter.TEMPERATURE, 20, 45)])
def test_the_plausible_range_includes_its_ends(parameter, low, high):
    assert measured_value(parameter, low).quality is Quality.VALID
    assert measured_value(parameter, high).quality is Quality.VALID
    assert measured_value(parameter, low - 1).quality is Quality.QUESTIONABLE
    assert measured_value(parameter, high + 1).quality is Quality.QUESTIONABLE


def test_a_reason_puts_a_number_in_doubt_but_storage_does_not():
    assert measured_value(Parameter.SPO2, 97, Reason.LOW_PERFUSION).quality is Quality.QUESTIONABLE
    assert measured_value(Parameter.SPO2, 97, Reason.FROM_STORAGE).quality is Quality.VALID


def test_what_the_device_sent_stays_beside_the_converted_number():
    value = measured_value(Parameter.TEMPERATURE, Decimal("98.6"), unit=Unit.FAHRENHEIT)
    assert (str(value.number), value.unit) == ("37", Unit.CELSIUS)
    assert (str(value.sent_number), value.sent_unit) == ("98.6", Unit.FAHRENHEIT)


def test_a_missing_value_has_a_reason_and_no_number():
    value = missing_value(Parameter.SPO2, Reason.NO_FINGER, Reason.SEARCHING)
    assert (value.number, value.quality) == (None, Quality.MISSING)
    assert value.reasons == (Reason.NO_FINGER, Reason.SEARCHING)


@pytest.mark.parametrize(
    ("number", "text"), [("120.0", "120"), ("36.60", "36.6"), ("1E+2", "100"), ("0.00", "0"), ("-0.50", "-0.5")]
)
def test_numbers_are_plain(number, text):
    assert str(plain(Decimal(number))) == text


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**6), max_value=10**6, places=3))
def test_a_plain_number_is_the_same_number_without_an_exponent(number):
    assert plain(number) == number
    assert "E" not in str(plain(number))


def test_values_of_a_cuff_become_a_group_and_a_number():
    values = (
        measured_value(Parameter.SYSTOLIC, 150),
        measured_value(Parameter.DIASTOLIC, 95),
        missing_value(Parameter.MEAN, Reason.NOT_MEASURED),
        measured_value(Parameter.CUFF_PULSE_RATE, 71),
    )
    assert vitals_of(values) == {"blood_pressure": {"systolic": 150, "diastolic": 95, "mean": None}, "pulse_rate": 71}


def test_a_reading_finds_its_value_by_parameter():
    systolic = measured_value(Parameter.SYSTOLIC, 150)
    reading = Reading(
        data_type=Vital.BLOOD_PRESSURE, device=CUFF, values=(systolic,), measured=NOON, received=NOON, raw=b""
    )
    assert reading.value(Parameter.SYSTOLIC) is systolic
    assert reading.value(Parameter.SPO2) is None
