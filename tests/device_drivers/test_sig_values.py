"""Values of the Bluetooth SIG's characteristics: too short, too long, exact, and what their encoders refuse."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from device_drivers.date_time import DateTime
from device_drivers.errors import Malformed, Truncated
from device_drivers.format import AnyFormat
from device_drivers.ieee11073 import Special
from device_drivers.registry import FORMATS
from device_drivers.sig.blood_pressure import BloodPressureMeasurement
from device_drivers.sig.health_thermometer import MeasurementInterval, TemperatureMeasurement, TemperatureTypeValue
from device_drivers.sig.heart_rate import BodySensorLocation
from device_drivers.sig.pulse_oximeter import Continuous, Features, SpotCheck
from device_drivers.sig.times import LocalTimeInformation
from tests.device_drivers import vectors

OPEN_ENDED = {"2A37", "2A52"}
"""Their last field goes on to the end of the value."""
FIXED = [
    *("2A08", "2A0F", "2A1C", "2A1D", "2A1E", "2A21", "2A2B", "2A35", "2A36", "2A38", "2A49", "2A5E", "2A5F", "2A60"),
    *("SFLOAT", "FLOAT"),
]
VECTORS = [vector for vector in vectors.of(*FIXED, *OPEN_ENDED) if "reject" not in vector["expected"]]

each_value = pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])


def format_of(vector: vectors.Vector) -> AnyFormat:
    return FORMATS[vector["characteristic_or_protocol"]]


@each_value
def test_a_value_that_ends_too_early_is_truncated(vector):
    data, key = vectors.data(vector), vector["characteristic_or_protocol"]
    for length in range(2 if key in OPEN_ENDED else len(data)):
        with pytest.raises(Truncated):
            format_of(vector).decode(data[:length])


@each_value
def test_what_follows_a_value_is_ignored_and_shown(vector):
    if vector["characteristic_or_protocol"] in OPEN_ENDED:
        return
    entry, data = format_of(vector), vectors.data(vector)
    assert entry.decode(data + b"\xff\x00") == entry.decode(data)
    assert entry.describe(data + b"\xff\x00")[-1].name == "trailing"


def test_a_value_says_how_much_of_it_is_missing():
    with pytest.raises(Truncated) as refusal:
        SpotCheck.from_bytes(bytes(3))
    assert (refusal.value.needed, refusal.value.present) == (5, 3)


@pytest.mark.parametrize(
    ("hexadecimal", "number"),
    [("6e0100ff", "36.6"), ("710e00fe", "36.97"), ("740e00fe", "37.00"), ("6c0100ff", "36.4")],
)
def test_temperatures_are_exact(hexadecimal, number):
    value = TemperatureMeasurement.from_bytes(b"\x00" + bytes.fromhex(hexadecimal))
    assert str(value.temperature) == number


@pytest.mark.parametrize("key", FIXED)
def test_a_value_is_explained_in_words_also_where_codes_are_reserved(key):
    for vector in vectors.of(key):
        if "reject" not in vector["expected"]:
            for part in FORMATS[key].describe(vectors.data(vector)):
                assert part.meaning


@pytest.mark.parametrize(
    ("key", "hexadecimal", "meaning"),
    [
        ("2A0F", "0404", "UTC+01:00"),
        ("2A0F", "de00", "UTC-08:30"),
        ("2A0F", "7f00", "UTC+31:45, reserved"),
        ("2A0F", "80ff", "unknown"),
        ("2A1D", "09", "tympanum"),
        ("2A1D", "00", "reserved (0)"),
        ("2A38", "05", "ear lobe"),
        ("2A38", "07", "reserved"),
        ("2A21", "0000", "not periodic"),
        ("2A52", "0401", "report count"),
        ("2A52", "06000106", "response"),
    ],
)
def test_codes_are_put_into_words(key, hexadecimal, meaning):
    assert FORMATS[key].describe(bytes.fromhex(hexadecimal))[0].meaning == meaning


@pytest.mark.parametrize(
    "message",
    [
        TemperatureMeasurement(temperature=Decimal(37), site=256),
        TemperatureMeasurement(temperature=Decimal(37), reserved_flags=1),
        TemperatureMeasurement(temperature=Decimal(37), reserved_flags=256),
        TemperatureMeasurement(temperature=Decimal("1E+200")),
        TemperatureMeasurement(
            temperature=Decimal(37), timestamp=DateTime(year=65536, month=1, day=1, hour=0, minute=0, second=0)
        ),
        TemperatureTypeValue(site=-1),
        MeasurementInterval(interval_seconds=65536),
        BodySensorLocation(location=256),
        SpotCheck(spo2=Decimal(12345), pulse_rate=Decimal(70)),
        SpotCheck(spo2=Decimal(97), pulse_rate=Decimal(70), measurement_status=1 << 16),
        SpotCheck(spo2=Decimal(97), pulse_rate=Decimal(70), device_sensor_status=1 << 24),
        Continuous(spo2=Decimal(97), pulse_rate=Decimal(70), spo2_fast=Decimal(97)),
        Continuous(spo2=Decimal(97), pulse_rate=Decimal(70), pulse_rate_slow=Decimal(97)),
        Features(features=1),
        Features(features=0, device_sensor_support=1),
        LocalTimeInformation(time_zone=128, dst_offset=0),
        LocalTimeInformation(time_zone=0, dst_offset=256),
        BloodPressureMeasurement(systolic=Decimal(1), diastolic=Decimal(1), mean=Special.NAN, user_id=256),
        BloodPressureMeasurement(systolic=Decimal(1), diastolic=Decimal(1), mean=Special.NAN, status=-1),
    ],
    ids=repr,
)
def test_what_a_value_cannot_say_is_not_encoded(message: Any):
    with pytest.raises(ValueError, match=r"."):
        bytes(message)


@pytest.mark.parametrize("opcode", [0, 2, 7, 255])
def test_other_opcodes_of_a_control_point_are_refused(opcode):
    with pytest.raises(Malformed):
        FORMATS["2A52"].decode(bytes((opcode, 1)))


@pytest.mark.parametrize(
    "fields",
    [
        {"rr_ms": 5},
        {"rr_ms": ["a"]},
        {"rr_ms": [True]},
        {"contact": 1},
        {"heart_rate": "72"},
    ],
)
def test_fields_of_the_wrong_kind_are_refused_by_name(fields):
    (name,) = fields
    with pytest.raises(ValueError, match=name):
        FORMATS["2A37"].message_from({"heart_rate": 72, "contact": None, **fields})


def test_a_date_that_does_not_exist_has_no_moment():
    assert DateTime(year=2026, month=2, day=30, hour=0, minute=0, second=0).moment is None
    assert DateTime(year=0, month=4, day=17, hour=20, minute=41, second=59).moment is None
    assert DateTime.of(datetime(2026, 2, 28, 1, 2, 3)).moment == datetime(2026, 2, 28, 1, 2, 3)
