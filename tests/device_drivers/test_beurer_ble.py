"""Beurer's cuff that swaps bytes, and its thermometer that uses reserved flags."""

from decimal import Decimal

import pytest

from device_drivers import uuids
from device_drivers.advertisement import Advertisement
from device_drivers.cuffs.beurer_ble import SwappedMeasurement
from device_drivers.errors import Malformed
from device_drivers.registry import DRIVERS, FORMATS, drivers_for
from device_drivers.sessions import (
    Bond,
    LinkEstablished,
    ReadValue,
    ReportRefused,
    Session,
    SubscribeTo,
    TimePassed,
    ValueReceived,
)
from device_drivers.thermometers.beurer_ft95 import Ft95Measurement
from simulators.models.model import Body
from simulators.models.registry import MODELS
from tests.device_drivers.conversation import Conversation
from tests.device_drivers.samples import CUFF, NOON, after, context, readings
from vitals.parameters import Parameter
from vitals.readings import Quality, Reading, Reason
from vitals.units import Unit

PRESENT = frozenset({uuids.BLOOD_PRESSURE_MEASUREMENT, uuids.CURRENT_TIME, uuids.BATTERY_LEVEL})
PLAIN = {"systolic": Decimal(120), "diastolic": Decimal(80), "mean": Decimal(0), "user_id": 0}
RECORDED = "56 7600 5000 0000 ea07080b141b00 003c 00 0004"
"""A BM85's: 118/80, 60 beats a minute, irregular."""


def advertised(name: str, service: str = uuids.BLOOD_PRESSURE_SERVICE) -> list[str]:
    seen = Advertisement(address="00:11:22:33:44:55", name=name, services=frozenset({service}))
    return [driver.key for driver in drivers_for(seen)]


def cuff(**options: bool) -> Session:
    return DRIVERS["beurer-ble-cuff"].session(context(CUFF, **options))


def read(data: bytes) -> Reading:
    (reading,) = readings(
        cuff().handle(ValueReceived(at=NOON, characteristic=uuids.BLOOD_PRESSURE_MEASUREMENT, data=data))
    )
    return reading


def measured(**fields: object) -> Reading:
    return read(bytes(SwappedMeasurement(**{**PLAIN, **fields})))


@pytest.mark.parametrize("name", ["BM85", "Beurer BM85", "bm85"])
def test_a_cuff_that_swaps_bytes_is_known_by_its_name(name):
    assert advertised(name) == ["beurer-ble-cuff", "sig-blood-pressure"]


@pytest.mark.parametrize("name", ["BM59", "BM48", "Elite 900", "BM96", "BM54"])
def test_no_other_of_beurers_cuffs_is_taken_for_one(name):
    """A BM59 was seen to follow the standard."""
    assert advertised(name) == ["sig-blood-pressure"]


def test_the_cuff_is_subscribed_to_a_moment_after_the_connection():
    """A BM85 stays silent for a host that is quicker."""
    session = cuff(bond=True)
    assert session.handle(LinkEstablished(at=NOON, characteristics=PRESENT)) == [
        Bond(),
        ReadValue(characteristic=uuids.CURRENT_TIME),
        ReadValue(characteristic=uuids.BATTERY_LEVEL),
    ]
    subscribed = session.handle(TimePassed(at=after(1)))
    assert SubscribeTo(characteristic=uuids.BLOOD_PRESSURE_MEASUREMENT) in subscribed
    assert session.handle(TimePassed(at=after(2))) == []


def test_a_recording_is_read_with_its_pulse_its_user_and_its_status():
    reading = read(bytes.fromhex(RECORDED))
    pulse, mean = reading.value(Parameter.CUFF_PULSE_RATE), reading.value(Parameter.MEAN)
    assert pulse is not None
    assert mean is not None
    assert (pulse.number, pulse.reasons) == (Decimal(60), (Reason.IRREGULAR_PULSE,))
    assert (mean.number, mean.reasons) == (None, (Reason.NOT_MEASURED,))
    assert reading.user == 0


def test_the_standards_decoder_refuses_it():
    swapped = FORMATS["2A35-beurer-swapped"].decode(bytes.fromhex(RECORDED))
    assert (swapped.pulse_rate, swapped.user_id, swapped.status) == (Decimal(60), 0, 4)
    with pytest.raises(Malformed, match="absurd_pulse"):
        FORMATS["2A35"].decode(bytes.fromhex(RECORDED))


def test_some_pulses_read_as_none_by_the_standard_so_that_only_the_name_tells_for_sure():
    """80 beats are 50 00, and 00 50 is 0: both decoders take the same bytes."""
    sent = bytes(SwappedMeasurement(**PLAIN, pulse_rate=Decimal(80), status=0))
    assert FORMATS["2A35"].decode(sent).pulse_rate == 0


def test_an_unknown_user_is_none():
    assert measured(user_id=0xFF).user is None


def test_kilopascals_are_converted_and_kept_beside():
    systolic = measured(systolic=Decimal("16.0"), diastolic=Decimal("10.6"), unit=Unit.KILOPASCAL).values[0]
    assert (systolic.number, systolic.sent_number) == (Decimal(120), Decimal("16.0"))


def test_swapped_pressures_are_refused():
    data = bytes.fromhex("40 0078 0050 0000 01")
    assert cuff().handle(ValueReceived(at=NOON, characteristic=uuids.BLOOD_PRESSURE_MEASUREMENT, data=data)) == [
        ReportRefused(at=NOON, reason="absurd_pressure", discarded=8)
    ]


@pytest.mark.parametrize("fields", [{"user_id": None}, {"user_id": 256}, {"status": 0x10000}])
def test_what_the_cuff_cannot_say_is_refused(fields):
    with pytest.raises(ValueError):  # noqa: PT011 - of several kinds
        bytes(SwappedMeasurement(**{**PLAIN, **fields}))


def test_the_model_forgets_a_subscription_that_comes_too_early():
    hasty = MODELS["beurer-ble-cuff"](lambda now: Body())
    assert not Conversation(driver=DRIVERS["sig-blood-pressure"], model=hasty).run(seconds=5).readings


def thermometer(sent: Ft95Measurement) -> Reading:
    session = DRIVERS["beurer-ft95"].session(context())
    (reading,) = readings(
        session.handle(ValueReceived(at=NOON, characteristic=uuids.TEMPERATURE_MEASUREMENT, data=bytes(sent)))
    )
    return reading


def test_the_thermometer_is_known_by_its_name():
    assert advertised("FT95", uuids.HEALTH_THERMOMETER_SERVICE)[0] == "beurer-ft95"


@pytest.mark.parametrize("bits", [{}, {"bit_3": True}, {"bit_7": True}, {"bit_3": True, "bit_7": True}])
def test_a_warning_of_fever_changes_nothing_of_the_temperature(bits):
    (value,) = thermometer(Ft95Measurement(temperature=Decimal("39.2"), site=0xFF, **bits)).values
    assert (value.number, value.quality, value.reasons) == (Decimal("39.2"), Quality.VALID, ())


def test_what_may_warn_of_fever_is_said_to_be_of_some_sources():
    flags, *_ = FORMATS["2A1C-beurer-ft95"].describe(bytes.fromhex("88 880100ff"))
    assert "by some sources" in flags.meaning
    assert {"bit_3", "bit_7"} <= set(flags.fields)
    assert FORMATS["2A1C-beurer-ft95"].unverified


def test_a_type_of_255_is_unknown():
    *_, site = FORMATS["2A1C-beurer-ft95"].describe(bytes.fromhex("04 880100ff ff"))
    assert site.meaning == "unknown (255)"


@pytest.mark.parametrize("reserved", [1 << 3, 1 << 7, 1 << 0])
def test_a_flag_that_has_a_field_is_no_reserved_one(reserved):
    with pytest.raises(ValueError, match="reserved_flags"):
        bytes(Ft95Measurement(temperature=Decimal("36.6"), reserved_flags=reserved))
