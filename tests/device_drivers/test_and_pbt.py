"""What A&D's PBT devices are answered, and when what they have measured was measured."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from device_drivers.cuffs import and_pbt
from device_drivers.cuffs.and_pbt import ACCEPTED, REFUSED, ConfigurationRequest, Measurement, decode
from device_drivers.cuffs.and_pbt_payloads import BloodPressure, Weighing
from device_drivers.date_time import DateTime
from device_drivers.registry import DRIVERS
from device_drivers.sessions import Command, Deliver, ReportRefused, SendBytes, Session, TimePassed
from simulators.models.and_pbt import Cuff, Scale
from simulators.models.model import Body
from tests.device_drivers import vectors
from tests.device_drivers.conversation import Conversation
from tests.device_drivers.families.and_pbt import kept, pressure, said, weight
from tests.device_drivers.samples import BERLIN, CUFF, NOON, after, context, feed, readings
from vitals.identifiers import DeviceKey, DeviceType
from vitals.parameters import Parameter, Vital
from vitals.readings import Quality, Reading, Reason
from vitals.units import Unit

SCALE = DeviceKey(device_type=DeviceType.WEIGHT_SCALE, device_id="scale-1")
LOCAL_NOON = NOON.astimezone(BERLIN).replace(tzinfo=None)
FAILED = BloodPressure(systolic=None, diastolic=None, mean=None, pulse_rate=None, status=0x0A)
PRESSURES = BloodPressure(systolic=105, diastolic=76, mean=82, pulse_rate=65)


def cuff() -> Session:
    return DRIVERS["and-pbt"].session(context(CUFF))


def scale() -> Session:
    return DRIVERS["and-pbt-scale"].session(context(SCALE))


def one(session: Session, message: Measurement) -> Reading:
    (reading,) = readings(feed(session, bytes(message)))
    return reading


def sent(commands: list[Command]) -> list[bytes]:
    return [command.data for command in commands if isinstance(command, SendBytes)]


def measured(ago: timedelta, *, ahead: timedelta = timedelta()) -> Measurement:
    """By a clock that runs `ahead` of ours."""
    shown = LOCAL_NOON + ahead
    return said(and_pbt.CUFF, PRESSURES, measured=DateTime.of(shown - ago), transmitted=DateTime.of(shown))


def test_a_cuff_is_told_to_forget_a_measurement_after_it_was_delivered():
    commands = feed(cuff(), bytes(pressure(120)))
    assert [type(command) for command in commands] == [Deliver, SendBytes]
    assert sent(commands) == [ACCEPTED]


def test_a_scale_is_answered_a_quarter_of_a_second_later_and_once():
    session = scale()
    assert sent(feed(session, bytes(weight(78)))) == []
    answers = [sent(session.handle(TimePassed(at=after(seconds)))) for seconds in (0.2, 0.3, 1.3)]
    assert answers == [[], [ACCEPTED], []]


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(days=-400), timedelta(hours=5)])
def test_a_measurement_of_now_is_live_however_wrong_the_devices_clock_is(ahead):
    reading = one(cuff(), measured(timedelta(seconds=20), ahead=ahead))
    assert (reading.measured, reading.stored, reading.time_uncertain) == (NOON, False, False)
    assert reading.device_time == LOCAL_NOON + ahead - timedelta(seconds=20)


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(days=-400), timedelta(hours=5)])
def test_a_stored_measurement_is_placed_by_the_time_at_which_it_was_sent(ahead):
    reading = one(cuff(), measured(timedelta(hours=3), ahead=ahead))
    assert (reading.measured, reading.stored, reading.time_uncertain) == (NOON - timedelta(hours=3), True, False)


def test_a_measurement_by_a_clock_that_was_never_set_has_an_uncertain_time():
    unset = DateTime.from_bytes(bytes(7))
    reading = one(cuff(), said(and_pbt.CUFF, PRESSURES, measured=unset, transmitted=unset))
    assert reading.time_uncertain
    assert reading.device_time is None


def test_a_difference_without_a_diastolic_pressure_is_no_systolic_one():
    payload = BloodPressure.from_bytes(b"8028004153")
    assert (payload.systolic, payload.diastolic) == (None, None)


def test_a_measurement_that_is_sent_again_is_the_same_to_whoever_has_recorded_it():
    """The time at which it is sent is another, and not kept."""
    first = measured(timedelta(hours=3))
    again = said(
        and_pbt.CUFF,
        PRESSURES,
        measured=first.measured,
        transmitted=DateTime.of(LOCAL_NOON + timedelta(minutes=5)),
    )
    assert bytes(first) != bytes(again)
    identities = {(reading.device_time, reading.raw) for reading in (one(cuff(), first), one(cuff(), again))}
    assert identities == {(LOCAL_NOON - timedelta(hours=3), kept(first))}


def test_a_cuffs_numbers_are_read():
    reading = one(cuff(), said(and_pbt.CUFF, PRESSURES))
    assert {value.parameter: value.number for value in reading.values} == {
        Parameter.SYSTOLIC: 105,
        Parameter.DIASTOLIC: 76,
        Parameter.MEAN: 82,
        Parameter.CUFF_PULSE_RATE: 65,
    }


def test_a_measurement_that_failed_is_accepted_and_has_no_numbers():
    commands = feed(cuff(), bytes(said(and_pbt.CUFF, FAILED)))
    assert sent(commands) == [ACCEPTED]
    (reading,) = readings(commands)
    assert {value.reasons for value in reading.values} == {(Reason.MEASUREMENT_FAILED,)}
    assert all(value.quality is Quality.MISSING for value in reading.values)


def test_a_mean_of_zero_was_not_measured():
    (mean,) = [value for value in BloodPressure.from_bytes(b"801D4C4100").values() if value.parameter is Parameter.MEAN]
    assert (mean.number, mean.reasons) == (None, (Reason.NOT_MEASURED,))


def test_a_scales_weight_is_read_with_its_user():
    captured = next(vector for vector in vectors.ALL if vector["id"] == "V121")
    (reading,) = readings(feed(scale(), vectors.data(captured)))
    (value,) = reading.values
    assert (reading.data_type, value.number, reading.user) == (Vital.WEIGHT, Decimal("78.05"), 1)
    assert reading.device_time == datetime(2012, 9, 21, 0, 54, 40)
    assert len(reading.raw) == 64


def test_pounds_are_converted_and_kept_beside():
    reading = one(scale(), said(and_pbt.SCALE, Weighing(weight_lb=Decimal("172.1"))))
    (value,) = reading.values
    assert (value.number, value.sent_number, value.sent_unit) == (Decimal("78.063"), Decimal("172.1"), Unit.POUND)


def test_nothing_on_a_scale_is_no_weight():
    (value,) = one(scale(), said(and_pbt.SCALE, Weighing(weight_kg=Decimal(0)))).values
    assert (value.number, value.quality) == (None, Quality.MISSING)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [((60, b"8X"), "not_hexadecimal"), ((6, b"\x57\x03"), "unknown_device"), ((35, b"\x01"), "not_text")],
)
def test_what_cannot_be_read_is_refused_so_that_the_device_keeps_it(damage, reason):
    place, wrong = damage
    packet = bytearray(bytes(pressure(120)))
    packet[place : place + len(wrong)] = wrong
    assert feed(cuff(), bytes(packet)) == [
        ReportRefused(at=NOON, reason=reason, discarded=70),
        SendBytes(data=REFUSED),
    ]


def test_another_kind_of_device_on_the_same_port_keeps_what_it_has():
    assert feed(cuff(), bytes(weight(78))) == [
        ReportRefused(at=NOON, reason="another_device", discarded=74),
        SendBytes(data=REFUSED),
    ]


def test_a_request_for_a_users_height_and_age_is_not_answered():
    """Those are settings."""
    assert feed(scale(), b"PWRQPI001") == []
    assert isinstance(decode(b"PWRQPI001"), ConfigurationRequest)


@pytest.mark.parametrize("prefix", [b"", b"PWCAPI", b"PWRQPI001"])
def test_what_comes_before_a_header_changes_nothing(prefix):
    commands = feed(cuff(), *[bytes((byte,)) for byte in prefix + bytes(pressure(120))])
    (reading,) = readings(commands)
    assert reading.raw == kept(pressure(120))
    assert not [command for command in commands if isinstance(command, ReportRefused)]


@pytest.mark.parametrize("key", ["and-pbt", "and-pbt-scale"])
def test_every_measurement_of_a_simulated_device_comes_once(key):
    model = (Cuff if key == "and-pbt" else Scale)(lambda now: Body())
    conversation = Conversation(driver=DRIVERS[key], model=model).run(seconds=30)
    earlier, now = conversation.readings
    assert (earlier.stored, now.stored) == (True, False)
    assert abs(now.measured - earlier.measured - timedelta(minutes=47)) < timedelta(seconds=61)
    assert conversation.sent == [ACCEPTED] * 2


def test_a_simulated_device_says_it_again_until_it_is_accepted():
    model = Cuff(lambda now: Body())
    start = datetime(2026, 11, 23, 12, tzinfo=UTC)
    (first,) = model.connected(start)
    assert list(model.received(start, REFUSED)) == []
    assert [len(model.step(start + timedelta(seconds=second))) for second in range(11)].count(1) == 2
    (second,) = model.received(start, ACCEPTED)
    assert first != second


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: bytes(said(and_pbt.SCALE, PRESSURES)),
        lambda: bytes(BloodPressure(systolic=70, diastolic=80, mean=None, pulse_rate=None)),
        lambda: bytes(Weighing()),
        lambda: bytes(Weighing(weight_kg=Decimal("-78.05"))),
        lambda: bytes(Weighing(weight_kg=Decimal(78), weight_lb=Decimal(172))),
    ],
)
def test_what_the_format_has_no_room_for_can_not_be_said(wrong):
    with pytest.raises(ValueError, match=r"."):
        wrong()
