"""What a scale says, and what becomes of it."""

from datetime import timedelta
from decimal import Decimal

import pytest

from device_drivers import uuids
from device_drivers.advertisement import Advertisement
from device_drivers.registry import DRIVERS, drivers_for
from device_drivers.sessions import LinkEstablished, ReadValue, ReportRefused, SubscribeTo, ValueReceived
from device_drivers.sig.weight_scale import UNKNOWN_USER, WeightMeasurement, WeightScaleFeature
from simulators.models.model import Body
from simulators.models.registry import MODELS
from simulators.models.spot_check import AHEAD, EARLIER
from tests.device_drivers.conversation import Conversation
from tests.device_drivers.samples import NOON, context, readings
from vitals.identifiers import DeviceKey, DeviceType
from vitals.parameters import Parameter
from vitals.readings import Quality, Reading, Reason
from vitals.units import Unit

SCALE = DeviceKey(device_type=DeviceType.WEIGHT_SCALE, device_id="scale-1")


def measured(**fields: object) -> Reading:
    return read(bytes(WeightMeasurement(**{"weight": Decimal("71.5"), **fields})))


def read(data: bytes) -> Reading:
    session = DRIVERS["sig-weight-scale"].session(context(SCALE))
    (reading,) = readings(session.handle(ValueReceived(at=NOON, characteristic=uuids.WEIGHT_MEASUREMENT, data=data)))
    return reading


def talked(body: Body) -> list[Reading]:
    model = MODELS["sig-weight-scale"](lambda now: body)
    return Conversation(driver=DRIVERS["sig-weight-scale"], model=model).run(seconds=20).readings


def test_a_scale_is_subscribed_to_and_its_clock_read_first():
    session = DRIVERS["sig-weight-scale"].session(context(SCALE))
    present = frozenset({uuids.WEIGHT_MEASUREMENT, uuids.WEIGHT_SCALE_FEATURE, uuids.CURRENT_TIME})
    assert session.handle(LinkEstablished(at=NOON, characteristics=present)) == [
        SubscribeTo(characteristic=uuids.WEIGHT_MEASUREMENT),
        ReadValue(characteristic=uuids.CURRENT_TIME),
    ]


def test_a_scale_is_known_by_its_service():
    scale = Advertisement(address="00:11:22:33:44:55", name=None, services=frozenset({uuids.WEIGHT_SCALE_SERVICE}))
    assert [driver.key for driver in drivers_for(scale)] == ["sig-weight-scale"]


@pytest.mark.parametrize(("sent", "kilograms"), [("154.32", "69.998"), ("0.01", "0.005"), ("655.34", "297.257")])
def test_pounds_become_kilograms_exactly_and_stay_beside(sent, kilograms):
    (value,) = measured(weight=Decimal(sent), unit=Unit.POUND).values
    assert (value.number, value.unit) == (Decimal(kilograms), Unit.KILOGRAM)
    assert (value.sent_number, value.sent_unit) == (Decimal(sent), Unit.POUND)


def test_kilograms_keep_their_last_digit():
    (value,) = measured(weight=Decimal("75.165")).values
    assert (value.number, value.quality, value.sent_number) == (Decimal("75.165"), Quality.VALID, None)


@pytest.mark.parametrize("data", ["00 ffff", "01 ffff", "00 0000"])
def test_a_scale_that_found_no_weight_has_none(data):
    (value,) = read(bytes.fromhex(data)).values
    assert (value.number, value.reasons) == (None, (Reason.MEASUREMENT_FAILED,))


def test_an_unknown_user_is_none():
    assert measured(user_id=UNKNOWN_USER).user is None
    assert measured(user_id=3).user == 3


def test_a_resolution_scales_nothing():
    """Some libraries multiply by what 0x2A9E says."""
    coarse = WeightScaleFeature(
        timestamp=False, multiple_users=False, bmi=False, weight_resolution=1, height_resolution=1
    )
    session = DRIVERS["sig-weight-scale"].session(context(SCALE))
    assert not session.handle(ValueReceived(at=NOON, characteristic=uuids.WEIGHT_SCALE_FEATURE, data=bytes(coarse)))
    sent = bytes(WeightMeasurement(weight=Decimal("71.5")))
    (reading,) = readings(session.handle(ValueReceived(at=NOON, characteristic=uuids.WEIGHT_MEASUREMENT, data=sent)))
    assert reading.values[0].number == Decimal("71.5")


def test_half_a_measurement_is_refused():
    session = DRIVERS["sig-weight-scale"].session(context(SCALE))
    refused = session.handle(ValueReceived(at=NOON, characteristic=uuids.WEIGHT_MEASUREMENT, data=b"\x00\x3c"))
    assert refused == [ReportRefused(at=NOON, reason="truncated", discarded=2)]


@pytest.mark.parametrize(
    "fields",
    [
        {"weight": Decimal("71.501")},
        {"weight": Decimal("327.675")},
        {"weight": Decimal("-0.005")},
        {"bmi": Decimal("23.0")},
        {"height": Decimal("1.76")},
        {"bmi": Decimal("23.05"), "height": Decimal("1.76")},
        {"user_id": 256},
    ],
)
def test_what_a_scale_cannot_say_is_refused(fields):
    with pytest.raises(ValueError):  # noqa: PT011 - of several kinds
        bytes(WeightMeasurement(**{"weight": Decimal("71.5"), **fields}))


def test_what_was_weighed_earlier_is_stored_and_placed_by_the_scales_own_clock():
    earlier, now = talked(Body(weight=Decimal("80.005")))
    assert earlier.stored
    assert not earlier.time_uncertain
    assert abs(NOON - EARLIER - earlier.measured) < timedelta(seconds=5)
    assert (now.stored, now.time_uncertain) == (False, False)
    assert now.device_time is not None
    assert abs(NOON.replace(tzinfo=None) + AHEAD - now.device_time) < timedelta(seconds=5)
    assert now.value(Parameter.WEIGHT) == earlier.value(Parameter.WEIGHT)
    assert now.user == 1


def test_nobody_on_the_scale_is_no_weight():
    assert all(reading.values[0].number is None for reading in talked(Body(weight=None)))
