"""Asking a device for its records, and what becomes of its answers."""

from dataclasses import replace

import pytest

from device_drivers import uuids
from device_drivers.errors import Undecodable
from device_drivers.sessions import Command, ReportRefused, WriteValue
from device_drivers.sig.record_access import Code, Op, Operator, RecordAccess, StoredRecords
from tests.device_drivers.samples import NOON, after

ALL = WriteValue(characteristic=uuids.RECORD_ACCESS_CONTROL_POINT, data=bytes.fromhex("0101"))
STOP = WriteValue(characteristic=uuids.RECORD_ACCESS_CONTROL_POINT, data=bytes.fromhex("0300"))


def asked() -> StoredRecords:
    records = StoredRecords()
    assert records.ask(NOON) == ALL
    return records


def answer(records: StoredRecords, hexadecimal: str) -> list[Command]:
    return list(records.answered(after(1), bytes.fromhex(hexadecimal)))


@pytest.mark.parametrize("code", [Code.SUCCESS, Code.NO_RECORDS])
def test_all_records_or_none_is_an_answer_and_nothing_is_waited_for_any_more(code):
    records = asked()
    assert answer(records, f"060001{code:02x}") == []
    assert list(records.tick(after(1000))) == []


@pytest.mark.parametrize("code", [*(code for code in Code if code not in (Code.SUCCESS, Code.NO_RECORDS)), 0, 255])
def test_any_other_answer_is_said(code):
    assert answer(asked(), f"060001{code:02x}") == [ReportRefused(at=after(1), reason="records_not_given", discarded=0)]


@pytest.mark.parametrize("hexadecimal", ["06000301", "06000307", "05000500", "0300", "06000401"])
def test_answers_to_other_requests_change_nothing(hexadecimal):
    records = asked()
    assert answer(records, hexadecimal) == []
    assert list(records.tick(after(30)))[-1] == STOP


@pytest.mark.parametrize("hexadecimal", ["", "06", "060001", "0201", "ff00"])
def test_what_is_no_answer_is_refused(hexadecimal):
    with pytest.raises(Undecodable):
        answer(asked(), hexadecimal)


def test_a_device_that_falls_silent_is_asked_to_stop_once():
    records = asked()
    assert list(records.tick(after(29))) == []
    assert list(records.tick(after(30))) == [
        ReportRefused(at=after(30), reason="records_not_given", discarded=0),
        STOP,
    ]
    assert list(records.tick(after(300))) == []


def test_every_record_that_comes_gives_it_more_time():
    records = asked()
    records.came(after(25))
    assert list(records.tick(after(54))) == []
    assert list(records.tick(after(55)))


def test_a_refused_request_is_said_and_not_waited_for():
    records = asked()
    assert list(records.refused(NOON, ALL)) == [ReportRefused(at=NOON, reason="records_not_given", discarded=0)]
    assert list(records.tick(after(1000))) == []


def test_records_that_come_unasked_start_no_waiting():
    records = StoredRecords()
    records.came(NOON)
    assert list(records.tick(after(1000))) == []
    assert list(records.refused(NOON, STOP)) == []


@pytest.mark.parametrize(
    "message",
    [
        RecordAccess(op=Op.RESPONSE, request=1),
        RecordAccess(op=Op.RESPONSE, code=1),
        RecordAccess(op=Op.COUNT),
        RecordAccess(op=Op.COUNT, count=0x10000),
        RecordAccess(op=Op.REPORT, operator=Operator.AT_LEAST),
        RecordAccess(op=Op.REPORT, operator=Operator.ALL, operand=b"\x01"),
        RecordAccess(op=Op.REPORT, operator=256),
        replace(RecordAccess(op=Op.ABORT), count=1),
    ],
)
def test_parts_that_do_not_belong_together_are_not_encoded(message):
    with pytest.raises(ValueError, match=r"."):
        bytes(message)


def test_no_request_to_delete_can_be_said():
    assert {bytes(RecordAccess(op=op, operator=Operator.ALL))[0] for op in (Op.REPORT, Op.ABORT, Op.REPORT_COUNT)} == {
        1,
        3,
        4,
    }
