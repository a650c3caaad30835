"""What is said to a Nonin 9560: which data format, and what time it is; and where its stored spot checks belong in time."""

from datetime import datetime, timedelta

import pytest

from device_drivers.date_time import DateTime
from device_drivers.framing import IN_A_ROW
from device_drivers.oximeters import nonin_df2, nonin_df8, nonin_df13
from device_drivers.oximeters.nonin_host import TimeMessage, TimeWord
from device_drivers.registry import DRIVERS
from device_drivers.sessions import LinkEstablished, ReportRefused, SendBytes, TimePassed
from simulators.models.model import Body
from simulators.models.nonin import Nonin9560
from tests.device_drivers.conversation import Conversation
from tests.device_drivers.families.nonin import packet, spot_check
from tests.device_drivers.nonin_talk import reasons, sent, started, statuses
from tests.device_drivers.samples import BERLIN, NOON, after, context, feed, readings
from vitals.readings import Quality, Reason

LOCAL_NOON = NOON.astimezone(BERLIN).replace(tzinfo=None)
REQUEST = SendBytes(data=bytes.fromhex("02720003"))
ACK, NAK = b"\x06", b"\x15"


def test_a_format_is_chosen_only_where_the_option_says_so():
    for key, number in (("nonin-df2", 2), ("nonin-df7", 7), ("nonin-df8", 8), ("nonin-df13", 13)):
        plain = DRIVERS[key].session(context()).handle(LinkEstablished(at=NOON))
        choosing = DRIVERS[key].session(context(select_format=True)).handle(LinkEstablished(at=NOON))
        assert not [data for data in sent(list(plain)) if data[1] == 0x70]
        assert sent(list(choosing))[0] == bytes((0x02, 0x70, 0x02, 0x02, number, 0x03))


@pytest.mark.parametrize("key", ["nonin-df2", "nonin-df7", "nonin-df8"])
def test_an_oximeter_that_was_left_in_another_format_is_switched(key):
    model = Nonin9560(lambda now: Body(), data_format=13)
    conversation = Conversation(driver=DRIVERS[key], model=model, options={"select_format": True}).run(seconds=3)
    assert model.data_format == int(key.removeprefix("nonin-df"))
    assert conversation.readings
    assert all(fault == () for fault in statuses(conversation.commands))


def test_an_oximeter_that_refuses_a_format_is_a_fault():
    model = Nonin9560(lambda now: Body(), data_format=13, formats=(13,))
    driver = DRIVERS["nonin-df2"]
    conversation = Conversation(driver=driver, model=model, options={"select_format": True}).run(seconds=8)
    assert statuses(conversation.commands) == [("format_refused",)]


def test_the_answer_is_no_noise():
    session = started("nonin-df2", select_format=True)
    assert feed(session, ACK) == []
    assert not [c for c in feed(session, bytes(packet(nonin_df2.Packet))) if isinstance(c, ReportRefused)]


def test_a_refusal_does_not_count_where_the_format_comes_all_the_same():
    session = started("nonin-df2", select_format=True)
    feed(session, NAK)
    commands = feed(session, bytes(packet(nonin_df2.Packet)), at=after(1))
    commands += session.handle(TimePassed(at=after(6)))
    assert statuses(commands) == [()]


def test_the_format_that_comes_after_a_refusal_ends_the_fault():
    session = started("nonin-df8", select_format=True)
    feed(session, NAK)
    refused = list(session.handle(TimePassed(at=after(5))))
    came = feed(session, *[bytes(nonin_df8.DataFrame(hr=70, spo2=97))] * IN_A_ROW, at=after(7))
    assert statuses(refused + came) == [("format_refused",), ()]


def test_an_answer_is_listened_for_five_seconds():
    session = started("nonin-df13", select_format=True)
    assert list(session.handle(TimePassed(at=after(5)))) == []
    assert [type(command) for command in feed(session, NAK * 64, at=after(6))] == [ReportRefused]


def test_the_documents_example_sets_the_clock():
    noon = DateTime(year=2050, month=12, day=31, hour=14, minute=30, second=15)
    assert bytes(TimeMessage(word=TimeWord.SET, timestamp=noon)) == bytes.fromhex("0272 06 320c1f 0e1e0f 03")


def clock(ahead: timedelta = timedelta(0)) -> bytes:
    """The answer of an oximeter whose clock runs so far ahead of ours."""
    return bytes(TimeMessage(word=TimeWord.REPLY, timestamp=DateTime.of(LOCAL_NOON + ahead)))


def test_the_clock_is_read_first_and_left_alone():
    session = DRIVERS["nonin-df13"].session(context())
    assert session.handle(LinkEstablished(at=NOON)) == [REQUEST]
    assert feed(session, clock()) == []


def test_the_clock_is_set_after_it_was_read_where_the_option_says_so():
    session = DRIVERS["nonin-df13"].session(context(set_time=True))
    assert session.handle(LinkEstablished(at=NOON)) == [REQUEST]
    assert feed(session, clock(timedelta(days=-400))) == [SendBytes(data=bytes.fromhex("0272061a0b170d000003"))]


@pytest.mark.parametrize("off_by", [timedelta(0), timedelta(days=-400), timedelta(hours=5)])
def test_a_stored_spot_check_is_placed_by_the_clocks_offset(off_by):
    session = started("nonin-df13")
    feed(session, clock(off_by))
    made = LOCAL_NOON + off_by - timedelta(hours=3)
    (reading,) = readings(feed(session, bytes(spot_check(timestamp=DateTime.of(made), from_memory=True))))
    assert (reading.measured, reading.received) == (NOON - timedelta(hours=3), NOON)
    assert (reading.stored, reading.time_uncertain, reading.device_time) == (True, False, made)
    assert {value.quality for value in reading.values} == {Quality.VALID}
    assert reasons(reading) == (Reason.FROM_STORAGE,)


@pytest.mark.parametrize("moment", [LOCAL_NOON - timedelta(hours=3), None])
def test_a_stored_spot_check_without_a_clock_is_uncertain(moment: datetime | None):
    time = DateTime.of(moment) if moment else None
    stored = bytes(spot_check(timestamp=time, from_memory=True))
    (reading,) = readings(feed(started("nonin-df13"), stored))
    assert (reading.measured, reading.stored, reading.time_uncertain) == (NOON, True, True)
    assert reading.device_time == moment


def test_a_spot_check_of_now_is_live_whatever_the_oximeters_clock_says():
    (reading,) = readings(feed(started("nonin-df13"), bytes(spot_check(timestamp=DateTime.of(datetime(2008, 1, 1))))))
    assert (reading.measured, reading.stored, reading.time_uncertain) == (NOON, False, False)
    assert reading.device_time == datetime(2008, 1, 1)


def test_a_spot_check_that_never_settled_is_questionable():
    (reading,) = readings(feed(started("nonin-df13"), bytes(spot_check(smartpoint=False))))
    assert {(value.quality, value.reasons) for value in reading.values} == {
        (Quality.QUESTIONABLE, (Reason.EARLY_ESTIMATE,))
    }


@pytest.mark.parametrize("numbers", [{"spo2": None, "hr": None}, {"spo2": 97, "hr": 70}])
def test_a_spot_check_that_failed_has_no_numbers(numbers):
    (reading,) = readings(feed(started("nonin-df13"), bytes(spot_check(**numbers, no_measurement=True))))
    assert all(value.number is None for value in reading.values)
    assert reasons(reading) == (Reason.MEASUREMENT_FAILED,)


def test_a_spot_check_is_acknowledged_after_its_delivery_only_with_the_option():
    one = bytes(spot_check())
    assert sent(feed(started("nonin-df13"), one)) == []
    commands = feed(started("nonin-df13", unverified=True), one)
    assert commands[-1] == SendBytes(data=ACK)
    assert readings(commands[:-1])


def test_an_oximeters_memory_comes_with_the_times_at_which_it_was_filled():
    ahead = timedelta(days=30)
    made = [NOON - timedelta(hours=hours) for hours in (5, 4)]
    memory = [spot_check(90 + n, timestamp=DateTime.of(at + ahead), from_memory=True) for n, at in enumerate(made)]
    model = Nonin9560(lambda now: Body(spo2=97, pulse_rate=60), clock_ahead=ahead, memory=memory)
    driver = DRIVERS["nonin-df13"]
    conversation = Conversation(driver=driver, model=model, options={"set_time": True}).run(seconds=5)
    *stored, live = conversation.readings
    assert [(reading.measured, reading.values[0].number) for reading in stored] == [(made[0], 90), (made[1], 91)]
    assert (live.stored, live.values[0].number) == (False, 97)
    assert model.clock_ahead == NOON.astimezone(BERLIN).utcoffset()


def test_a_century_that_is_neither_bcd_nor_a_number_is_no_time():
    data = bytearray(bytes(spot_check()))
    data[6], data[20] = 0x19, data[20] - 0x20 + 0x19
    assert nonin_df13.SpotCheck.from_bytes(bytes(data)).timestamp is None
