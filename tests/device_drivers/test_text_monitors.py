"""The conversations with Masimo's and Nellcor's monitors."""

from datetime import timedelta

import pytest

from device_drivers.oximeters.masimo_ascii1 import Exceptions
from device_drivers.oximeters.nellcor_ascii import STATUS_WORDS
from device_drivers.registry import DRIVERS, FORMATS
from device_drivers.sessions import Command, LinkEstablished, ReportRefused, ReportStatus
from simulators.models.model import Body
from simulators.models.text_monitors import MasimoRad8, NellcorN595
from tests.device_drivers.conversation import Conversation
from tests.device_drivers.samples import NOON, OXIMETER, context, discarded, feed, readings
from vitals.parameters import Parameter
from vitals.readings import Quality, Reading, Reason

NOBODY = Body(spo2=None, pulse_rate=None)
RAD8 = "02/22/16 22:47:45 SN=0000056661 SPO2=098% BPM=097 PI=03.60% ALARM=0000 EXC={exc}\r\n"
N595 = "01-Jul-97 14:00:00   {spo2}   {pulse}   50   {status}\r\n"
LIMITS = "NPB-290 VERSION 1.0.0.1 {what} SpO2 Limit: 30-100% PR Limit: 100-180BPM\r\n"


def said(key: str, *lines: str) -> list[Command]:
    session = DRIVERS[key].session(context(OXIMETER))
    session.handle(LinkEstablished(at=NOON))
    return feed(session, *(line.encode() for line in lines))


def masimo(exc: str) -> Reading:
    (reading,) = readings(said("masimo-ascii1", RAD8.format(exc=exc)))
    return reading


def nellcor(spo2: str = "98", pulse: str = "61", status: str = "") -> Reading:
    (reading,) = readings(said("nellcor-ascii", N595.format(spo2=spo2, pulse=pulse, status=status)))
    return reading


@pytest.mark.parametrize(
    ("exc", "reason"),
    [
        ("001", Reason.SENSOR_DISCONNECTED),
        ("002", Reason.SENSOR_FAULT),
        ("008", Reason.SEARCHING),
        ("020", Reason.NO_FINGER),
    ],
)
def test_masimos_exceptions_that_end_a_measurement_take_its_values(exc: str, reason: Reason):
    assert [(value.number, value.reasons) for value in masimo(exc).values] == [(None, (reason,))] * 3


@pytest.mark.parametrize(
    ("exc", "reason"),
    [
        ("004", Reason.LOW_PERFUSION),
        ("010", Reason.ARTIFACT),
        ("040", Reason.ARTIFACT),
        ("080", Reason.SENSOR_FAULT),
        ("400", Reason.WEAK_SIGNAL),
    ],
)
def test_masimos_other_exceptions_put_it_in_doubt(exc: str, reason: Reason):
    reading = masimo(exc)
    assert reading.value(Parameter.SPO2).number == 98
    assert {(value.quality, value.reasons) for value in reading.values} == {(Quality.QUESTIONABLE, (reason,))}


@pytest.mark.parametrize("exc", ["000", "800", "000800", "FFF800", "100", "200"])
def test_what_is_normal_reserved_or_unknown_says_nothing_of_masimos_numbers(exc: str):
    assert {value.quality for value in masimo(exc).values} == {Quality.VALID}


def test_every_exception_of_masimo_is_one_bit():
    assert [int(bit).bit_count() for bit in Exceptions] == [1] * 10


def test_dashes_are_not_measured():
    line = "02/22/16 22:47:45 SN=1 SPO2=---% BPM=--- PI=--.--% EXC=000800\r\n"
    (reading,) = readings(said("masimo-ascii1", line))
    assert [value.reasons for value in reading.values] == [(Reason.NOT_MEASURED,)] * 3


def test_a_trend_of_masimo_is_of_the_past_and_passed_over():
    trend = "09/21/08 09:56:12 SpO2=097 PR=069 PI=04.69 EXC=800:SET\r\n"
    commands = said("masimo-ascii1", trend)
    assert not readings(commands)
    assert [command.reason for command in commands if isinstance(command, ReportRefused)] == ["trend"]


def test_empty_lines_are_no_noise_and_not_kept():
    lines = [RAD8.format(exc="000800"), "\r\n"] * 5
    commands = said("masimo-ascii1", *lines)
    assert discarded(commands) == 0
    assert {reading.raw[:8] for reading in readings(commands)} == {b"02/22/16"}
    assert len(readings(commands)) == 5


def test_a_line_without_its_beginning_is_discarded():
    line = RAD8.format(exc="000800")
    commands = said("masimo-ascii1", line[20:], line)
    assert len(readings(commands)) == 1
    assert discarded(commands) == len(line) - 20 - len("\r\n")


def test_a_line_that_never_ends_is_not_held():
    assert discarded(said("masimo-ascii1", "02/22/16 22:47:45 SN=1" + " SPO2=098%" * 200)) > 1500


@pytest.mark.parametrize(
    ("key", "model", "seconds"), [("masimo-ascii1", MasimoRad8, 60), ("nellcor-ascii", NellcorN595, 120)]
)
def test_a_minute_of_lines_has_no_noise_and_a_reading_in_each(key: str, model, seconds: int):
    conversation = Conversation(driver=DRIVERS[key], model=model(lambda now: Body(spo2=96, pulse_rate=64))).run(seconds)
    assert len(conversation.readings) in (60, 61)
    assert not [command for command in conversation.commands if isinstance(command, ReportRefused)]
    assert all(NOON <= reading.measured <= NOON + timedelta(seconds=seconds) for reading in conversation.readings)
    assert not conversation.sent


@pytest.mark.parametrize(("key", "model"), [("masimo-ascii1", MasimoRad8), ("nellcor-ascii", NellcorN595)])
def test_without_a_finger_nothing_is_measured(key: str, model):
    conversation = Conversation(driver=DRIVERS[key], model=model(lambda now: NOBODY)).run(5)
    assert {value.reasons for reading in conversation.readings for value in reading.values} == {(Reason.NO_FINGER,)}


@pytest.mark.parametrize(
    ("status", "reasons"),
    [
        ("SD", (Reason.SENSOR_DISCONNECTED,)),
        ("SO PS", (Reason.NO_FINGER, Reason.SEARCHING)),
        ("PS", (Reason.SEARCHING,)),
        ("LP", (Reason.NO_PULSE_FOUND,)),
        ("LM", (Reason.NO_PULSE_FOUND, Reason.ARTIFACT)),
        ("MO", (Reason.ARTIFACT,)),
    ],
)
def test_nellcors_status_words_are_reasons(status: str, reasons: tuple[Reason, ...]):
    missing = nellcor("---", "---", status)
    assert [(value.number, value.reasons) for value in missing.values] == [(None, reasons)] * 2
    beside = nellcor(status=status)
    gone = not {"SO", "SD"}.isdisjoint(status.split())
    assert {value.quality for value in beside.values} == {Quality.MISSING if gone else Quality.QUESTIONABLE}
    assert all(value.reasons == reasons for value in beside.values)


@pytest.mark.parametrize("status", ["AO", "AS", "PH", "PL", "SH", "SL", "ZZ", "SL PL AS"])
def test_alarms_and_words_that_nobody_knows_say_nothing_of_nellcors_numbers(status: str):
    assert {value.quality for value in nellcor("79*", "140*", status).values} == {Quality.VALID}


def test_every_status_word_of_nellcor_has_a_meaning():
    assert sorted(STATUS_WORDS) == ["AO", "AS", "LB", "LM", "LP", "MO", "PH", "PL", "PS", "SD", "SH", "SL", "SO"]


def test_nellcors_low_battery_is_a_fault_until_it_is_gone():
    lines = [N595.format(spo2="98", pulse="61", status=status) for status in ("", "LB", "LB", "")]
    reports = [command for command in said("nellcor-ascii", *lines) if isinstance(command, ReportStatus)]
    assert [report.faults for report in reports] == [(), ("low_battery",), ()]


def test_a_trend_of_nellcor_is_passed_over_until_there_are_other_headings():
    line = N595.format(spo2="98", pulse="61", status="")
    live, trend = LIMITS.format(what="CRC: XXXX"), LIMITS.format(what="TREND")
    commands = said("nellcor-ascii", live, line, trend, line, line, live, line)
    assert len(readings(commands)) == 2
    assert [command.reason for command in commands if isinstance(command, ReportRefused)] == ["trend", "trend"]


def test_a_line_of_another_kind_is_discarded():
    assert discarded(said("nellcor-ascii", "Output Complete\r\n", N595.format(spo2="98", pulse="61", status=""))) == 15


@pytest.mark.parametrize(
    ("key", "fields"),
    [
        ("masimo-ascii1", {"serial": "a b"}),
        ("masimo-ascii1", {"spo2": 98, "exc": "000820"}),
        ("masimo-ascii1", {"spo2": 1000}),
        ("masimo-ascii1", {"exc": "8:x y"}),
        ("nellcor-ascii", {"spo2": 1000}),
        ("nellcor-ascii", {"status": ["SOS"]}),
        ("nellcor-ascii", {"timestamp_raw": "1997"}),
        ("nellcor-ascii", {"kind": "weather"}),
    ],
)
def test_what_no_line_says_is_not_encoded(key: str, fields: dict):
    entry = FORMATS[key]
    line = {"masimo-ascii1": RAD8.format(exc="000800"), "nellcor-ascii": N595.format(spo2="98", pulse="61", status="")}[
        key
    ]
    known = entry.fields(entry.decode(line.encode()))
    with pytest.raises(ValueError):  # noqa: PT011 - each says something else
        entry.encode(entry.message_from({**known, **fields}))
