"""What is said to Omron's Bluetooth cuffs, and what becomes of what their memory holds."""

from datetime import timedelta

import pytest

from device_drivers.cuffs import omron_ble, omron_frames
from device_drivers.cuffs.omron_frames import FROM_CUFF, READ, TO_CUFF, UNLOCK, Reply
from device_drivers.cuffs.omron_models import MODELS, NAMES, Clock, Unlock
from device_drivers.cuffs.omron_records import HighFirst, LowFirst
from device_drivers.date_time import DateTime
from device_drivers.errors import Undecodable
from device_drivers.registry import DRIVERS
from device_drivers.sessions import (
    Bond,
    CloseLink,
    CommandRefused,
    LinkEstablished,
    ReadValue,
    ReportRefused,
    ReportStatus,
    SubscribeTo,
    TimePassed,
    ValueReceived,
    WriteValue,
)
from simulators.models.model import Body
from simulators.models.omron import OmronCuff
from tests.device_drivers.conversation import Conversation
from tests.device_drivers.samples import CUFF, NOON, after, context
from vitals.parameters import Parameter
from vitals.readings import Reason

DRIVER = DRIVERS["omron-ble"]
KEY = bytes(range(16))
OLD = MODELS["HEM-7322T"]
LIVE = DateTime.of(NOON)
SEEN = Body(systolic=131, diastolic=84, pulse_rate=64)
PRESENT = frozenset({omron_ble.MODEL_NUMBER})


def cuff(model=MODELS["HEM-7142T2"], **options):
    return OmronCuff(lambda now: SEEN, model=model, **options)


def old_cuff(**options):
    return cuff(OLD, key=KEY, **options)


def talk(cuff, memory=None, **options):
    cuff.disconnected()
    options = {"key": KEY.hex(), **options}
    return Conversation(driver=DRIVER, model=cuff, options=options, memory={} if memory is None else memory).run(20)


def faults(conversation):
    return [command.faults for command in conversation.commands if isinstance(command, ReportStatus)]


def record(**fields):
    given = {"systolic": 120, "diastolic": 80, "pulse_rate": 70, "timestamp": LIVE, "sequence": 7, **fields}
    return LowFirst(**given)


def session(**options):
    """One that has been told that it talks with a cuff that needs no unlocking."""
    begun = DRIVER.session(context(CUFF, model="HEM-7146T", **options))
    begun.handle(LinkEstablished(at=NOON))
    return begun


def told(session, reply, at=NOON):
    return list(session.handle(ValueReceived(at=at, characteristic=FROM_CUFF[0], data=bytes(reply))))


def in_block(data):
    """As much memory as is asked for at once; the other slots are empty."""
    return data.ljust(42, b"\xff")


def slots(reply_data, **options):
    """What a session delivers of a block of memory."""
    begun = session(**options)
    told(begun, Reply(type="8000"))
    told(begun, Reply(type=READ, address=0x0294, data=MODELS["HEM-7146T"].clock.encoded(LIVE)))
    return told(begun, Reply(type=READ, address=0x02E8, data=in_block(reply_data)))


def test_the_cuff_says_which_model_it_is_and_is_bonded_subscribed_and_unlocked():
    commands = talk(cuff()).commands
    assert commands[:4] == [
        ReadValue(characteristic=omron_ble.MODEL_NUMBER),
        Bond(),
        SubscribeTo(characteristic=FROM_CUFF[0]),
        SubscribeTo(characteristic=UNLOCK),
    ]
    assert commands[4].characteristic == UNLOCK
    assert commands[4].data[0] == 0x11
    assert commands[5] == WriteValue(characteristic=TO_CUFF[0], data=bytes.fromhex("0800000000100018"))
    assert [command.data for command in commands if isinstance(command, WriteValue)][-1] == omron_frames.end()
    assert commands[-1] == CloseLink()


@pytest.mark.parametrize("name", NAMES)
def test_every_model_is_read_to_the_end(name):
    model = MODELS[name]
    conversation = talk(cuff(model, key=KEY))
    (reading,) = conversation.readings
    assert [value.number for value in reading.values] == [131, 84, 64]
    assert faults(conversation) == [()]
    asked = [data for data in conversation.sent if data[1:3] == b"\x01\x00"]
    read = [(int.from_bytes(data[3:5], "big"), data[5]) for data in asked]
    places = {start + at for start, size in read for at in range(size)}
    assert places >= {start + at for start in model.starts for at in range(model.slots * model.slot_length)}


@pytest.mark.parametrize("name", NAMES)
def test_nothing_that_is_said_is_a_write_to_the_memory(name):
    conversation = talk(cuff(MODELS[name], key=KEY))
    frames = [
        command.data
        for command in conversation.commands
        if isinstance(command, WriteValue) and command.characteristic != UNLOCK
    ]
    assert {frame[1:3].hex() for frame in frames} == {"0000", "0100", "0f00"}


def test_frames_of_older_cuffs_come_in_pieces_of_16_bytes_over_four_channels():
    pieces = omron_frames.pieces(bytes(Reply(type=READ, data=bytes(56))), FROM_CUFF)
    assert [(where, len(piece)) for where, piece in pieces] == [(channel, 16) for channel in FROM_CUFF]
    assembler = omron_frames.Assembler(FROM_CUFF)
    frames = [assembler.receive(channel, piece) for channel, piece in pieces]
    assert frames == [None, None, None, bytes(Reply(type=READ, data=bytes(56)))]


def test_a_frame_that_breaks_off_is_forgotten_when_the_next_begins():
    assembler = omron_frames.Assembler(FROM_CUFF)
    long = omron_frames.pieces(bytes(Reply(type=READ, data=bytes(40))), FROM_CUFF)
    short = bytes(Reply(type="8000"))
    assert assembler.receive(*long[0]) is None
    assert assembler.receive(FROM_CUFF[0], short) == short
    assert assembler.receive(*long[1]) is None


def test_an_older_cuff_is_unlocked_with_its_key():
    conversation = talk(old_cuff())
    assert b"\x01" + KEY in conversation.sent
    assert not any(sent[0] in (0x00, 0x02) and len(sent) == 17 for sent in conversation.sent)


def test_the_records_of_two_users_are_told_apart():
    model = old_cuff()
    model.measure(NOON - timedelta(hours=1), user=2)
    users = [reading.user for reading in talk(model).readings]
    assert sorted(users) == [1, 2]
    assert [reading.user for reading in talk(cuff()).readings] == [None]


def test_a_key_is_written_only_where_the_options_ask_for_it_and_once():
    model, memory = cuff(OLD, pairing=True), {}
    first = talk(model, memory, pair=True)
    assert first.sent[:3] == [b"\x02" + bytes(16), b"\x00" + KEY, b"\x01" + KEY]
    assert first.readings
    again = talk(model, memory, pair=True)
    assert again.sent[0] == b"\x01" + KEY
    assert KEY.hex() not in str(memory)


@pytest.mark.parametrize("reply", [{"data": bytes(28)}, {"data": bytes(42), "status": 1}])
def test_memory_that_is_not_told_whole_is_asked_for_again(reply):
    begun = session()
    told(begun, Reply(type="8000"))
    told(begun, Reply(type=READ, address=0x0294, data=MODELS["HEM-7146T"].clock.encoded(LIVE)))
    assert told(begun, Reply(type=READ, address=0x02E8, **reply)) == []
    request = WriteValue(characteristic=TO_CUFF[0], data=omron_frames.read(0x02E8, 42))
    assert begun.handle(TimePassed(at=after(3))) == [request]


def test_a_cuff_that_was_paired_in_a_forgotten_connection_is_read_though_pairing_is_asked_for():
    conversation = talk(old_cuff(), pair=True)
    assert [sent[0] for sent in conversation.sent[:2]] == [0x02, 0x01]
    assert conversation.readings


def test_a_cuff_that_does_not_show_that_it_pairs_is_left():
    conversation = talk(cuff(OLD), pair=True)
    assert faults(conversation) == [("unlock_refused",)]
    assert conversation.closed


@pytest.mark.parametrize("key", ["", "00", "not hexadecimal", "00" * 17])
def test_an_older_cuff_without_a_key_is_left(key):
    conversation = talk(old_cuff(), key=key)
    assert faults(conversation) == [("no_pairing_key",)]
    assert conversation.closed
    assert not conversation.sent


def test_a_cuff_with_another_key_is_left():
    conversation = talk(old_cuff(), key="ff" * 16)
    assert faults(conversation) == [("unlock_refused",)]
    assert not conversation.readings


@pytest.mark.parametrize("name", ["HEM-7155T_ESL1", "HEM-9999T", "hem-7322t"])
def test_a_model_whose_memory_nobody_has_described_is_refused(name):
    conversation = talk(old_cuff(), model=name)
    assert faults(conversation) == [("unknown_model",)]
    assert conversation.closed
    assert not conversation.sent


def test_a_cuff_that_does_not_say_its_model_is_refused_unless_the_options_do():
    begun = DRIVER.session(context(CUFF))
    assert begun.handle(LinkEstablished(at=NOON)) == [
        ReportStatus(at=NOON, faults=("unknown_model",)),
        CloseLink(),
    ]
    silent = DRIVER.session(context(CUFF))
    (asked,) = silent.handle(LinkEstablished(at=NOON, characteristics=PRESENT))
    refused = silent.handle(CommandRefused(at=NOON, command=asked, reason="it can't be read"))
    assert refused[0] == ReportStatus(at=NOON, faults=("unknown_model",))
    assert talk(old_cuff(), model="HEM-7322T-D").readings


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(days=-400), timedelta(hours=5)])
@pytest.mark.parametrize("name", ["HEM-7322T", "HEM-6232T", "HEM-7361T", "HEM-7142T2"])
def test_a_stored_record_is_placed_by_the_clock_that_was_read(name, ahead):
    model = cuff(MODELS[name], key=KEY, ahead=ahead)
    model.measure(NOON - timedelta(hours=3))
    stored, live = talk(model).readings
    assert (stored.measured, stored.stored, stored.time_uncertain) == (NOON - timedelta(hours=3), True, False)
    assert (live.stored, live.time_uncertain) == (False, False)
    assert live.device_time == (NOON + ahead).replace(tzinfo=None)


def test_without_a_clock_a_stored_record_has_an_uncertain_time():
    model = cuff(MODELS["HEM-7530T"], key=KEY)
    model.measure(NOON - timedelta(hours=3))
    stored, _ = talk(model).readings
    assert (stored.stored, stored.time_uncertain) == (True, True)


def test_a_clock_that_was_never_set_places_nothing():
    begun = session()
    told(begun, Reply(type="8000"))
    told(begun, Reply(type=READ, address=0x0294, data=b"\xff" * 6))
    (delivered, _) = told(
        begun,
        Reply(
            type=READ, address=0x02E8, data=in_block(bytes(record(timestamp=DateTime.of(NOON - timedelta(hours=9)))))
        ),
    )
    (reading,) = delivered.readings
    assert reading.time_uncertain


def test_clocks_are_read_in_either_byte_order():
    """Captured: hass-omron, tests/test_eeprom_time.py and issue 38."""
    assert str(Clock(address=0).time(bytes.fromhex("1a06120e3509"))) == "2026-06-18T14:53:09"
    assert str(Clock(address=0, high_first=True).time(bytes.fromhex("051a080e211d"))) == "2026-05-14T08:29:33"


def test_the_record_number_stays_with_the_reading_and_the_slot_as_raw():
    (delivered, _) = slots(bytes(record(sequence=1234)))
    (reading,) = delivered.readings
    assert (reading.record, reading.raw) == (1234, bytes(record(sequence=1234)))


@pytest.mark.parametrize(
    ("fields", "reasons"),
    [
        ({}, ()),
        ({"ihb": 1}, (Reason.IRREGULAR_PULSE,)),
        ({"mov": 1}, (Reason.MOTION,)),
        ({"cuff": 0}, (Reason.CUFF_LOOSE,)),
        ({"bit13": 1}, ()),
        ({"position": 2}, ()),
    ],
)
def test_what_the_cuff_remarks_stays_with_every_number(fields, reasons):
    (delivered, _) = slots(bytes(record(**fields)))
    (reading,) = delivered.readings
    assert {value.reasons for value in reading.values} == {reasons}


def test_the_position_counts_only_where_unverified_facts_are_asked_for():
    (delivered, _) = slots(bytes(record(position=1)), unverified=True)
    assert delivered.readings[0].values[0].reasons == (Reason.IMPROPER_POSITION,)


def test_a_number_of_0_was_not_measured():
    (delivered, _) = slots(bytes(record(diastolic=0, pulse_rate=0)))
    (reading,) = delivered.readings
    assert reading.value(Parameter.DIASTOLIC).reasons == (Reason.MEASUREMENT_FAILED,)
    assert reading.value(Parameter.CUFF_PULSE_RATE).number is None


def test_empty_slots_are_nothing_and_senseless_ones_are_reported():
    empty, senseless = b"\xff" * 14, bytes(record())[:4] + b"\0\0" + bytes(record())[6:]
    refused, delivered, _ = slots(empty + senseless + bytes(record()))
    assert refused == ReportRefused(at=NOON, reason="impossible_date", discarded=14)
    assert len(delivered.readings) == 1


def test_what_is_not_answered_is_asked_for_again_and_then_given_up():
    begun = session()
    assert begun.handle(TimePassed(at=after(1))) == []
    again = [begun.handle(TimePassed(at=after(2 * times))) for times in range(1, 5)]
    request = WriteValue(characteristic=TO_CUFF[0], data=omron_frames.begin())
    assert again == [[request]] * 4
    assert begun.handle(TimePassed(at=after(10))) == [ReportStatus(at=after(10), faults=("no_answer",)), CloseLink()]
    assert begun.handle(TimePassed(at=after(20))) == []


def test_a_clock_that_is_not_told_is_passed_over():
    begun = session()
    told(begun, Reply(type="8000"))
    said = [begun.handle(TimePassed(at=after(2 * times))) for times in range(1, 6)]
    assert said[-1] == [WriteValue(characteristic=TO_CUFF[0], data=omron_frames.read(0x02E8, 42))]


def test_a_damaged_frame_is_refused_and_asked_for_again():
    begun = session()
    damaged = bytes(Reply(type="8000"))[:-1] + b"\x00"
    assert told(begun, damaged) == [ReportRefused(at=NOON, reason="checksum", discarded=8)]
    assert begun.handle(TimePassed(at=after(3)))


def test_a_reply_to_an_earlier_question_is_ignored():
    begun = session()
    told(begun, Reply(type="8000"))
    assert told(begun, Reply(type=READ, address=0x9999, data=bytes(14))) == []
    assert told(begun, Reply(type="8000")) == []


def test_a_cuff_that_refuses_is_left():
    begun = session()
    assert told(begun, Reply(type="8f00", status=3)) == [
        ReportStatus(at=NOON, faults=("refused_by_device",)),
        CloseLink(),
    ]


def test_what_the_cuff_says_of_unlocking_before_it_is_asked_is_ignored():
    silent = DRIVER.session(context(CUFF))
    silent.handle(LinkEstablished(at=NOON, characteristics=PRESENT))
    assert silent.handle(ValueReceived(at=NOON, characteristic=UNLOCK, data=bytes(14))) == []
    begun = session()
    assert begun.handle(ValueReceived(at=NOON, characteristic=UNLOCK, data=b"\x81\x01")) == []


def test_only_requests_that_read_can_be_built():
    for request in (omron_frames.begin(), omron_frames.read(0, 14), omron_frames.end()):
        with pytest.raises(Undecodable):
            Reply.from_bytes(request)
    with pytest.raises(ValueError, match="type"):
        bytes(Reply(type="01c0"))


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"systolic": 24}, "systolic"),
        ({"systolic": 251}, "systolic"),
        ({"diastolic": 256}, "diastolic"),
        ({"position": 4}, "position"),
        ({"timestamp": DateTime.parse("2064-01-01T00:00:00")}, "the year"),
        ({"timestamp": DateTime.parse("2026-02-30T00:00:00")}, "timestamp"),
        ({"sequence": 65536}, "sequence"),
    ],
)
def test_what_a_record_can_not_say_is_not_encoded(fields, named):
    with pytest.raises(ValueError, match=named):
        bytes(record(**fields))


def test_older_records_have_no_number_that_is_known():
    (number,) = HighFirst.words.unpack(bytes(HighFirst(systolic=120, diastolic=80, pulse_rate=70, timestamp=LIVE)))[5:6]
    assert number == 0
    with pytest.raises(ValueError, match="sequence"):
        bytes(HighFirst(systolic=120, diastolic=80, pulse_rate=70, timestamp=LIVE, sequence=1))


def test_every_model_that_needs_a_key_has_four_channels():
    assert {model.channels for model in MODELS.values() if model.unlock is Unlock.KEY} == {4}
    assert {model.channels for model in MODELS.values() if model.unlock is not Unlock.KEY} == {1}
