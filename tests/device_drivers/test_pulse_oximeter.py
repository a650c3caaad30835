"""What is said to an oximeter of the Pulse Oximeter Service, and what becomes of its numbers."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from device_drivers import uuids
from device_drivers.date_time import CurrentTime, DateTime
from device_drivers.ieee11073 import Number, Special
from device_drivers.registry import DRIVERS
from device_drivers.sessions import (
    Command,
    CommandRefused,
    LinkEstablished,
    ReadValue,
    ReportRefused,
    ReportStatus,
    Session,
    SessionContext,
    SubscribeTo,
    TimePassed,
    ValueReceived,
    WriteValue,
)
from device_drivers.sig.pulse_oximeter import Continuous, Features, SpotCheck
from simulators.models.model import Body
from simulators.models.sig import Oximeter
from tests.device_drivers.conversation import Conversation
from tests.device_drivers.samples import BERLIN, NOON, OXIMETER, after, readings
from vitals.parameters import Parameter
from vitals.readings import Quality, Reading, Reason, Value

LOCAL_NOON = NOON.astimezone(BERLIN).replace(tzinfo=None)
RACP = uuids.RECORD_ACCESS_CONTROL_POINT
EVERYTHING = frozenset(
    {
        *(uuids.PLX_CONTINUOUS, uuids.PLX_SPOT_CHECK, uuids.PLX_FEATURES, RACP),
        *(uuids.CURRENT_TIME, uuids.BATTERY_LEVEL),
    }
)
STORED = 1 << 9


def oximeter(characteristics: frozenset[str] = EVERYTHING, memory: dict[str, str] | None = None) -> Session:
    """One whose link stands and whose clock has been read: it runs an hour ahead of ours."""
    found = DRIVERS["sig-pulse-oximeter"].session(
        SessionContext(device=OXIMETER, zone=BERLIN, memory={} if memory is None else memory)
    )
    found.handle(LinkEstablished(at=NOON, characteristics=characteristics))
    if uuids.CURRENT_TIME in characteristics:
        tell(found, uuids.CURRENT_TIME, bytes(CurrentTime.of(LOCAL_NOON + timedelta(hours=1))))
    return found


def tell(session: Session, characteristic: str, data: bytes, seconds: float = 0) -> list[Command]:
    return list(session.handle(ValueReceived(at=after(seconds), characteristic=characteristic, data=data)))


def continuous(
    session: Session, spo2: Number = Decimal(97), pulse_rate: Number = Decimal(72), seconds: float = 0, **fields: int
) -> list[Reading]:
    sent = bytes(Continuous(spo2=spo2, pulse_rate=pulse_rate, **fields))
    return readings(tell(session, uuids.PLX_CONTINUOUS, sent, seconds))


def spot_check(session: Session, seconds: float = 0, **fields: object) -> list[Reading]:
    sent = SpotCheck(**{"spo2": Decimal(97), "pulse_rate": Decimal(72), **fields})
    return readings(tell(session, uuids.PLX_SPOT_CHECK, bytes(sent), seconds))


def value(reading: Reading, parameter: Parameter = Parameter.SPO2) -> Value:
    found = reading.value(parameter)
    assert found is not None
    return found


def test_all_is_subscribed_before_anything_is_read():
    session = DRIVERS["sig-pulse-oximeter"].session(SessionContext(device=OXIMETER, zone=BERLIN))
    assert session.handle(LinkEstablished(at=NOON, characteristics=EVERYTHING)) == [
        SubscribeTo(characteristic=uuids.PLX_CONTINUOUS),
        SubscribeTo(characteristic=uuids.PLX_SPOT_CHECK),
        ReadValue(characteristic=uuids.CURRENT_TIME),
        ReadValue(characteristic=uuids.BATTERY_LEVEL),
        ReadValue(characteristic=uuids.PLX_FEATURES),
        SubscribeTo(characteristic=RACP),
    ]


def test_only_what_is_there_is_subscribed():
    session = DRIVERS["sig-pulse-oximeter"].session(SessionContext(device=OXIMETER, zone=BERLIN))
    assert session.handle(LinkEstablished(at=NOON, characteristics=frozenset({uuids.PLX_SPOT_CHECK}))) == [
        SubscribeTo(characteristic=uuids.PLX_SPOT_CHECK)
    ]


def test_records_are_asked_for_once_the_clock_was_read_and_set():
    session = DRIVERS["sig-pulse-oximeter"].session(SessionContext(device=OXIMETER, zone=BERLIN))
    session.handle(LinkEstablished(at=NOON, characteristics=EVERYTHING))
    setting, asking = tell(session, uuids.CURRENT_TIME, bytes(CurrentTime.of(LOCAL_NOON)))
    assert isinstance(setting, WriteValue)
    assert setting.characteristic == uuids.CURRENT_TIME
    assert asking == WriteValue(characteristic=RACP, data=bytes.fromhex("0101"))


def test_an_oximeter_without_a_clock_is_asked_for_its_records_at_once():
    session = DRIVERS["sig-pulse-oximeter"].session(SessionContext(device=OXIMETER, zone=BERLIN))
    present = frozenset({uuids.PLX_SPOT_CHECK, RACP})
    assert session.handle(LinkEstablished(at=NOON, characteristics=present))[-2:] == [
        SubscribeTo(characteristic=RACP),
        WriteValue(characteristic=RACP, data=bytes.fromhex("0101")),
    ]


def test_what_it_answers_to_the_request_does_not_end_the_conversation():
    session = oximeter()
    assert tell(session, RACP, bytes.fromhex("06000106")) == []
    assert tell(session, RACP, bytes.fromhex("06000102")) == [
        ReportRefused(at=NOON, reason="records_not_given", discarded=0)
    ]
    assert tell(session, RACP, b"\x06") == [ReportRefused(at=NOON, reason="truncated", discarded=1)]
    assert continuous(session)


def test_a_refused_request_does_not_end_the_conversation():
    session = oximeter()
    request = WriteValue(characteristic=RACP, data=bytes.fromhex("0101"))
    refused = session.handle(CommandRefused(at=NOON, command=request, reason="CCCD improperly configured"))
    assert refused == [ReportRefused(at=NOON, reason="records_not_given", discarded=0)]
    assert continuous(session)


def test_an_oximeter_that_falls_silent_amid_its_records_is_asked_to_stop():
    session = oximeter()
    spot_check(session, seconds=10, measurement_status=STORED)
    assert list(session.handle(TimePassed(at=after(39)))) == []
    assert list(session.handle(TimePassed(at=after(40))))[-1] == WriteValue(characteristic=RACP, data=b"\x03\x00")


def test_what_it_can_tell_is_kept():
    session = oximeter()
    assert tell(session, uuids.PLX_FEATURES, bytes.fromhex("a3004010800100")) == []
    assert session.features == Features(
        features=0xA3, measurement_status_support=0x1040, device_sensor_support=0x000180
    )
    assert tell(session, uuids.PLX_FEATURES, b"\x01") == [ReportRefused(at=NOON, reason="truncated", discarded=1)]


def test_four_measurements_a_second_become_one_reading_a_second():
    session = oximeter()
    found = [reading for step in range(40) for reading in continuous(session, seconds=step / 4)]
    assert [reading.measured for reading in found] == [after(second) for second in range(10)]


def test_a_finger_that_goes_is_said_at_once():
    session = oximeter()
    continuous(session)
    (gone,) = continuous(session, Special.NAN, Special.NAN, seconds=0.25, device_sensor_status=1 << 11)
    assert value(gone).reasons == (Reason.NO_FINGER,)
    (back,) = continuous(session, seconds=0.5)
    assert value(back).number == 97


@pytest.mark.parametrize(
    ("bit", "reason"),
    [
        (10, Reason.DEMONSTRATION),
        (11, Reason.DEMONSTRATION),
        (12, Reason.SEARCHING),
        (13, Reason.NOT_MEASURED),
        (15, Reason.MEASUREMENT_FAILED),
    ],
)
def test_numbers_that_are_no_measurement_of_a_patient_are_missing(bit, reason):
    (reading,) = continuous(oximeter(), measurement_status=1 << bit)
    for found in reading.values:
        assert (found.number, found.quality, found.reasons) == (None, Quality.MISSING, (reason,))


@pytest.mark.parametrize(
    ("bit", "quality", "reasons"),
    [
        *((bit, Quality.VALID, ()) for bit in (0, 1, 2, 3, 4, 5, 7, 8)),
        (6, Quality.QUESTIONABLE, (Reason.EARLY_ESTIMATE,)),
        (9, Quality.VALID, (Reason.FROM_STORAGE,)),
        (14, Quality.QUESTIONABLE, (Reason.LOW_CONFIDENCE,)),
    ],
)
def test_other_words_of_the_measurement_stay_with_its_numbers(bit, quality, reasons):
    (reading,) = continuous(oximeter(), measurement_status=1 << bit)
    for found in reading.values:
        assert (found.quality, found.reasons) == (quality, reasons)
        assert found.number is not None


@pytest.mark.parametrize(
    ("bit", "reason"),
    [
        (1, Reason.SENSOR_FAULT),
        (7, Reason.NO_PULSE_FOUND),
        (11, Reason.NO_FINGER),
        (14, Reason.SENSOR_FAULT),
        (15, Reason.SENSOR_DISCONNECTED),
    ],
)
def test_numbers_of_a_sensor_without_patient_or_pulse_are_missing(bit, reason):
    (reading,) = continuous(oximeter(), device_sensor_status=1 << bit)
    assert all((found.number, found.reasons) == (None, (reason,)) for found in reading.values)


@pytest.mark.parametrize(
    ("bit", "reasons"),
    [
        (0, (Reason.DISPLAY_HELD,)),
        (2, (Reason.ARTIFACT,)),
        (3, (Reason.WEAK_SIGNAL,)),
        (4, (Reason.WEAK_SIGNAL,)),
        (5, (Reason.LOW_PERFUSION,)),
        (6, (Reason.ARTIFACT,)),
        (8, (Reason.LOW_CONFIDENCE,)),
        (9, (Reason.SEARCHING,)),
        (10, (Reason.ARTIFACT,)),
        (12, (Reason.SENSOR_FAULT,)),
        (13, (Reason.IMPROPER_POSITION,)),
        *((bit, ()) for bit in range(16, 24)),
    ],
)
def test_other_words_of_the_sensor_put_its_numbers_in_doubt(bit, reasons):
    (reading,) = continuous(oximeter(), device_sensor_status=1 << bit)
    for found in reading.values:
        assert found.number is not None
        assert found.reasons == reasons
        assert found.quality is (Quality.QUESTIONABLE if reasons else Quality.VALID)


def test_why_a_number_is_missing_is_what_the_sensor_says_where_it_does():
    (reading,) = continuous(oximeter(), Special.NAN, device_sensor_status=1 << 9)
    assert value(reading).reasons == (Reason.SEARCHING,)
    (reading,) = continuous(oximeter(), Special.NAN)
    assert value(reading).reasons == (Reason.MEASUREMENT_FAILED,)


@pytest.mark.parametrize("spo2", [Decimal(0), Decimal(127), Special.NAN, Special.NRES, Special.POSITIVE_INFINITY])
def test_what_stands_for_no_saturation_is_none(spo2):
    (reading,) = continuous(oximeter(), spo2)
    assert value(reading).number is None
    assert value(reading, Parameter.OXIMETER_PULSE_RATE).number == 72


@pytest.mark.parametrize("pulse_rate", [Decimal(0), Decimal(511), Special.NAN])
def test_what_stands_for_no_pulse_is_none(pulse_rate):
    (reading,) = continuous(oximeter(), pulse_rate=pulse_rate)
    assert value(reading, Parameter.OXIMETER_PULSE_RATE).number is None
    assert value(reading).number == 97


def test_a_pulse_rate_of_127_and_one_of_255_are_numbers():
    (first,) = continuous(oximeter(), pulse_rate=Decimal(127))
    (second,) = continuous(oximeter(), pulse_rate=Decimal(255))
    assert value(first, Parameter.OXIMETER_PULSE_RATE).number == 127
    assert value(second, Parameter.OXIMETER_PULSE_RATE).number == 255


def test_the_pulse_amplitude_index_is_the_perfusion_index():
    (reading,) = spot_check(oximeter(), pai=Decimal("8.7"))
    assert value(reading, Parameter.PERFUSION_INDEX).number == Decimal("8.7")
    (reading,) = spot_check(oximeter(), pai=Special.NAN)
    assert value(reading, Parameter.PERFUSION_INDEX).reasons == (Reason.NOT_MEASURED,)
    (reading,) = spot_check(oximeter())
    assert reading.value(Parameter.PERFUSION_INDEX) is None


def test_tenths_stay_exact():
    (reading,) = spot_check(oximeter(), spo2=Decimal("97.3"))
    assert value(reading).number == Decimal("97.3")


def test_a_fault_of_the_sensor_is_reported_when_it_comes_and_when_it_goes():
    session = oximeter()
    sent = [
        bytes(Continuous(spo2=Decimal(97), pulse_rate=Decimal(72), device_sensor_status=bits)) for bits in (0, 1 << 15)
    ]
    reports = [
        command
        for place, which in enumerate((0, 0, 1, 1, 0))
        for command in tell(session, uuids.PLX_CONTINUOUS, sent[which], place)
        if isinstance(command, ReportStatus)
    ]
    assert [(report.at, report.faults) for report in reports] == [
        (NOON, ()),
        (after(2), ("sensor_disconnected",)),
        (after(4), ()),
    ]
    tell(session, uuids.PLX_CONTINUOUS, sent[1], 5)
    assert tell(session, uuids.BATTERY_LEVEL, b"\x32", 6) == [
        ReportStatus(at=after(6), battery_percent=50, faults=("sensor_disconnected",))
    ]


def test_a_spot_check_of_now_is_live_by_the_oximeters_own_clock():
    stamp = DateTime.of(LOCAL_NOON + timedelta(hours=1, seconds=-20))
    (reading,) = spot_check(oximeter(), timestamp=stamp)
    assert (reading.measured, reading.stored, reading.time_uncertain) == (NOON, False, False)
    assert reading.device_time == stamp.moment


def test_a_stored_spot_check_is_placed_by_the_offset_of_the_clock():
    stamp = DateTime.of(LOCAL_NOON - timedelta(hours=1))
    (reading,) = spot_check(oximeter(), timestamp=stamp, measurement_status=STORED)
    assert (reading.measured, reading.stored) == (NOON - timedelta(hours=2), True)
    assert not reading.time_uncertain
    assert value(reading).reasons == (Reason.FROM_STORAGE,)


def test_the_time_of_a_clock_that_was_never_set_says_nothing():
    stamp = DateTime.of(datetime(2000, 1, 1))
    (reading,) = spot_check(oximeter(), timestamp=stamp, clock_not_set=True)
    assert (reading.measured, reading.stored, reading.time_uncertain) == (NOON, False, False)
    assert reading.device_time is None


@pytest.mark.parametrize(
    "time",
    [{}, {"timestamp": DateTime.of(datetime(2000, 1, 1)), "clock_not_set": True}],
    ids=["no time", "clock not set"],
)
def test_what_comes_from_storage_without_a_time_is_uncertain(time):
    (reading,) = spot_check(oximeter(), measurement_status=STORED, **time)
    assert (reading.measured, reading.stored, reading.time_uncertain) == (NOON, True, True)


def test_a_continuous_measurement_from_storage_is_uncertain():
    (reading,) = continuous(oximeter(), measurement_status=STORED)
    assert (reading.stored, reading.time_uncertain) == (True, True)


STAMP = DateTime.of(LOCAL_NOON + timedelta(hours=1))


def test_the_copy_from_storage_of_what_came_live_is_not_delivered_again():
    memory: dict[str, str] = {}
    first = oximeter(memory=memory)
    assert spot_check(first, timestamp=STAMP)
    assert not spot_check(first, timestamp=STAMP, measurement_status=STORED)
    assert not spot_check(oximeter(memory=memory), timestamp=STAMP, measurement_status=STORED)


def test_records_are_delivered_once_over_all_connections():
    memory: dict[str, str] = {}
    assert spot_check(oximeter(memory=memory), measurement_status=STORED)
    assert not spot_check(oximeter(memory=memory), measurement_status=STORED)
    assert spot_check(oximeter(memory=memory), measurement_status=STORED, spo2=Decimal(96))


def test_equal_records_of_one_connection_are_two():
    session = oximeter(memory={})
    assert spot_check(session, measurement_status=STORED)
    assert spot_check(session, measurement_status=STORED)


def test_equal_live_measurements_are_two():
    session = oximeter(memory={})
    assert spot_check(session)
    assert spot_check(session)


def test_no_more_than_a_few_hundred_are_remembered():
    memory: dict[str, str] = {}
    session = oximeter(memory=memory)
    for place in range(300):
        spot_check(session, measurement_status=STORED, spo2=Decimal(place))
    assert len(memory["spot_checks"].split()) == 256


def test_the_stored_records_of_an_oximeter_and_its_seconds_are_read():
    conversation = Conversation(driver=DRIVERS["sig-pulse-oximeter"], model=Oximeter(lambda now: Body())).run(seconds=5)
    stored = [reading for reading in conversation.readings if reading.stored]
    assert [round((NOON - reading.measured) / timedelta(minutes=1)) for reading in stored] == [94, 47]
    assert not any(reading.time_uncertain for reading in stored)
    assert len([reading for reading in conversation.readings if not reading.stored]) in (4, 5)
    assert bytes.fromhex("0101") in conversation.sent


def test_an_oximeter_without_a_finger_gives_no_numbers():
    nobody = Body(spo2=None, pulse_rate=None, perfusion_index=None)
    conversation = Conversation(driver=DRIVERS["sig-pulse-oximeter"], model=Oximeter(lambda now: nobody)).run(seconds=3)
    live = [reading for reading in conversation.readings if not reading.stored]
    assert live
    assert all(found.number is None for reading in live for found in reading.values)
    assert value(live[-1]).reasons == (Reason.NO_FINGER,)
