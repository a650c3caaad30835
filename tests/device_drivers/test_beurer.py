"""How Beurer's cuffs are asked for what they have stored, and what becomes of it."""

from collections import deque
from datetime import datetime, timedelta

import pytest

from device_drivers.cuffs.beurer import ASK_AGAIN_AFTER, REMEMBERED
from device_drivers.cuffs.beurer_records import HidRecord, SerialRecord
from device_drivers.date_time import DateTime
from device_drivers.registry import DRIVERS, drivers_on
from device_drivers.sessions import (
    BytesReceived,
    CloseLink,
    Command,
    LinkEstablished,
    ReportRefused,
    ReportStatus,
    SendBytes,
    SessionContext,
    TimePassed,
)
from simulators.models.beurer import BM65
from simulators.models.model import Body
from tests.device_drivers.conversation import Conversation
from tests.device_drivers.samples import BERLIN, CUFF, NOON, after, readings
from vitals.parameters import Parameter
from vitals.readings import Quality, Reading, Reason

LOCAL_NOON = NOON.astimezone(BERLIN).replace(tzinfo=None)
NUMBERS = {"systolic": 123, "diastolic": 77, "pulse_rate": 66}
HID, SERIAL = "beurer-bm58", "beurer-bm65"
SILENCE = b""


def taken(ago: timedelta = timedelta(hours=3)) -> DateTime:
    return DateTime.of((LOCAL_NOON - ago).replace(second=0))


def padded(*words: int) -> bytes:
    return bytes(words).ljust(8, b"\xf4")


class Cuff:
    """Answers to each word of the host with the next of `answers`."""

    def __init__(self, key: str, *answers: bytes, memory: dict[str, str] | None = None, **options: bool) -> None:
        self.answers = deque(answers)
        self.sent: list[bytes] = []
        self.commands: list[Command] = []
        self.seconds = 0.0
        context = SessionContext(device=CUFF, zone=BERLIN, options=options, memory={} if memory is None else memory)
        self.session = DRIVERS[key].session(context)
        self.perform(self.session.handle(LinkEstablished(at=NOON)))

    def perform(self, commands: list[Command]) -> None:
        for command in commands:
            self.commands.append(command)
            if isinstance(command, SendBytes):
                self.sent.append(command.data)
                self.answer()

    def answer(self) -> None:
        if self.answers and (data := self.answers.popleft()):
            self.hear(data)

    def hear(self, data: bytes) -> None:
        self.perform(self.session.handle(BytesReceived(at=after(self.seconds), data=data)))

    def wait(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            self.seconds += 1
            self.perform(self.session.handle(TimePassed(at=after(self.seconds))))

    @property
    def readings(self) -> list[Reading]:
        return readings(self.commands)

    @property
    def refused(self) -> list[str]:
        return [command.reason for command in self.commands if isinstance(command, ReportRefused)]

    @property
    def faults(self) -> list[tuple[str, ...]]:
        return [command.faults for command in self.commands if isinstance(command, ReportStatus)]


def hid(*records: HidRecord, **options: bool) -> Cuff:
    return Cuff(HID, padded(0x55), padded(len(records)), *map(bytes, records), **options)


def serial(*records: SerialRecord, memory: dict[str, str] | None = None) -> Cuff:
    return Cuff(SERIAL, b"\x55", bytes((len(records),)), *map(bytes, records), memory=memory)


def test_all_records_over_hid_are_fetched_and_the_conversation_is_ended():
    cuff = hid(HidRecord(**NUMBERS, timestamp=taken()), HidRecord(**NUMBERS, timestamp=taken(), user=2))
    assert cuff.sent == [padded(0xAA), padded(0xA2), padded(0xA3, 1), padded(0xA3, 2), padded(0xF7)]
    assert cuff.commands[-1] == CloseLink()
    assert [reading.user for reading in cuff.readings] == [1, 2]


def test_all_records_over_a_serial_line_are_fetched_and_the_line_is_kept():
    cuff = serial(SerialRecord(**NUMBERS, timestamp=taken()))
    assert cuff.sent == [b"\xaa", b"\xa2", b"\xa3\x01"]
    assert CloseLink() not in cuff.commands
    (reading,) = cuff.readings
    assert {value.parameter: value.number for value in reading.values} == {
        Parameter.SYSTOLIC: 123,
        Parameter.DIASTOLIC: 77,
        Parameter.CUFF_PULSE_RATE: 66,
    }


def test_a_cuff_that_has_stored_nothing_is_left_alone():
    assert hid().sent == [padded(0xAA), padded(0xA2), padded(0xF7)]


def test_a_stored_record_has_an_uncertain_time_and_the_cuffs_own_beside_it():
    (reading,) = serial(SerialRecord(**NUMBERS, timestamp=taken())).readings
    assert (reading.stored, reading.time_uncertain, reading.measured) == (True, True, NOON)
    assert reading.device_time == LOCAL_NOON - timedelta(hours=3)


def test_a_record_of_this_minute_is_live():
    (reading,) = serial(SerialRecord(**NUMBERS, timestamp=taken(timedelta(0)))).readings
    assert (reading.stored, reading.time_uncertain, reading.measured) == (False, False, NOON)


def test_a_record_has_no_number_for_the_cuff_counts_from_the_newest():
    """Else the hub would take it for another one after each measurement."""
    (first,) = serial(SerialRecord(**NUMBERS, timestamp=taken())).readings
    newer = SerialRecord(**NUMBERS, timestamp=taken(timedelta(hours=1)))
    _, second = serial(newer, SerialRecord(**NUMBERS, timestamp=taken())).readings
    identities = {(reading.record, reading.device_time, reading.raw) for reading in (first, second)}
    assert len(identities) == 1


def test_a_date_that_does_not_exist_makes_the_time_uncertain():
    (reading,) = serial(SerialRecord(**NUMBERS, timestamp=DateTime.of(datetime(2000, 1, 1)))).readings
    assert reading.time_uncertain
    unset = DateTime(year=2000, month=0, day=0, hour=0, minute=0, second=0)
    (reading,) = serial(SerialRecord(**NUMBERS, timestamp=unset)).readings
    assert (reading.stored, reading.time_uncertain, reading.device_time) == (True, True, None)


def test_a_record_without_a_date_is_delivered_once_in_all():
    unset = SerialRecord(**NUMBERS, timestamp=DateTime(year=2000, month=0, day=0, hour=0, minute=0, second=0))
    memory: dict[str, str] = {}
    assert len(serial(unset, memory=memory).readings) == 1
    assert serial(unset, memory=memory).readings == []


def test_no_more_records_without_a_date_are_remembered_than_a_cuff_holds():
    memory: dict[str, str] = {}
    time = DateTime(year=2000, month=0, day=0, hour=0, minute=0, second=0)
    for pulse in range(50, 250):
        serial(SerialRecord(**{**NUMBERS, "pulse_rate": pulse}, timestamp=time), memory=memory)
    assert len(memory["undated"].split()) == REMEMBERED


@pytest.mark.parametrize(
    ("said", "options", "reasons"),
    [
        ({}, {}, ()),
        ({"arrhythmia": True}, {}, (Reason.IRREGULAR_PULSE,)),
        ({"movement": True}, {}, ()),
        ({"movement": True}, {"bm55": True}, (Reason.MOTION,)),
        ({"movement": True, "arrhythmia": True}, {"bm55": True}, (Reason.IRREGULAR_PULSE, Reason.MOTION)),
    ],
)
def test_what_a_record_says_of_the_pulse_and_the_arm_stays_with_its_numbers(said, options, reasons):
    """Only a BM55 says whether the arm moved."""
    (reading,) = hid(HidRecord(**NUMBERS, timestamp=taken(), **said), **options).readings
    assert {value.reasons for value in reading.values} == {reasons}
    assert {value.quality for value in reading.values} == {Quality.QUESTIONABLE if reasons else Quality.VALID}


def test_a_pulse_of_zero_was_not_found():
    (reading,) = hid(HidRecord(**{**NUMBERS, "pulse_rate": 0}, timestamp=taken())).readings
    pulse = reading.value(Parameter.CUFF_PULSE_RATE)
    assert pulse is not None
    assert (pulse.number, pulse.reasons) == (None, (Reason.MEASUREMENT_FAILED,))


def test_a_high_pressure_over_hid_is_not_taken_for_the_answer_that_there_is_no_record():
    """Both begin with A9: 194 mmHg less 25."""
    cuff = Cuff(
        HID, padded(0x55), padded(2), bytes(HidRecord(**{**NUMBERS, "systolic": 194}, timestamp=taken())), padded(0xA9)
    )
    (reading,) = cuff.readings
    systolic = reading.value(Parameter.SYSTOLIC)
    assert systolic is not None
    assert systolic.number == 194
    assert cuff.refused == ["no_such_record"]


def test_a_record_that_has_gone_does_not_stop_the_others():
    record = bytes(SerialRecord(**NUMBERS, timestamp=taken()))
    cuff = Cuff(SERIAL, b"\x55", b"\x02", b"\xa9", record)
    assert len(cuff.readings) == 1
    assert cuff.refused == ["no_such_record"]


def test_a_record_with_another_first_byte_is_refused():
    cuff = serial(SerialRecord(**NUMBERS, timestamp=taken(), header=0x31))
    assert (cuff.readings, cuff.refused) == ([], ["unknown_header"])


def test_a_record_that_noise_has_shifted_is_refused():
    """Without it each number would stand in its neighbour's place, and the diastolic pressure be the systolic one."""
    record = bytes(SerialRecord(**NUMBERS, timestamp=taken()))
    for place in range(1, 5):
        cuff = Cuff(SERIAL, b"\x55", b"\x01", record[:place] + b"\x33" + record[place:])
        assert (cuff.readings, cuff.refused) == ([], ["unasked", "impossible_date"])


@pytest.mark.parametrize(("empty", "reason"), [(bytes(8), "no_such_record"), (b"\xff" * 8, "impossible_date")])
def test_an_empty_report_is_no_record(empty, reason):
    cuff = Cuff(HID, padded(0x55), padded(1), empty)
    assert (cuff.readings, cuff.refused) == ([], [reason])


def test_every_way_to_cut_an_answer_gives_the_same_readings():
    record = bytes(SerialRecord(**NUMBERS, timestamp=taken()))
    whole = serial(SerialRecord(**NUMBERS, timestamp=taken())).readings
    for cut in range(1, len(record)):
        cuff = Cuff(SERIAL, b"\x55", b"\x01")
        cuff.hear(record[:cut])
        cuff.hear(record[cut:])
        assert cuff.readings == whole


def test_a_cuff_that_does_not_answer_is_asked_three_times_and_then_again_after_a_while():
    cuff = Cuff(SERIAL)
    cuff.wait(6)
    assert cuff.sent == [b"\xaa"] * 3
    assert cuff.faults == [("not_answering",)]
    cuff.answers.extend([b"\x55", b"\x00"])
    cuff.wait(ASK_AGAIN_AFTER.total_seconds())
    assert cuff.sent == [b"\xaa"] * 4 + [b"\xa2"]
    assert cuff.faults == [("not_answering",), ()]


def test_an_answer_that_stops_in_the_middle_is_asked_for_again():
    record = bytes(SerialRecord(**NUMBERS, timestamp=taken()))
    cuff = Cuff(SERIAL, b"\x55", b"\x01", record[:4], record)
    cuff.wait(2)
    assert cuff.sent == [b"\xaa", b"\xa2", b"\xa3\x01", b"\xa3\x01"]
    assert (len(cuff.readings), cuff.refused) == (1, ["truncated"])


def test_noise_before_the_first_answer_is_refused():
    cuff = Cuff(SERIAL, b"\x00", SILENCE)
    cuff.answers.appendleft(b"\x00")
    cuff.hear(b"\x55")
    assert cuff.sent[:2] == [b"\xaa", b"\xa2"]
    assert "not_an_answer" in cuff.refused


def test_what_nobody_asked_for_is_refused():
    cuff = serial()
    cuff.hear(b"\xac\x01\x02")
    assert cuff.refused == ["unasked"]


def test_a_cuff_on_a_line_is_asked_again_and_delivers_what_was_added():
    old = SerialRecord(**NUMBERS, timestamp=taken())
    new = SerialRecord(**{**NUMBERS, "systolic": 140}, timestamp=taken(timedelta(hours=1)))
    cuff = serial(old)
    cuff.answers.extend([b"\x55", b"\x02", bytes(new), bytes(old)])
    cuff.wait(ASK_AGAIN_AFTER.total_seconds())
    systolic = [reading.value(Parameter.SYSTOLIC) for reading in cuff.readings]
    assert [value and value.number for value in systolic] == [123, 140]


def test_a_cuff_with_a_hid_plug_is_known_by_its_usb_ids_and_a_common_bridge_is_not():
    (bridge_free,) = DRIVERS[HID].usb
    assert [driver.key for driver in drivers_on(bridge_free)] == [HID]
    assert not DRIVERS[SERIAL].usb


def test_a_simulated_cuff_is_read():
    model = BM65(lambda now: Body())
    conversation = Conversation(driver=DRIVERS[SERIAL], model=model, now=after(17.25)).run(seconds=2)
    assert len(conversation.readings) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"systolic": 24},
        {"systolic": 281},
        {"pulse_rate": 256},
        {"timestamp": DateTime.of(datetime(1999, 1, 1))},
        {"timestamp": DateTime.of(datetime(2026, 1, 1, 1, 1, 1))},
    ],
)
@pytest.mark.parametrize("kind", [HidRecord, SerialRecord])
def test_what_the_format_has_no_room_for_can_not_be_said(kind, wrong):
    with pytest.raises(ValueError, match=r"."):
        bytes(kind(**{**NUMBERS, "timestamp": taken(), **wrong}))
