from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitals.identifiers import DeviceKey, DeviceType
from vitals.parameters import Parameter, Vital
from vitals.readings import (
    MAX_NUMBER,
    Quality,
    Reading,
    Reason,
    Value,
    is_measurable,
    measured_value,
    missing_value,
    plain,
    vitals_of,
)
from vitals.units import Unit

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
CUFF = DeviceKey(device_type=DeviceType.BLOOD_PRESSURE_MONITOR, device_id="BP-1")
SYSTOLIC, DIASTOLIC = measured_value(Parameter.SYSTOLIC, 120), measured_value(Parameter.DIASTOLIC, 80)


def pressure(*values: Value, **changed: object) -> Reading:
    fields = {"data_type": Vital.BLOOD_PRESSURE, "device": CUFF, "measured": NOON, "received": NOON, "raw": b""}
    return Reading(values=values, **(fields | changed))


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
    systolic, diastolic = measured_value(Parameter.SYSTOLIC, 150), measured_value(Parameter.DIASTOLIC, 95)
    reading = pressure(systolic, diastolic)
    assert reading.value(Parameter.SYSTOLIC) is systolic
    assert reading.value(Parameter.SPO2) is None


@pytest.mark.parametrize("number", ["8388605E+127", "-1E+6", "1E+999999", "8388605E-128", "NaN", "sNaN", "-Infinity"])
@pytest.mark.parametrize("unit", [Unit.CELSIUS, Unit.FAHRENHEIT])
def test_a_number_that_nothing_measures_is_missing(number: str, unit: Unit):
    """IEEE 11073's FLOAT goes up to 8388605E+127; a device that sends it has measured nothing."""
    value = measured_value(Parameter.TEMPERATURE, Decimal(number), unit=unit)
    assert (value.number, value.quality, value.reasons) == (None, Quality.MISSING, (Reason.OUT_OF_RANGE,))


@given(st.decimals(allow_nan=True, allow_infinity=True))
def test_every_number_makes_a_value(number: Decimal):
    value = measured_value(Parameter.GLUCOSE, number, unit=Unit.MILLIMOLE_PER_LITRE)
    assert value.number is None or (is_measurable(value.number) and abs(value.number) < MAX_NUMBER)


@pytest.mark.parametrize(
    "changed",
    [
        {"unit": Unit.KILOPASCAL},
        {"number": None},
        {"quality": Quality.MISSING, "reasons": (Reason.NOT_MEASURED,)},
        {"number": None, "quality": Quality.MISSING},
        {"number": Decimal("NaN")},
        {"number": Decimal("1E+400")},
        {"sent_number": Decimal("Infinity")},
    ],
)
def test_a_value_that_contradicts_itself_is_none(changed: dict):
    with pytest.raises(ValueError, match="systolic"):
        msgspec.structs.replace(SYSTOLIC, **changed)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(msgspec.structs.asdict(SYSTOLIC) | changed, Value)


@pytest.mark.parametrize(
    ("values", "changed"),
    [
        ((), {}),
        ((SYSTOLIC,), {}),
        ((SYSTOLIC, DIASTOLIC, SYSTOLIC), {}),
        ((SYSTOLIC, DIASTOLIC), {"data_type": Vital.SPO2}),
    ],
)
def test_a_reading_that_contradicts_itself_is_none(values: tuple[Value, ...], changed: dict):
    with pytest.raises(ValueError, match=r"reading|blood pressure"):
        pressure(*values, **changed)
