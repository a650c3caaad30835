"""What becomes of a heart rate monitor's measurements."""

import pytest

from device_drivers import uuids
from device_drivers.registry import DRIVERS
from device_drivers.sessions import Bond, LinkEstablished, ReadValue, Session, SubscribeTo, ValueReceived
from device_drivers.sig.heart_rate import HeartRateMeasurement
from simulators.models.model import Body
from simulators.models.sig import HeartRateMonitor
from tests.device_drivers.conversation import Conversation
from tests.device_drivers.samples import NOON, after, context, readings
from vitals.identifiers import DeviceKey, DeviceType
from vitals.readings import Quality, Reading, Reason

STRAP = DeviceKey(device_type=DeviceType.HEART_RATE_MONITOR, device_id="strap-1")
PRESENT = frozenset({uuids.HEART_RATE_MEASUREMENT, uuids.CURRENT_TIME, uuids.BATTERY_LEVEL})


def strap(**options: bool) -> Session:
    return DRIVERS["sig-heart-rate"].session(context(STRAP, **options))


def measure(session: Session, heart_rate: int, *, contact: bool | None = None, seconds: float = 0) -> list[Reading]:
    data = bytes(HeartRateMeasurement(heart_rate=heart_rate, contact=contact))
    event = ValueReceived(at=after(seconds), characteristic=uuids.HEART_RATE_MEASUREMENT, data=data)
    return readings(list(session.handle(event)))


def test_it_is_subscribed_and_its_clock_is_left_alone():
    assert strap().handle(LinkEstablished(at=NOON, characteristics=PRESENT)) == [
        SubscribeTo(characteristic=uuids.HEART_RATE_MEASUREMENT),
        ReadValue(characteristic=uuids.BATTERY_LEVEL),
    ]
    assert strap(bond=True).handle(LinkEstablished(at=NOON, characteristics=PRESENT))[0] == Bond()


def test_a_measurement_is_a_live_heart_rate():
    (reading,) = measure(strap(), 72, contact=True)
    (value,) = reading.values
    assert (value.number, value.quality, reading.measured, reading.stored) == (72, Quality.VALID, NOON, False)


@pytest.mark.parametrize(
    ("heart_rate", "contact", "reason"),
    [
        (72, False, Reason.SENSOR_DISCONNECTED),
        (0, False, Reason.SENSOR_DISCONNECTED),
        (0, True, Reason.NO_PULSE_FOUND),
        (0, None, Reason.NO_PULSE_FOUND),
    ],
)
def test_without_contact_or_pulse_there_is_no_number(heart_rate, contact, reason):
    (reading,) = measure(strap(), heart_rate, contact=contact)
    (value,) = reading.values
    assert (value.number, value.quality, value.reasons) == (None, Quality.MISSING, (reason,))


def test_a_rate_that_no_heart_has_is_shown_with_a_mark():
    (reading,) = measure(strap(), 400)
    (value,) = reading.values
    assert (value.number, value.reasons) == (400, (Reason.IMPLAUSIBLE,))


def test_a_rate_of_two_bytes_is_one_number():
    assert bytes(HeartRateMeasurement(heart_rate=256, contact=None)) == bytes.fromhex("010001")
    assert HeartRateMeasurement.from_bytes(bytes.fromhex("010001")).heart_rate == 256


def test_several_a_second_become_one_and_lost_contact_is_said_at_once():
    session = strap()
    assert len(measure(session, 72, contact=True)) == 1
    assert not measure(session, 73, contact=True, seconds=0.3)
    assert len(measure(session, 73, contact=False, seconds=0.6)) == 1
    assert len(measure(session, 74, contact=True, seconds=0.9)) == 1


@pytest.mark.parametrize(("field", "number"), [("heart_rate", -1), ("heart_rate", 0x10000), ("energy_expended_kj", -1)])
def test_what_no_bytes_hold_is_not_encoded(field, number):
    fields = {"heart_rate": 72, "contact": None, field: number}
    with pytest.raises(ValueError, match=r"."):
        bytes(HeartRateMeasurement(**fields))


def test_a_strap_that_is_taken_off_gives_no_numbers():
    model = HeartRateMonitor(lambda now: Body(pulse_rate=None))
    conversation = Conversation(driver=DRIVERS["sig-heart-rate"], model=model).run(seconds=3)
    assert conversation.readings
    assert all(value.number is None for reading in conversation.readings for value in reading.values)
