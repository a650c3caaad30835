"""What is said to a glucose meter, and what becomes of its records."""

from datetime import timedelta
from decimal import Decimal

import pytest

from device_drivers import uuids
from device_drivers.date_time import CurrentTime, DateTime
from device_drivers.ieee11073 import Special
from device_drivers.registry import DRIVERS
from device_drivers.sessions import (
    Bond,
    Command,
    CommandRefused,
    LinkEstablished,
    ReadValue,
    ReportRefused,
    ReportStatus,
    Session,
    SubscribeTo,
    TimePassed,
    ValueReceived,
    WriteValue,
)
from device_drivers.sig.glucose import Concentration, GlucoseMeasurement, SampleLocation, SampleType, SensorStatus
from device_drivers.sig.record_access import ABORT, ANSWER_SECONDS, NOT_GIVEN, REPORT_ALL
from simulators.models.model import Body
from simulators.models.registry import MODELS
from simulators.models.sig_more import RECORDS
from simulators.models.spot_check import EARLIER
from tests.device_drivers.conversation import Conversation
from tests.device_drivers.samples import BERLIN, NOON, after, context, readings
from vitals.identifiers import DeviceKey, DeviceType
from vitals.readings import Quality, Reading, Reason
from vitals.units import Unit

METER = DeviceKey(device_type=DeviceType.GLUCOSE_METER, device_id="meter-1")
LOCAL_NOON = NOON.astimezone(BERLIN).replace(tzinfo=None)
PRESENT = frozenset({uuids.GLUCOSE_MEASUREMENT, uuids.RECORD_ACCESS_CONTROL_POINT, uuids.CURRENT_TIME})
SAMPLE = {
    "concentration": Decimal("0.00104"),
    "unit": Concentration.KILOGRAM_PER_LITRE,
    "type": SampleType.CAPILLARY_WHOLE_BLOOD,
    "location": SampleLocation.FINGER,
}
ASK = WriteValue(characteristic=uuids.RECORD_ACCESS_CONTROL_POINT, data=REPORT_ALL)


def meter(*present: str, **options: bool) -> Session:
    session = DRIVERS["sig-glucose"].session(context(METER, **options))
    session.handle(LinkEstablished(at=NOON, characteristics=frozenset(present)))
    return session


def tell(session: Session, characteristic: str, data: bytes, seconds: float = 0) -> list[Command]:
    return list(session.handle(ValueReceived(at=after(seconds), characteristic=characteristic, data=data)))


def record(**fields: object) -> GlucoseMeasurement:
    return GlucoseMeasurement(**{"sequence": 7, "base_time": DateTime.of(LOCAL_NOON), **SAMPLE, **fields})


def measured(**fields: object) -> Reading:
    (reading,) = readings(tell(meter(), uuids.GLUCOSE_MEASUREMENT, bytes(record(**fields))))
    return reading


def asked() -> Session:
    """A meter without a clock: its records have been asked for at once."""
    return meter(uuids.GLUCOSE_MEASUREMENT, uuids.RECORD_ACCESS_CONTROL_POINT)


def test_a_meter_is_bonded_with_and_subscribed_to_and_its_clock_read():
    session = DRIVERS["sig-glucose"].session(context(METER))
    assert session.handle(LinkEstablished(at=NOON, characteristics=PRESENT)) == [
        Bond(),
        SubscribeTo(characteristic=uuids.GLUCOSE_MEASUREMENT),
        ReadValue(characteristic=uuids.CURRENT_TIME),
        SubscribeTo(characteristic=uuids.RECORD_ACCESS_CONTROL_POINT),
    ]


def test_all_records_are_asked_for_after_the_clock_was_read_and_set():
    written = tell(meter(*PRESENT), uuids.CURRENT_TIME, bytes(CurrentTime.of(LOCAL_NOON)))
    assert [type(command) for command in written] == [WriteValue, WriteValue]
    assert written[-1] == ASK
    assert ASK.data == bytes((1, 1))


def test_a_meter_without_a_clock_is_asked_at_once():
    session = DRIVERS["sig-glucose"].session(context(METER, bond=False))
    begun = session.handle(LinkEstablished(at=NOON, characteristics=PRESENT - {uuids.CURRENT_TIME}))
    assert begun[-1] == ASK
    assert Bond() not in begun


def test_a_meter_without_records_says_so_and_that_is_no_fault():
    answer = tell(asked(), uuids.RECORD_ACCESS_CONTROL_POINT, bytes.fromhex("06000106"))
    assert answer == [ReportStatus(at=NOON)]


@pytest.mark.parametrize("code", [2, 4, 8, 0x80])
def test_a_meter_that_does_not_give_its_records_is_reported(code):
    answer = tell(asked(), uuids.RECORD_ACCESS_CONTROL_POINT, bytes((6, 0, 1, code)))
    assert ReportRefused(at=NOON, reason=NOT_GIVEN, discarded=0) in answer


def test_a_request_that_cannot_be_written_is_reported():
    refused = CommandRefused(at=NOON, command=ASK, reason="insufficient authentication")
    assert asked().handle(refused) == [ReportRefused(at=NOON, reason=NOT_GIVEN, discarded=0)]


def test_a_meter_that_falls_silent_is_asked_to_stop():
    session = asked()
    tell(session, uuids.GLUCOSE_MEASUREMENT, bytes(record()), seconds=20)
    silent = 20 + ANSWER_SECONDS.total_seconds()
    assert session.handle(TimePassed(at=after(silent - 1))) == []
    assert session.handle(TimePassed(at=after(silent))) == [
        ReportRefused(at=after(silent), reason=NOT_GIVEN, discarded=0),
        WriteValue(characteristic=uuids.RECORD_ACCESS_CONTROL_POINT, data=ABORT),
    ]


def test_the_newest_record_says_how_the_battery_is():
    session = asked()
    for sequence, status in enumerate((SensorStatus(0), SensorStatus.BATTERY_LOW)):
        tell(session, uuids.GLUCOSE_MEASUREMENT, bytes(record(sequence=sequence, sensor_status=int(status))))
    answer = tell(session, uuids.RECORD_ACCESS_CONTROL_POINT, bytes.fromhex("06000101"))
    assert answer == [ReportStatus(at=NOON, faults=("low_battery",))]


def test_kilograms_a_litre_become_milligrams_a_decilitre():
    (value,) = measured().values
    assert (value.number, value.unit, value.quality) == (Decimal(104), Unit.MILLIGRAM_PER_DECILITRE, Quality.VALID)


def test_moles_a_litre_become_milligrams_a_decilitre_and_their_millimoles_stay_beside():
    (value,) = measured(concentration=Decimal("0.0055"), unit=Concentration.MOLE_PER_LITRE).values
    assert (value.number, value.unit) == (Decimal("99.1"), Unit.MILLIGRAM_PER_DECILITRE)
    assert (value.sent_number, value.sent_unit) == (Decimal("5.5"), Unit.MILLIMOLE_PER_LITRE)


@pytest.mark.parametrize(
    "sample",
    [
        {"type": SampleType.CONTROL_SOLUTION},
        {"location": SampleLocation.CONTROL_SOLUTION},
        {"type": SampleType.CONTROL_SOLUTION, "location": SampleLocation.CONTROL_SOLUTION},
        {"type": SampleType.CONTROL_SOLUTION, "location": SampleLocation.FINGER, "sensor_status": 0x0FFF},
    ],
)
def test_a_control_solution_is_never_a_patients_glucose(sample):
    (value,) = measured(**sample).values
    assert (value.number, value.quality, value.reasons) == (None, Quality.MISSING, (Reason.CONTROL_SOLUTION,))


@pytest.mark.parametrize(
    ("status", "reasons"),
    [
        (0x002, (Reason.SENSOR_FAULT,)),
        (0x004, (Reason.MEASUREMENT_FAILED,)),
        (0x008, (Reason.MEASUREMENT_FAILED,)),
        (0x010, (Reason.MEASUREMENT_FAILED,)),
        (0x020, (Reason.OUT_OF_RANGE,)),
        (0x040, (Reason.OUT_OF_RANGE,)),
        (0x080, (Reason.MEASUREMENT_FAILED,)),
        (0x100, (Reason.MEASUREMENT_FAILED,)),
        (0x200, (Reason.MEASUREMENT_FAILED,)),
        (0x400, (Reason.SENSOR_FAULT,)),
        (0x42A, (Reason.SENSOR_FAULT, Reason.OUT_OF_RANGE, Reason.MEASUREMENT_FAILED)),
    ],
)
def test_a_number_beside_a_status_that_ends_the_measurement_is_no_glucose(status, reasons):
    (value,) = measured(sensor_status=status).values
    assert (value.number, value.reasons) == (None, reasons)


@pytest.mark.parametrize("status", [0x001, 0x800, 0xF000])
def test_a_low_battery_a_wrong_clock_and_reserved_bits_leave_the_number(status):
    (value,) = measured(sensor_status=status).values
    assert (value.number, value.quality) == (Decimal(104), Quality.VALID)


@pytest.mark.parametrize(
    ("concentration", "reason"),
    [
        (Special.NAN, Reason.MEASUREMENT_FAILED),
        (Special.NRES, Reason.OUT_OF_RANGE),
        (Special.POSITIVE_INFINITY, Reason.OUT_OF_RANGE),
        (Special.NEGATIVE_INFINITY, Reason.OUT_OF_RANGE),
        (Decimal(0), Reason.MEASUREMENT_FAILED),
        (Decimal(30), Reason.OUT_OF_RANGE),
    ],
)
def test_a_concentration_that_is_none_says_why(concentration, reason):
    """30 kg/L is an example of Nordic's: it would be three million mg/dL."""
    (value,) = measured(concentration=concentration).values
    assert (value.number, value.reasons) == (None, (reason,))


def test_a_record_without_a_sample_was_not_measured():
    (value,) = measured(concentration=None, unit=None, type=None, location=None).values
    assert value.reasons == (Reason.NOT_MEASURED,)


def test_the_offset_is_added_to_the_base_time():
    reading = measured(base_time=DateTime.of(LOCAL_NOON - timedelta(hours=3)), time_offset_min=60)
    assert reading.device_time == LOCAL_NOON - timedelta(hours=2)
    assert reading.record == 7


@pytest.mark.parametrize(
    "fields",
    [
        {"base_time": DateTime(year=0, month=0, day=0, hour=0, minute=0, second=0)},
        {"base_time": DateTime(year=2026, month=11, day=31, hour=0, minute=0, second=0)},
        {"base_time": DateTime(year=9999, month=12, day=31, hour=23, minute=0, second=0), "time_offset_min": 61},
        {"time_offset_min": 0x7FFF},
        {"time_offset_min": -0x8000},
    ],
)
def test_a_record_whose_time_cannot_be_told_is_stored_and_uncertain(fields):
    reading = measured(**fields)
    assert (reading.stored, reading.time_uncertain, reading.device_time) == (True, True, None)
    assert reading.measured == NOON


def test_a_time_fault_makes_the_time_uncertain():
    reading = measured(sensor_status=int(SensorStatus.TIME_FAULT))
    assert (reading.stored, reading.time_uncertain) == (True, True)


@pytest.mark.parametrize(
    "fields",
    [
        {"concentration": None},
        {"unit": None},
        {"type": None},
        {"location": None},
        {"type": 16},
        {"location": -1},
        {"sequence": 0x10000},
        {"time_offset_min": 0x8000},
        {"sensor_status": -1},
        {"concentration": Decimal("0.000123456")},
    ],
)
def test_what_a_meter_cannot_say_is_refused(fields):
    with pytest.raises(ValueError):  # noqa: PT011 - of several kinds
        bytes(record(**fields))


def test_every_record_is_fetched_and_placed_by_the_meters_own_clock():
    model = MODELS["sig-glucose"](lambda now: Body(glucose=97))
    talk = Conversation(driver=DRIVERS["sig-glucose"], model=model).run(seconds=20)
    assert [reading.record for reading in talk.readings] == list(range(RECORDS))
    assert [reading.stored for reading in talk.readings] == [True, True, False]
    assert not any(reading.time_uncertain for reading in talk.readings)
    control, earlier, now = (reading.values[0] for reading in talk.readings)
    assert (control.number, control.reasons) == (None, (Reason.CONTROL_SOLUTION,))
    assert earlier.number == now.number == Decimal(97)
    for place, reading in enumerate(talk.readings):
        assert abs(NOON - EARLIER * (RECORDS - 1 - place) - reading.measured) < timedelta(seconds=5)
    assert not [command for command in talk.commands if isinstance(command, ReportRefused)]
