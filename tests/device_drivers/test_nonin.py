"""What Nonin's oximeters on a serial line say and don't say, and what becomes of their waveform."""

import random
from datetime import timedelta
from decimal import Decimal

import pytest

from device_drivers.date_time import DateTime
from device_drivers.oximeters import nonin_ascii, nonin_ble, nonin_df2, nonin_df7, nonin_df8
from device_drivers.oximeters.nonin_host import SelectFormat, TimeMessage, TimeWord
from device_drivers.oximeters.nonin_packets import Perfusion
from device_drivers.sessions import ReportRefused
from tests.device_drivers.families.nonin import packet, spot_check
from tests.device_drivers.nonin_talk import NO_REASON, chunks, reasons, session_of, started, statuses, stream
from tests.device_drivers.samples import NOON, OXIMETER, after, discarded, feed, readings
from vitals.parameters import Parameter
from vitals.readings import Quality, Reason

KINDS = pytest.mark.parametrize("kind", [nonin_df2.Packet, nonin_df7.Packet])
WITHOUT_NUMBERS = pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ({"sensor_disconnected": True}, Reason.SENSOR_DISCONNECTED),
        ({"sensor_alarm": True}, Reason.NO_FINGER),
        ({"out_of_track": True}, Reason.OUT_OF_TRACK),
        ({}, Reason.SEARCHING),
    ],
)
DOUBTED = pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ({"sensor_alarm": True}, Reason.DISPLAY_HELD),
        ({"out_of_track": True}, Reason.OUT_OF_TRACK),
        ({"artifact": True}, Reason.ARTIFACT),
    ],
)


@WITHOUT_NUMBERS
def test_data_format_8_without_numbers_says_why(flags, reason):
    """511 and 127 on the wire."""
    frame = nonin_df8.DataFrame(hr=None, spo2=None, **flags)
    assert bytes(frame)[2] == 127
    reading = nonin_df8.DataFrame.from_bytes(bytes(frame)).reading(OXIMETER, raw=b"", at=NOON)
    assert all(value.number is None and value.reasons == (reason,) for value in reading.values)


@KINDS
@WITHOUT_NUMBERS
def test_a_packet_without_numbers_says_why(kind, flags, reason):
    (reading,) = readings(stream(session_of(kind), packet(kind, spo2=None, rate=None, **flags)))
    assert all(value.number is None and value.reasons == (reason,) for value in reading.values)


@DOUBTED
def test_a_number_of_data_format_8_in_doubt_keeps_the_reason(flags, reason):
    reading = nonin_df8.DataFrame(hr=70, spo2=97, **flags).reading(OXIMETER, raw=b"", at=NOON)
    assert {(value.quality, value.reasons) for value in reading.values} == {(Quality.QUESTIONABLE, (reason,))}
    assert [value.number for value in reading.values] == [Decimal(97), Decimal(70)]


@KINDS
@DOUBTED
def test_a_packets_number_in_doubt_keeps_the_reason(kind, flags, reason):
    (reading,) = readings(stream(session_of(kind), packet(kind, **flags)))
    assert {(value.quality, value.reasons) for value in reading.values} == {(Quality.QUESTIONABLE, (reason,))}


@pytest.mark.parametrize("flag", ["low_perfusion", "marginal_perfusion"])
def test_low_and_marginal_perfusion_put_a_number_in_doubt(flag):
    reading = nonin_df8.DataFrame(hr=70, spo2=97, **{flag: True}).reading(OXIMETER, raw=b"", at=NOON)
    assert reasons(reading) == (Reason.LOW_PERFUSION,)


@pytest.mark.parametrize(
    ("perfusion", "expected"),
    [
        (Perfusion.NONE, NO_REASON),
        (Perfusion.GREEN, NO_REASON),
        (Perfusion.YELLOW, (Reason.LOW_PERFUSION,)),
        (Perfusion.RED, (Reason.LOW_PERFUSION,)),
    ],
)
def test_a_poor_pulse_puts_a_number_in_doubt(perfusion, expected):
    (reading,) = readings(stream(started("nonin-df2"), packet(nonin_df2.Packet, perfusion=perfusion)))
    assert reasons(reading) == expected


def test_numbers_that_are_shown_without_a_sensor_are_not_the_patients():
    frame = nonin_df8.DataFrame(hr=70, spo2=97, sensor_disconnected=True)
    (second,) = readings(stream(started("nonin-df2"), packet(nonin_df2.Packet, sensor_disconnected=True)))
    for reading in (frame.reading(OXIMETER, raw=b"", at=NOON), second):
        assert all(value.number is None for value in reading.values)


def test_a_zero_is_never_a_number():
    frame = nonin_df8.DataFrame(hr=0, spo2=0).reading(OXIMETER, raw=b"", at=NOON)
    line = nonin_ascii.Line(spo2=0, pulse_rate=0).reading(OXIMETER, raw=b"", at=NOON)
    (second,) = readings(stream(started("nonin-df2"), packet(nonin_df2.Packet, spo2=0, rate=0)))
    for reading in (frame, line, second):
        assert all(value.number is None and value.quality is Quality.MISSING for value in reading.values)


@pytest.mark.parametrize("number", [0, 1, 127, 128, 255, 256, 510])
def test_a_nine_bit_rate_survives(number):
    assert nonin_df8.DataFrame.from_bytes(bytes(nonin_df8.DataFrame(hr=number, spo2=97))).hr == number
    seen = nonin_df2.Packet.from_bytes(bytes(packet(nonin_df2.Packet, rate=number)))
    assert (seen.hr, seen.hr_d, seen.e_hr, seen.e_hr_d) == (number,) * 4


@pytest.mark.parametrize(
    "said",
    [
        nonin_df8.DataFrame(hr=511, spo2=97),
        nonin_df8.DataFrame(hr=70, spo2=127),
        packet(nonin_df2.Packet, rate=-1),
        packet(nonin_df2.Packet, timer=1 << 14),
        packet(nonin_df2.Packet, pleth=(0,) * 24),
        packet(nonin_df2.Packet, pleth=(256,) * 25),
        packet(nonin_df7.Packet, pleth=(65536,) * 25),
        nonin_df7.DataFrame(pleth=0, float_byte=256),
        spot_check(timestamp=DateTime(year=1999, month=1, day=1, hour=0, minute=0, second=0)),
        spot_check(extra=bytes(51)),
        nonin_ascii.Line(spo2=1000, pulse_rate=70),
        nonin_ascii.Line(spo2=97, pulse_rate=70, time="noon"),
        nonin_ble.ContinuousOximetry(spo2=97, pulse_rate=70, pai=Decimal("2.505"), battery_volts=Decimal(3), counter=0),
        nonin_ble.ContinuousOximetry(spo2=97, pulse_rate=70, pai=Decimal(1), battery_volts=Decimal(26), counter=0),
        nonin_ble.ContinuousOximetry(spo2=97, pulse_rate=70, pai=Decimal(1), battery_volts=Decimal(3), counter=1 << 16),
        SelectFormat(data_format=1),
        TimeMessage(word=TimeWord.SET),
        TimeMessage(word=TimeWord.REPLY, timestamp=DateTime(year=2100, month=1, day=1, hour=0, minute=0, second=0)),
    ],
)
def test_what_a_format_cannot_say_is_not_encoded(said):
    with pytest.raises(ValueError, match=r".+"):
        bytes(said)


def test_numbers_averaged_for_display_are_read():
    one = packet(nonin_df2.Packet, spo2_d=91, hr_d=81)
    (reading,) = readings(stream(started("nonin-df2"), one))
    assert [value.number for value in reading.values] == [91, 81]


def test_three_packets_a_second_become_one_reading_of_it():
    commands = stream(started("nonin-df2"), *[packet(nonin_df2.Packet)] * 9)
    assert [reading.measured for reading in readings(commands)] == [after(0), after(1), after(2)]


def test_a_finger_that_leaves_is_said_at_once():
    session = started("nonin-df2")
    stream(session, packet(nonin_df2.Packet))
    gone = stream(session, packet(nonin_df2.Packet, sensor_alarm=True), since=1 / 3)
    missing = stream(session, packet(nonin_df2.Packet, spo2=None, rate=None, sensor_alarm=True), since=2 / 3)
    back = stream(session, packet(nonin_df2.Packet), since=5 / 6)
    assert [reasons(reading) for reading in readings(gone + missing + back)] == [
        (Reason.DISPLAY_HELD,),
        (Reason.NO_FINGER,),
        NO_REASON,
    ]


def test_a_poor_pulse_in_a_seconds_other_packets_counts_for_its_reading():
    """Perfusion and artifact are said for a pulse alone, which may fall between two deciding packets."""
    poor = packet(nonin_df2.Packet, perfusion=Perfusion.RED, artifact=True)
    well = packet(nonin_df2.Packet, perfusion=Perfusion.GREEN)
    commands = stream(started("nonin-df2"), well, poor, well, well, well, well, well)
    assert [reasons(reading) for reading in readings(commands)] == [
        NO_REASON,
        (Reason.ARTIFACT, Reason.LOW_PERFUSION),
        NO_REASON,
    ]


def test_the_frames_with_the_numbers_are_kept_for_audit():
    whole = bytes(packet(nonin_df2.Packet))
    (reading,) = readings(feed(started("nonin-df2"), whole))
    kept = [reading.raw[at : at + 5] for at in range(0, len(reading.raw), 5)]
    assert kept == [whole[place * 5 : place * 5 + 5] for place in (0, 7, 8, 19, 20)]


@pytest.mark.parametrize("key", ["nonin-df2", "nonin-df8", "nonin-df13"])
def test_a_low_battery_is_said_once_and_so_is_its_end(key):
    def message(low: bool) -> bytes:
        match key:
            case "nonin-df2":
                return bytes(packet(nonin_df2.Packet, low_battery=low))
            case "nonin-df8":
                return bytes(nonin_df8.DataFrame(hr=70, spo2=97, low_battery=low))
        return bytes(spot_check(low_battery=low))

    session = started(key)
    commands = feed(session, message(True), message(True), message(False), message(False))
    assert statuses(commands) == [("low_battery",), ()]


@KINDS
def test_every_sample_of_the_waveform_is_delivered_in_order(kind):
    packets = [packet(kind, pleth=tuple(range(start, start + 25))) for start in (0, 25, 50, 75)]
    found = chunks(stream(session_of(kind), *packets))
    assert [sample for chunk in found for sample in chunk.samples] == list(range(76))
    assert not any(chunk.gap_before for chunk in found)
    assert {(chunk.rate_hz, chunk.low, chunk.high) for chunk in found} == {(75, 0, kind.LAYOUT.highest_sample)}
    assert found[0].started == NOON - timedelta(seconds=24 / 75)


def test_the_waveform_has_no_value_while_the_finger_is_out():
    out = packet(nonin_df2.Packet, sensor_alarm=True)
    found = chunks(stream(started("nonin-df2"), packet(nonin_df2.Packet), out))
    assert found[0].samples == (*range(25), *(None,) * 13)


@KINDS
def test_a_damaged_frame_leaves_a_gap_in_the_waveform_and_no_number(kind):
    damaged = bytearray(bytes(packet(kind, spo2=50)))
    damaged[62] ^= 1
    session = session_of(kind)
    commands = [
        *feed(session, bytes(packet(kind))),
        *feed(session, bytes(damaged), at=after(1)),
        *stream(session, *[packet(kind)] * 3, since=4 / 3),
    ]
    found = chunks(commands)
    assert [chunk.gap_before for chunk in found] == [False, True]
    assert found[0].samples == tuple(range(25))
    assert {value.number for reading in readings(commands) for value in reading.values} == {97, 70}
    assert sum(command.discarded for command in commands if isinstance(command, ReportRefused)) == 125


@KINDS
@pytest.mark.parametrize("place", range(25))
def test_a_packet_that_lost_a_whole_frame_makes_no_number(kind, place):
    """No checksum is wrong then, and every later FLOAT byte stands for another number."""
    first, second, third = (bytes(packet(kind, spo2=number)) for number in (80, 90, 91))
    commands = feed(session_of(kind), first + second[: place * 5] + second[place * 5 + 5 :])
    commands += feed(session_of(kind), second[: place * 5] + second[place * 5 + 5 :] + third)
    assert [reading.values[0].number for reading in readings(commands)] == [80, 91]


def test_a_header_and_a_cut_line_come_before_the_first_line():
    data = b"97 HR=072\r\nNONIN AVANT 11/23/26\r\n13:14:15 SPO2=095 HR=061\r\nSPO2=096 HR=062 F\r\n"
    found = readings(feed(started("nonin-ascii"), data))
    assert [reading.value(Parameter.SPO2).number for reading in found] == [95, 96]  # type: ignore[union-attr]


def test_dashes_are_no_number():
    (reading,) = readings(feed(started("nonin-ascii"), b"SPO2=--- HR=---\r\n"))
    assert reasons(reading) == (Reason.NOT_MEASURED,)


@pytest.mark.parametrize("damaged", [b"SPO2=9 8 HR=070", b"SPO2=1 0 HR=070", b"SPO2=097 HR=7 0", b"SPO2=097 HR=  -"])
def test_a_number_that_has_lost_a_digit_is_refused(damaged):
    commands = feed(started("nonin-ascii"), b"SPO2=098 HR=070\r\n", damaged + b"\r\n", b"SPO2= 99 HR=  7\r\n")
    assert [[value.number for value in reading.values] for reading in readings(commands)] == [[98, 70], [99, 7]]


@pytest.mark.parametrize("seed", range(20))
@KINDS
def test_frames_of_another_format_are_none_of_format_8(kind, seed):
    """Whatever the reads: some bytes of formats 2 and 7 look like one of its frames."""
    chance, session = random.Random(seed), started("nonin-df8")
    packets = [
        packet(kind, spo2=97, timer=place, pleth=tuple(chance.randrange(kind.LAYOUT.highest_sample) for _ in range(25)))
        for place in range(30)
    ]
    data, at, found = b"".join(map(bytes, packets)), chance.randrange(125), []
    while at < len(data):
        size = chance.choice((1, 2, 3, 8, 16))
        found += readings(feed(session, data[at : at + size], at=after(at / 375)))
        at += size
    assert found == []


def test_frames_of_format_8_are_believed_when_three_came_and_none_is_lost():
    session = started("nonin-df8")
    frames = [bytes(nonin_df8.DataFrame(hr=70, spo2=number)) for number in (95, 96, 97, 98)]
    found = [readings(feed(session, frame, at=after(place))) for place, frame in enumerate(frames)]
    assert [len(each) for each in found] == [0, 0, 3, 1]
    assert [reading.measured for each in found for reading in each] == [after(place) for place in range(4)]
    assert [reading.raw for each in found for reading in each] == frames


def test_after_a_pause_a_device_shows_itself_again():
    session, frame = started("nonin-df8"), bytes(nonin_df8.DataFrame(hr=70, spo2=95))
    feed(session, frame, frame, frame)
    assert len(readings(feed(session, frame, at=after(3)))) == 1
    assert not readings(feed(session, frame, at=after(6.5)))


def test_what_waits_for_company_is_given_up_with_the_noise_that_follows():
    session, frame = started("nonin-df8"), bytes(nonin_df8.DataFrame(hr=70, spo2=95))
    commands = feed(session, frame, frame, b"\x00", frame)
    assert not readings(commands)
    assert discarded(commands) == 9
    assert len(readings(feed(session, frame, frame))) == 3


def test_a_frame_that_takes_long_to_come_is_none():
    session, frame = started("nonin-df8"), bytes(nonin_df8.DataFrame(hr=70, spo2=95))
    feed(session, frame, frame, frame, frame[:2])
    assert not readings(feed(session, frame[2:], at=after(0.6)))
