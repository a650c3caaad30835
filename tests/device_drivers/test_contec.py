"""What Contec's oximeters say live when they have no number, and what their sessions say to them."""

from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from device_drivers.framing import IN_A_ROW
from device_drivers.oximeters import contec_cms50 as cms50
from device_drivers.oximeters import contec_cms50d_bt as bt
from device_drivers.oximeters import contec_v7_packets as v7
from device_drivers.oximeters import contec_v7_replies as replies
from device_drivers.oximeters.contec_v7_packets import ControlCommand, HostCommand
from device_drivers.registry import DRIVERS, FORMATS
from device_drivers.sessions import (
    Command,
    LinkEstablished,
    ReportStatus,
    SendBytes,
    SubscribeTo,
    TimePassed,
    ValueReceived,
    WriteValue,
)
from tests.device_drivers.families.contec import live_cms50, live_v7, measurement_bt
from tests.device_drivers.nonin_talk import chunks, reasons, sent, started, statuses
from tests.device_drivers.samples import NOON, OXIMETER, after, context, feed, readings
from vitals.parameters import Parameter
from vitals.readings import Quality, Reason

NOTHING = {
    "spo2": None,
    "pulse_rate": None,
    "perfusion_index": None,
    "waveform": 64,
    "bargraph": 0,
    "signal_strength": 0,
}
OLD_NOTHING = {"spo2": None, "pulse_rate": None, "pleth": 0, "bargraph": 0, "signal_strength": 0}
START_LIVE = bytes.fromhex("7d81a1808080808080")
KEEP_ALIVE = bytes.fromhex("7d81af808080808080")


def commands_of(said: list[Command]) -> list[ControlCommand]:
    """What was said to a device of V7.0."""
    return [HostCommand.from_bytes(data).command for data in sent(said)]


def answers(session, *packets: object, at=NOON) -> list[Command]:
    return feed(session, *(bytes(packet) for packet in packets), at=at)


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ({"probe_error": True}, Reason.NO_FINGER),
        ({"searching": True}, Reason.SEARCHING),
        ({"search_too_long": True}, Reason.NO_PULSE_FOUND),
        ({}, Reason.NOT_MEASURED),
    ],
)
def test_a_live_packet_without_numbers_says_why(flags, reason):
    (reading,) = readings(answers(started("contec-v7"), v7.LivePacket(**NOTHING, **flags)))
    assert reasons(reading) == (reason,)
    assert all(value.number is None for value in reading.values)


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ({"finger_out": True}, Reason.NO_FINGER),
        ({"probe_error": True, "searching": True}, Reason.NO_FINGER),
        ({"searching": True}, Reason.SEARCHING),
        ({}, Reason.NOT_MEASURED),
    ],
)
def test_an_old_frame_without_numbers_says_why(flags, reason):
    packet = cms50.LivePacket(**OLD_NOTHING, **flags)
    (reading,) = readings(answers(started("contec-cms50-old"), *[packet] * IN_A_ROW))
    assert reasons(reading) == (reason,)
    assert all(value.number is None for value in reading.values)


def test_numbers_that_are_shown_without_a_finger_are_not_the_patients():
    new = v7.LivePacket(**{**NOTHING, "spo2": 97, "pulse_rate": 70}, probe_error=True)
    old = cms50.LivePacket(**{**OLD_NOTHING, "spo2": 97, "pulse_rate": 70}, finger_out=True)
    for packet in (new, old):
        assert all(value.number is None for value in packet.reading(OXIMETER, raw=b"", at=NOON).values)


def test_a_zero_is_never_a_number():
    new = v7.LivePacket(**{**NOTHING, "spo2": 0, "pulse_rate": 0}).reading(OXIMETER, raw=b"", at=NOON)
    old = cms50.LivePacket(**{**OLD_NOTHING, "spo2": 0, "pulse_rate": 0}).reading(OXIMETER, raw=b"", at=NOON)
    radio = bt.Values(status=4, pulse_rate=0, spo2=0).reading(OXIMETER, raw=b"", at=NOON, unverified=True)
    for reading in (new, old, radio):
        assert all(value.number is None and value.quality is Quality.MISSING for value in reading.values)


def test_a_number_while_a_pulse_is_searched_is_in_doubt():
    new = v7.LivePacket(**{**NOTHING, "spo2": 97, "pulse_rate": 70}, searching=True)
    old = cms50.LivePacket(**{**OLD_NOTHING, "spo2": 97, "pulse_rate": 70}, searching=True)
    for packet in (new, old):
        spo2 = packet.reading(OXIMETER, raw=b"", at=NOON).value(Parameter.SPO2)
        assert (spo2.number, spo2.quality, spo2.reasons) == (Decimal(97), Quality.QUESTIONABLE, (Reason.SEARCHING,))


def test_a_number_after_a_search_that_took_too_long_is_in_doubt():
    packet = v7.LivePacket(**{**NOTHING, "spo2": 97, "pulse_rate": 70}, search_too_long=True)
    spo2 = packet.reading(OXIMETER, raw=b"", at=NOON).value(Parameter.SPO2)
    assert (spo2.quality, spo2.reasons) == (Quality.QUESTIONABLE, (Reason.NO_PULSE_FOUND,))


def test_a_dropping_spo2_is_no_doubt():
    packet = cms50.LivePacket(**{**OLD_NOTHING, "spo2": 82, "pulse_rate": 70}, dropping_spo2=True)
    spo2 = packet.reading(OXIMETER, raw=b"", at=NOON).value(Parameter.SPO2)
    assert (spo2.number, spo2.quality) == (Decimal(82), Quality.VALID)


def test_the_waveform_without_a_finger_is_none():
    session = started("contec-v7")
    frames = [bytes(v7.LivePacket(**{**NOTHING, "waveform": 100}))] * 20
    frames += [bytes(v7.LivePacket(**NOTHING, probe_error=True))] * 10
    (chunk,) = chunks(feed(session, *frames))
    assert (chunk.rate_hz, chunk.low, chunk.high) == (60, 0, 127)
    assert chunk.samples == (*[100] * 20, *[None] * 10)
    (old,) = chunks(feed(started("contec-cms50-old"), *[live_cms50(97)] * 30))
    assert old.samples == (50,) * 30


def test_live_packets_are_asked_for_first_and_questions_one_at_a_time_while_they_come():
    session = DRIVERS["contec-v7"].session(context())
    assert sent(session.handle(LinkEstablished(at=NOON))) == [START_LIVE]
    assert commands_of(feed(session, live_v7(97))) == [ControlCommand.ASK_DEVICE_ID]
    assert commands_of(answers(session, replies.DeviceId(identity="A1"))) == [ControlCommand.ASK_PERFUSION_SUPPORT]
    assert commands_of(answers(session, replies.PerfusionFlag(identifier=0))) == [ControlCommand.SET_DATE]


def test_the_date_is_set_before_the_time_and_both_in_the_devices_zone():
    session = started("contec-v7")
    feed(session, live_v7(97))
    answers(session, replies.DeviceId(identity="A1"))
    date = answers(session, replies.PerfusionFlag(identifier=0))
    time = answers(session, replies.Feedback(command=ControlCommand.SET_DATE, reason=0), at=after(1))
    (set_date,), (set_time,) = sent(date), sent(time)
    assert HostCommand.from_bytes(set_date).arguments == (20, 26, 11, 23, 1, 0)  # a Monday
    assert HostCommand.from_bytes(set_time).arguments == (13, 0, 1, 0, 0, 0)  # Berlin
    assert not answers(session, replies.Feedback(command=ControlCommand.SET_TIME, reason=0))


def test_a_clock_that_is_set_at_midnight_is_set_again():
    """The date would be that of the day before."""
    session = started("contec-v7")
    before = after(10 * 3600 + 59 * 60 + 59)
    feed(session, live_v7(97), at=before)
    answers(session, replies.DeviceId(identity="A1"), at=before)
    answers(session, replies.PerfusionFlag(identifier=0), at=before)
    midnight = before + timedelta(seconds=1)
    answers(session, replies.Feedback(command=ControlCommand.SET_DATE, reason=0), at=midnight)
    (again,) = sent(answers(session, replies.Feedback(command=ControlCommand.SET_TIME, reason=0), at=midnight))
    assert HostCommand.from_bytes(again) == HostCommand(
        command=ControlCommand.SET_DATE, arguments=(20, 26, 11, 24, 2, 0)
    )


@pytest.mark.parametrize("reason", [replies.UNSUPPORTED, 3])
def test_a_clock_that_can_not_be_set_is_no_fault(reason):
    session = started("contec-v7")
    feed(session, live_v7(97))
    answers(session, replies.DeviceId(identity="A1"), replies.PerfusionFlag(identifier=0))
    assert not answers(session, replies.Feedback(command=ControlCommand.SET_DATE, reason=reason))


def test_the_clock_is_left_alone_where_the_option_says_so():
    session = started("contec-v7", set_time=False)
    feed(session, live_v7(97))
    assert not sent(answers(session, replies.DeviceId(identity="A1"), replies.PerfusionFlag(identifier=0)))[1:]


def test_questions_that_nobody_answers_hold_nothing_up():
    session = started("contec-v7")
    said = []
    for second in range(1, 20):
        said += feed(session, live_v7(97), at=after(second - 0.5))
        said += session.handle(TimePassed(at=after(second)))
    asked = [command for command in commands_of(said) if command is not ControlCommand.KEEP_ALIVE]
    assert asked == [ControlCommand.ASK_DEVICE_ID, ControlCommand.ASK_PERFUSION_SUPPORT, ControlCommand.SET_DATE]
    assert len(readings(said)) == 19


def test_an_oximeter_without_a_perfusion_index_says_nothing_of_it():
    session = started("contec-v7")
    (before,) = readings(feed(session, live_v7(97)))
    answers(session, replies.DeviceId(identity="A1"), replies.PerfusionFlag(identifier=1))
    (later,) = readings(feed(session, live_v7(97), at=after(1)))
    assert before.value(Parameter.PERFUSION_INDEX).number == Decimal("2.5")
    assert later.value(Parameter.PERFUSION_INDEX) is None


def test_a_contec_is_kept_awake():
    session = started("contec-v7", set_time=False)
    feed(session, live_v7(97))
    answers(session, replies.DeviceId(identity="A1"), replies.PerfusionFlag(identifier=0))
    said = []
    for passed in range(1, 21):
        feed(session, live_v7(95), at=after(passed))
        said += [(passed, command) for command in session.handle(TimePassed(at=after(passed)))]
    assert [command for _, command in said] == [SendBytes(data=KEEP_ALIVE)] * 6
    gaps = [later - earlier for (earlier, _), (later, _) in pairwise(said)]
    assert max(timedelta(seconds=gap) for gap in gaps) <= timedelta(seconds=4)


def test_a_contec_that_fell_silent_is_asked_again():
    session = started("contec-v7", set_time=False)
    said = [command for second in range(1, 13) for command in session.handle(TimePassed(at=after(second)))]
    assert START_LIVE in sent(said)
    assert KEEP_ALIVE not in sent(said)


@pytest.mark.parametrize(
    ("packet", "faults"),
    [
        (replies.Feedback(command=0xA1, reason=0), []),
        (replies.Feedback(command=0xA1, reason=3), [("recording",)]),
        (replies.Feedback(command=0xA1, reason=0xFF), [("refused_by_device",)]),
        (replies.Feedback(command=0xA2, reason=1), [("shut_down",)]),
        (replies.Disconnect(reason=0), [("disconnected_by_device",)]),
    ],
)
def test_a_contec_that_refuses_or_leaves_says_why(packet, faults):
    assert statuses(answers(started("contec-v7"), packet)) == faults


def test_live_packets_end_a_fault():
    session = started("contec-v7")
    answers(session, replies.Feedback(command=0xA1, reason=3))
    said = [command for command in feed(session, live_v7(95), live_v7(95)) if isinstance(command, ReportStatus)]
    assert said == [ReportStatus(at=NOON)]


def test_a_transfer_that_an_earlier_connection_began_is_stopped():
    session = started("contec-v7")
    sample = replies.Sample(spo2=97, pulse_rate=70)
    stored = replies.Stored(samples=(sample,) * 3)
    said = answers(session, *[stored] * 20, at=after(2))
    assert commands_of(said) == [ControlCommand.STOP_STORED]
    assert not readings(said)


@pytest.mark.parametrize("code", [0xAE, 0xA0, 0xB3, 0x00])
def test_a_command_that_is_none_of_ours_can_not_be_said(code):
    """Among them the one that deletes recordings."""
    with pytest.raises(ValueError, match=f"{code} is not a valid ControlCommand"):
        FORMATS["cms50-v7-cmd"].message_from({"command": code})


@pytest.mark.parametrize(
    "said",
    [
        v7.LivePacket(**{**NOTHING, "spo2": 127}),
        v7.LivePacket(**{**NOTHING, "pulse_rate": 255}),
        v7.LivePacket(**{**NOTHING, "waveform": 128}),
        v7.LivePacket(**{**NOTHING, "perfusion_index": Decimal("2.505")}),
        v7.LivePacket(**{**NOTHING, "perfusion_index": Decimal("655.35")}),
        HostCommand(command=ControlCommand.START_LIVE, arguments=(0,) * 7),
        HostCommand(command=ControlCommand.START_LIVE, arguments=(256,)),
        replies.DeviceId(identity="12345678"),
        replies.User(user=0, name="a\0b"),
        replies.StartDate(user=0, segment=0, year=25600, month=1, day=1),
        replies.StoredLength(user=0, segment=0, length_bytes=1 << 32),
        replies.Stored(samples=()),
        replies.Stored(samples=(replies.Sample(spo2=97, pulse_rate=70, perfusion_index=Decimal(1)),) * 3),
        replies.Notice(kind=1, information=b""),
        replies.Users(users=256),
        cms50.StoredRecord(spo2=127, pulse_rate=70),
        cms50.RecordingLength(length_bytes=4),
        cms50.RecordingLength(length_bytes=0),
        bt.Values(status=4, pulse_rate=None, spo2=97),
        bt.Values(status=6, pulse_rate=70, spo2=97),
        bt.Values(status=6, pulse_rate=None, pulse_rate_unverified=127, spo2=97),
        bt.Values(status=4, pulse_rate=70, spo2=97, perfusion_unverified=Decimal("1.27")),
        bt.Pleth(status=4, pleth=1, bargraph=1, bar_flags=1),
    ],
)
def test_what_does_not_fit_is_not_encoded(said):
    with pytest.raises(ValueError, match=r"."):
        bytes(said)


def radio(**options: bool):
    session = DRIVERS["contec-cms50d-bt"].session(context(**options))
    session.handle(LinkEstablished(at=NOON, characteristics=frozenset({bt.NOTIFY, bt.WRITE})))
    return session


def notify(session, *frames: bytes, at=NOON) -> list[Command]:
    return [
        command
        for frame in frames
        for command in session.handle(ValueReceived(at=at, characteristic=bt.NOTIFY, data=frame))
    ]


def test_a_cms50d_bt_is_asked_for_its_waveform_and_last_for_its_measurements():
    session = DRIVERS["contec-cms50d-bt"].session(context())
    assert session.handle(LinkEstablished(at=NOON)) == [
        SubscribeTo(characteristic=bt.NOTIFY),
        WriteValue(characteristic=bt.WRITE, data=bytes.fromhex("9b001b")),
        WriteValue(characteristic=bt.WRITE, data=bytes.fromhex("9b011c")),
    ]


def test_a_cms50d_bt_is_kept_awake_and_asked_again_when_it_falls_silent():
    session = radio()
    notify(session, measurement_bt(97), at=after(3))
    assert session.handle(TimePassed(at=after(2))) == []
    assert session.handle(TimePassed(at=after(3))) == [WriteValue(characteristic=bt.WRITE, data=bytes.fromhex("9a1a"))]
    again = session.handle(TimePassed(at=after(8)))
    assert [command.data for command in again] == [bt.START_WAVE, bt.START_MEASUREMENTS]


def test_a_cms50d_bt_without_a_finger_says_so():
    (reading,) = readings(notify(radio(), bytes.fromhex("eb01067f7f7f006f")))
    assert reasons(reading) == (Reason.NO_FINGER,)


def test_a_pulse_of_128_or_more_is_used_only_where_what_is_unverified_is_wanted():
    frame = bytes.fromhex("eb010648607f0019")
    (sure,) = readings(notify(radio(), frame))
    (bold,) = readings(notify(radio(unverified=True), frame))
    pulse = sure.value(Parameter.OXIMETER_PULSE_RATE)
    assert (pulse.number, pulse.reasons) == (None, (Reason.UNVERIFIED,))
    assert sure.value(Parameter.SPO2).number == Decimal(96)
    assert bold.value(Parameter.OXIMETER_PULSE_RATE).number == Decimal(200)


def test_a_perfusion_index_is_used_only_where_what_is_unverified_is_wanted():
    frame = bytes.fromhex("eb010448604e046a")
    (sure,) = readings(notify(radio(), frame))
    (bold,) = readings(notify(radio(unverified=True), frame))
    assert sure.value(Parameter.PERFUSION_INDEX) is None
    assert bold.value(Parameter.PERFUSION_INDEX).number == Decimal("5.9")


def test_the_radios_waveform_has_no_value_without_a_finger():
    frames = [bytes.fromhex("eb000348093f")] * 20 + [bytes.fromhex("eb000440600f")] * 10
    (chunk,) = chunks(notify(radio(), b"".join(frames)))
    assert chunk.samples == (*[72] * 20, *[None] * 10)
    assert (chunk.rate_hz, chunk.low, chunk.high) == (59, 0, 127)


def test_short_answers_of_a_cms50d_bt_are_no_noise():
    assert notify(radio(), bytes.fromhex("f070"), bytes.fromhex("eb7f6a")) == []
