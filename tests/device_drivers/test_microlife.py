"""What is said to Microlife's cuff, and what becomes of its records."""

from datetime import timedelta

import pytest

from device_drivers.cuffs import microlife
from device_drivers.cuffs.microlife import Frame, Record
from device_drivers.date_time import DateTime
from device_drivers.registry import DRIVERS
from device_drivers.sessions import (
    CloseLink,
    Deliver,
    LinkEstablished,
    SubscribeTo,
    TimePassed,
    ValueReceived,
    WriteValue,
)
from simulators.models.microlife import MicrolifeCuff
from simulators.models.model import Body
from tests.device_drivers.conversation import Conversation
from tests.device_drivers.families.microlife import records_frame
from tests.device_drivers.samples import BERLIN, CUFF, NOON, after, context

DRIVER = DRIVERS["microlife-ble"]
LOCAL = timedelta(hours=1)
"""The cuff shows Berlin's time, where the model's clock is UTC."""
SEEN = Body(systolic=131, diastolic=84, pulse_rate=64)


def cuff(ahead=LOCAL):
    return MicrolifeCuff(lambda now: SEEN, ahead=ahead)


def talk(model, memory=None, at=NOON, **options):
    model.disconnected()
    return Conversation(
        driver=DRIVER, model=model, memory={} if memory is None else memory, options=options, now=at
    ).run(20)


def payloads(conversation):
    return [Frame.from_bytes(sent).payload[:1].hex() for sent in conversation.sent]


def times(conversation):
    return [(reading.stored, reading.time_uncertain) for reading in conversation.readings]


def test_the_records_are_read_before_the_clock_is_set_and_then_goodbye_is_said():
    conversation = talk(cuff())
    assert conversation.commands[0] == SubscribeTo(characteristic=microlife.NOTIFY)
    assert payloads(conversation) == ["05", "00", "0d", "04"]
    assert conversation.sent[2].hex() == "4dff00080d1a0b170d0000" + f"{sum(conversation.sent[2][:-1]) & 0xFF:02x}"
    assert conversation.commands[-1] == CloseLink()
    delivered = next(place for place, command in enumerate(conversation.commands) if isinstance(command, Deliver))
    assert payloads(conversation).index("0d") == sum(
        isinstance(command, WriteValue) for command in conversation.commands[:delivered]
    )


def test_the_clock_is_left_alone_where_the_options_say_so():
    assert payloads(talk(cuff(), set_time=False)) == ["05", "00", "04"]


def test_the_user_who_is_selected_stays_with_the_reading():
    (reading,) = talk(cuff()).readings
    assert reading.user == 1
    assert [value.number for value in reading.values] == [131, 84, 64]
    assert len(reading.raw) == 10


def test_what_was_measured_before_the_clock_was_set_has_an_uncertain_time_unless_it_is_of_now():
    model = cuff()
    model.measure(NOON - timedelta(hours=5))
    assert times(talk(model)) == [(True, True), (False, False)]


@pytest.mark.parametrize("ahead", [timedelta(days=-400), timedelta(0), timedelta(minutes=50)])
def test_what_was_measured_after_the_clock_was_set_is_placed_by_the_setting(ahead):
    model, memory = cuff(ahead=ahead), {}
    talk(model, memory)
    model.measure(NOON + timedelta(hours=2))
    later = talk(model, memory, at=NOON + timedelta(hours=6))
    first, between, live = later.readings
    assert (between.stored, between.time_uncertain) == (True, False)
    assert between.measured == NOON + timedelta(hours=2)
    assert (live.stored, live.time_uncertain) == (False, False)
    assert first.time_uncertain


def test_a_clock_that_the_cuff_does_not_confirm_is_not_remembered():
    memory = {}
    session = DRIVER.session(context(CUFF))
    session.context.memory.update(memory)
    session.handle(LinkEstablished(at=NOON))
    tell(session, Frame(payload=b"\x05\x02" + bytes(40)))
    tell(session, records_frame())
    tell(session, Frame(payload=b"\x82"))
    assert not session.context.memory


def tell(session, frame, at=NOON):
    return session.handle(ValueReceived(at=at, characteristic=microlife.NOTIFY, data=bytes(frame)))


def written(payload):
    return [WriteValue(characteristic=microlife.WRITE, data=bytes(Frame(payload=payload, to_cuff=True)))]


def test_a_reply_may_come_in_pieces():
    session = DRIVER.session(context(CUFF))
    session.handle(LinkEstablished(at=NOON))
    whole = bytes(Frame(payload=b"\x05\x02" + bytes(40)))
    assert tell(session, whole[:20]) == []
    assert tell(session, whole[20:40]) == []
    assert tell(session, whole[40:]) == written(microlife.GET_RECORDS)


def test_what_is_not_answered_is_asked_for_three_times_and_passed_over():
    session = DRIVER.session(context(CUFF, set_time=False))
    session.handle(LinkEstablished(at=NOON))
    said = [session.handle(TimePassed(at=after(5 * times))) for times in range(1, 7)]
    asked_id, asked_records = written(microlife.GET_ID), written(microlife.GET_RECORDS)
    assert said == [
        asked_id,
        asked_id,
        asked_records,
        asked_records,
        asked_records,
        [*written(microlife.DISCONNECT), CloseLink()],
    ]
    assert session.handle(TimePassed(at=after(60))) == []


def test_a_memory_that_is_no_time_is_as_none():
    memory = {"microlife_clock_set": "yesterday", "microlife_clock_offset_seconds": "0"}
    model = cuff()
    model.measure(NOON - timedelta(hours=5))
    assert times(talk(model, memory))[0] == (True, True)


def test_records_of_other_minutes_keep_the_cuffs_own_time():
    (reading,) = talk(cuff()).readings
    assert reading.device_time == NOON.astimezone(BERLIN).replace(tzinfo=None)


def test_a_payload_that_is_too_long_is_not_encoded():
    with pytest.raises(ValueError, match="payload"):
        bytes(Frame(payload=bytes(microlife.LONGEST_PAYLOAD + 1)))


def test_a_record_holds_no_more_than_a_byte():
    time = DateTime.of(NOON)
    with pytest.raises(ValueError, match="range"):
        bytes(Record(systolic=256, diastolic=80, pulse_rate=70, timestamp=time))
