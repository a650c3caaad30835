"""The conversation with a Contec 08A cuff over USB, report by report."""

from decimal import Decimal

import pytest

from device_drivers.cuffs import contec_08a
from device_drivers.date_time import DateTime
from device_drivers.driver import UsbId
from device_drivers.registry import DRIVERS, drivers_on
from device_drivers.sessions import (
    BytesReceived,
    CloseLink,
    Command,
    Deliver,
    LinkEstablished,
    ReportRefused,
    ReportStatus,
    SendBytes,
    Session,
    TimePassed,
)
from tests.device_drivers.samples import CUFF, NOON, after, context, readings
from vitals.parameters import Parameter
from vitals.readings import Quality, Reading, Reason

STATUS = "484102130102"
READY = "4a4301"
OFF = "4a4300"
FIRST = "828094d5c8e9978580818d89809100"
SECOND = "828092d6baf1978580828a85809100"
SMALL = "8080f6cec8dc9a8b80978d898091"


def announced(count: int, user: int) -> str:
    return f"46418080{0x80 | count:02x}8280808080808080{0x80 | user:02x}"


def session(**options: bool | int) -> Session:
    return DRIVERS["contec-08a"].session(context(CUFF, **options))


def hear(talk: Session, *reports: str) -> list[Command]:
    return [
        command
        for report in reports
        for command in talk.handle(BytesReceived(at=NOON, data=contec_08a.report(bytes.fromhex(report))))
    ]


def asked(commands: list[Command]) -> list[str]:
    """What was sent, the zeros at the end of each report left out."""
    return [command.data.rstrip(b"\0").hex() for command in commands if isinstance(command, SendBytes)]


def read(report: str, **options: bool) -> Reading:
    talk = session(**options)
    talk.handle(LinkEstablished(at=NOON))
    (reading,) = readings(hear(talk, STATUS, READY, announced(1, 2), report))
    return reading


def test_the_records_of_all_users_are_read_one_user_after_the_other():
    talk = session()
    assert asked(talk.handle(LinkEstablished(at=NOON))) == ["428ffffefdfc"]
    assert asked(hear(talk, STATUS)) == ["4341010402"]
    first = hear(talk, READY, announced(2, 1), FIRST, SECOND)
    assert asked(first) == ["4341010502"]
    second = hear(talk, READY, announced(0, 2))
    assert asked(second) == ["4341010602"]
    third = hear(talk, READY, announced(1, 3), FIRST)
    assert third[-1] == CloseLink()
    assert [reading.user for reading in readings([*first, *second, *third])] == [1, 1, 3]


def test_every_report_has_64_bytes():
    talk = session()
    said = [*talk.handle(LinkEstablished(at=NOON)), *hear(talk, STATUS)]
    assert {len(command.data) for command in said if isinstance(command, SendBytes)} == {64}


def test_one_user_alone_is_read_where_the_option_says_so():
    talk = session(user=3)
    talk.handle(LinkEstablished(at=NOON))
    assert asked(hear(talk, STATUS)) == ["4341010602"]
    assert hear(talk, READY, announced(0, 3)) == [CloseLink()]


def test_a_record_is_a_stored_reading_of_an_uncertain_time():
    reading = read(FIRST)
    numbers = {value.parameter: value.number for value in reading.values}
    assert numbers == {
        Parameter.SYSTOLIC: Decimal(148),
        Parameter.DIASTOLIC: Decimal(85),
        Parameter.MEAN: Decimal(105),
        Parameter.CUFF_PULSE_RATE: Decimal(72),
    }
    assert (reading.stored, reading.time_uncertain, reading.user) == (True, True, 2)
    assert reading.device_time == DateTime(year=2023, month=5, day=1, hour=13, minute=9, second=0).moment
    assert reading.measured == reading.received == NOON
    assert len(reading.raw) == 64


def test_a_systolic_below_128_is_used_only_where_what_is_unverified_is_wanted():
    sure, bold = read(SMALL).value(Parameter.SYSTOLIC), read(SMALL, unverified=True).value(Parameter.SYSTOLIC)
    assert (sure.number, sure.reasons) == (None, (Reason.UNVERIFIED,))
    assert bold.number == Decimal(118)
    assert read(SMALL).value(Parameter.DIASTOLIC).number == Decimal(78)


def test_a_number_whose_high_bit_is_elsewhere_is_not_taken_for_a_small_one():
    """A pulse of 150 would be one of 22."""
    fast = "8a8094d596e9978580818d89809100"
    pulse = read(fast).value(Parameter.CUFF_PULSE_RATE)
    assert (pulse.number, pulse.reasons) == (None, (Reason.UNVERIFIED,))
    assert read(fast, unverified=True).value(Parameter.CUFF_PULSE_RATE).number == Decimal(150)


def test_a_zero_is_never_a_number():
    values = read("82808080808097858081 8d89809100".replace(" ", ""), unverified=True).values
    found = {value.parameter: value for value in values}
    assert all(
        found[parameter].quality is Quality.MISSING
        for parameter in (Parameter.DIASTOLIC, Parameter.MEAN, Parameter.CUFF_PULSE_RATE)
    )


def test_a_cuff_that_is_turned_off_is_left():
    talk = session()
    talk.handle(LinkEstablished(at=NOON))
    assert hear(talk, STATUS, OFF)[-2:] == [ReportStatus(at=NOON, faults=("turned_off",)), CloseLink()]


def test_a_report_that_is_none_is_refused_and_the_next_record_is_read():
    talk = session(user=1)
    talk.handle(LinkEstablished(at=NOON))
    said = hear(talk, STATUS, READY, announced(2, 1), "00", SECOND)
    kinds = [type(command) for command in said]
    assert kinds == [SendBytes, ReportRefused, Deliver, CloseLink]
    assert hear(session(), "99") == [ReportRefused(at=NOON, reason="unexpected_report", discarded=64)]


def test_records_that_do_not_come_are_said_and_the_next_user_is_asked():
    talk = session()
    talk.handle(LinkEstablished(at=NOON))
    hear(talk, STATUS, READY, announced(2, 1), FIRST)
    assert talk.handle(TimePassed(at=after(5))) == []
    said = talk.handle(TimePassed(at=after(6)))
    assert said[0] == ReportStatus(at=after(6), faults=("stored_data_not_read",))
    assert asked(said) == ["4341010502"]
    assert talk.handle(TimePassed(at=after(7))) == []


def test_nothing_but_the_two_questions_is_ever_sent():
    """The source takes 41 for the word that clears the cuff's records."""
    talk = session()
    said = talk.handle(LinkEstablished(at=NOON))
    for second in range(60):
        said += talk.handle(TimePassed(at=after(second)))
        said += hear(talk, (STATUS, READY, announced(1, 1), FIRST, "00")[second % 5])
    assert {code[:2] for code in asked(said)} == {"42", "43"}


@pytest.mark.parametrize(
    "said",
    [
        {"systolic": 100},
        {"systolic": None},
        {"systolic_unverified": 100},
        {"diastolic": 200},
        {"pulse_rate": -1},
        {"timestamp": DateTime(year=2026, month=1, day=1, hour=0, minute=0, second=1)},
        {"timestamp": DateTime(year=1999, month=1, day=1, hour=0, minute=0, second=0)},
    ],
)
def test_what_can_not_be_said_is_not_encoded(said):
    when = DateTime(year=2026, month=11, day=23, hour=12, minute=0, second=0)
    known = {"systolic": 148, "diastolic": 85, "pulse_rate": 72, "mean": 105, "timestamp": when}
    with pytest.raises(ValueError, match=next(iter(said)).removesuffix("_unverified")):
        bytes(contec_08a.Record(**{**known, **said}))


def test_it_is_known_by_its_usb_ids():
    assert "contec-08a" in [driver.key for driver in drivers_on(UsbId(vendor=0x0483, product=0x5750))]
