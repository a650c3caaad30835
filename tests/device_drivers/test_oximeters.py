"""What oximeters say when they have no number, and what their sessions say to them."""

from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from device_drivers import contec_v7, nonin_df8
from device_drivers.sessions import LinkEstablished, ReportStatus, SendBytes, TimePassed
from tests.device_drivers.samples import NOON, OXIMETER, after, context, feed, readings
from tests.device_drivers.test_streams import live
from vitals.parameters import Parameter
from vitals.readings import Quality, Reason

NUMBERS = {
    "spo2": None,
    "pulse_rate": None,
    "perfusion_index": None,
    "waveform": 64,
    "bargraph": 0,
    "signal_strength": 0,
}


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ({"probe_error": True}, Reason.NO_FINGER),
        ({"searching": True}, Reason.SEARCHING),
        ({"search_too_long": True}, Reason.NO_PULSE_FOUND),
        ({}, Reason.NOT_MEASURED),
    ],
)
def test_a_contec_without_numbers_says_why(flags, reason):
    packet = contec_v7.LivePacket(**NUMBERS, **flags)
    (reading,) = readings(feed(contec_v7.Session(context()), bytes(packet)))
    assert all(value.number is None and value.reasons == (reason,) for value in reading.values)


def test_numbers_that_a_contec_shows_without_a_finger_are_not_the_patients():
    packet = contec_v7.LivePacket(**{**NUMBERS, "spo2": 97, "pulse_rate": 70}, probe_error=True)
    assert all(value.number is None for value in packet.reading(OXIMETER, raw=b"", at=NOON).values)


def test_a_zero_is_never_a_number():
    contec = contec_v7.LivePacket(**{**NUMBERS, "spo2": 0, "pulse_rate": 0})
    nonin = nonin_df8.DataFrame(hr=0, spo2=0)
    for reading in (contec.reading(OXIMETER, raw=b"", at=NOON), nonin.reading(OXIMETER, raw=b"", at=NOON)):
        assert all(value.number is None and value.quality is Quality.MISSING for value in reading.values)


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ({"sensor_disconnected": True}, Reason.SENSOR_DISCONNECTED),
        ({"sensor_alarm": True}, Reason.NO_FINGER),
        ({"out_of_track": True}, Reason.OUT_OF_TRACK),
        ({}, Reason.SEARCHING),
    ],
)
def test_a_nonin_without_numbers_says_why(flags, reason):
    """511 and 127 on the wire."""
    frame = nonin_df8.DataFrame(hr=None, spo2=None, **flags)
    assert bytes(frame)[2] == 127
    reading = nonin_df8.DataFrame.from_bytes(bytes(frame)).reading(OXIMETER, raw=b"", at=NOON)
    assert all(value.number is None and value.reasons == (reason,) for value in reading.values)


def test_a_number_held_while_the_sensor_alarms_is_questionable():
    reading = nonin_df8.DataFrame(hr=70, spo2=97, sensor_alarm=True).reading(OXIMETER, raw=b"", at=NOON)
    spo2 = reading.value(Parameter.SPO2)
    assert spo2 is not None
    assert (spo2.number, spo2.quality, spo2.reasons) == (Decimal(97), Quality.QUESTIONABLE, (Reason.DISPLAY_HELD,))


def test_a_nonin_says_once_that_its_battery_is_low():
    session = nonin_df8.Session(context())
    low = bytes(nonin_df8.DataFrame(hr=70, spo2=97, low_battery=True))
    said = [command for command in feed(session, low, low) if isinstance(command, ReportStatus)]
    assert said == [ReportStatus(at=NOON, faults=("low_battery",))]


def test_a_contec_is_asked_for_live_packets_and_kept_awake():
    session = contec_v7.Session(context())
    start = [SendBytes(data=bytes.fromhex("7d81a1808080808080"))]
    assert session.handle(LinkEstablished(at=NOON)) == start
    said = []
    for passed in range(1, 21):
        feed(session, live(95), at=after(passed))
        said += [(passed, command) for command in session.handle(TimePassed(at=after(passed)))]
    assert [command for _, command in said] == [SendBytes(data=bytes.fromhex("7d81af808080808080"))] * 5
    gaps = [later - earlier for (earlier, _), (later, _) in pairwise(said)]
    assert max(timedelta(seconds=gap) for gap in gaps) < timedelta(seconds=5)


def test_a_contec_that_fell_silent_is_asked_again():
    session = contec_v7.Session(context())
    start = session.handle(LinkEstablished(at=NOON))
    assert session.handle(TimePassed(at=after(4))) == start


@pytest.mark.parametrize("number", [0, 1, 127, 128, 255, 256, 510])
def test_a_nonins_nine_bit_rate_survives(number):
    assert nonin_df8.DataFrame.from_bytes(bytes(nonin_df8.DataFrame(hr=number, spo2=97))).hr == number


@pytest.mark.parametrize(
    ("packet", "faults"),
    [
        (contec_v7.pack(contec_v7.FEEDBACK, (0xA1, 0)), []),
        (contec_v7.pack(contec_v7.FEEDBACK, (0xA1, 3)), [("recording",)]),
        (contec_v7.pack(contec_v7.FEEDBACK, (0xA1, 0xFF)), [("refused_by_device",)]),
        (contec_v7.pack(contec_v7.DISCONNECT, (0,)), [("disconnected_by_device",)]),
    ],
)
def test_a_contec_that_refuses_or_leaves_says_why(packet, faults):
    commands = feed(contec_v7.Session(context()), packet)
    assert [command.faults for command in commands if isinstance(command, ReportStatus)] == faults
    assert len(commands) == len(faults)


def test_live_packets_end_a_fault():
    session = contec_v7.Session(context())
    feed(session, contec_v7.pack(contec_v7.FEEDBACK, (0xA1, 3)))
    said = [command for command in feed(session, live(95), live(95)) if isinstance(command, ReportStatus)]
    assert said == [ReportStatus(at=NOON)]
