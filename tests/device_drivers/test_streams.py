"""The oximeters' sessions on streams that are cut, noisy and damaged."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_drivers import contec_v7, nonin_df2, nonin_df8
from device_drivers.framing import BUFFER_LIMIT
from device_drivers.sessions import Deliver, ReportRefused, Session
from tests.device_drivers.samples import after, context, discarded, feed, readings
from vitals.parameters import Parameter


@dataclass(frozen=True, kw_only=True)
class Stream:
    """`unit` makes one whole message with this SpO2; a message is what a reading is made from."""

    session: Callable[[], Session]
    unit: Callable[[int], bytes]


def live(spo2: int) -> bytes:
    return bytes(
        contec_v7.LivePacket(
            spo2=spo2, pulse_rate=70, perfusion_index=Decimal("1.5"), waveform=50, bargraph=5, signal_strength=6
        )
    )


def packet(spo2: int) -> bytes:
    whole = nonin_df2.Packet(
        hr=70,
        spo2=spo2,
        hr_d=70,
        spo2_d=spo2,
        spo2_fast=spo2,
        spo2_bb=spo2,
        e_hr=70,
        e_spo2=spo2,
        e_spo2_d=spo2,
        e_hr_d=70,
        srev=48,
        timer=0,
        smartpoint=True,
        low_battery=False,
        status=nonin_df2.Status.ALWAYS,
        pleth=tuple(range(100, 125)),
    )
    return b"".join(bytes(frame) for frame in whole.frames())


def second(spo2: int) -> bytes:
    return bytes(nonin_df8.DataFrame(hr=70, spo2=spo2))


STREAMS = {
    "contec-v7": Stream(session=lambda: contec_v7.Session(context()), unit=live),
    "nonin-df2": Stream(session=lambda: nonin_df2.Session(context()), unit=packet),
    "nonin-df8": Stream(session=lambda: nonin_df8.Session(context()), unit=second),
}


@pytest.fixture(params=STREAMS)
def stream(request: pytest.FixtureRequest) -> Stream:
    return STREAMS[request.param]


def spo2s(stream: Stream, messages: list[bytes]) -> list[int | None]:
    """The SpO2 of each reading, where every message comes a second after the one before."""
    session = stream.session()
    found = [
        reading
        for place, message in enumerate(messages)
        for reading in readings(feed(session, message, at=after(place)))
    ]
    numbers = [reading.value(Parameter.SPO2) for reading in found]
    return [number and number.number and int(number.number) for number in numbers]


def test_each_second_becomes_one_reading(stream: Stream):
    assert spo2s(stream, [stream.unit(number) for number in (95, 96, 97)]) == [95, 96, 97]


def test_every_way_to_cut_a_message_gives_the_same_reading(stream: Stream):
    whole = stream.unit(95)
    (expected,) = readings(feed(stream.session(), whole))
    for cut in range(1, len(whole)):
        commands = feed(stream.session(), whole[:cut], whole[cut:])
        assert readings(commands) == [expected]
        assert not discarded(commands)
    one_by_one = feed(stream.session(), *(bytes((byte,)) for byte in whole))
    assert readings(one_by_one) == [expected]


@pytest.mark.parametrize("seed", range(20))
def test_noise_between_messages_costs_no_more_than_two_of_them(stream: Stream, seed: int):
    noise = random.Random(seed).randbytes(40)
    messages = [stream.unit(95), noise, *(stream.unit(number) for number in (90, 91, 92, 93))]
    assert spo2s(stream, messages)[-2:] == [92, 93]


@pytest.mark.parametrize("seed", range(20))
def test_a_stream_may_begin_anywhere(stream: Stream, seed: int):
    start = random.Random(seed).randrange(1, len(stream.unit(95)))
    messages = [stream.unit(95)[start:], *(stream.unit(number) for number in (90, 91, 92, 93))]
    assert spo2s(stream, messages)[-2:] == [92, 93]


def test_one_damaged_byte_costs_no_more_than_two_messages(stream: Stream):
    whole = stream.unit(95)
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 0x80
        messages = [bytes(damaged), *(stream.unit(number) for number in (90, 91, 92))]
        assert spo2s(stream, messages)[-1] == 92


@given(noise=st.lists(st.binary(max_size=400), max_size=10))
@pytest.mark.parametrize("key", STREAMS)
def test_no_bytes_make_a_session_raise(key: str, noise: list[bytes]):
    for command in feed(STREAMS[key].session(), *noise):
        assert isinstance(command, Deliver | ReportRefused) or command.faults is not None


@pytest.mark.parametrize("size", [16, 64, 4096])
@pytest.mark.parametrize("seed", range(10))
def test_noise_makes_no_readings_and_no_faults(stream: Stream, seed: int, size: int):
    """One in sixteen of it has the form of a Nonin DF8 frame; `size` bytes are read at once, two milliseconds apart."""
    session, noise = stream.session(), random.Random(seed).randbytes(8192)
    feed(session, stream.unit(95))
    commands = [
        command
        for place in range(0, len(noise), size)
        for command in feed(session, noise[place : place + size], at=after(1 + place / size * 0.002))
    ]
    assert all(isinstance(command, ReportRefused) for command in commands)
    assert discarded(commands) > 8000
    assert readings(feed(session, stream.unit(96), stream.unit(97), at=after(10)))


def test_noise_is_counted_and_not_held(stream: Stream):
    assert discarded(feed(stream.session(), *[b"\x00" * 1000] * 100)) >= 99_000


def test_a_burst_as_long_as_one_read_of_the_line_loses_nothing():
    """The transport reads up to 4096 bytes at once, after a rest of a message."""
    reader = contec_v7.frame_reader()
    whole = live(95) * 1000
    found = []
    for at in range(0, len(whole), 4096):
        reader.receive_data(whole[at : at + 4096])
        found += list(reader.events())
    assert len(found) == 1000
    assert BUFFER_LIMIT > 4096


def test_a_second_of_frames_becomes_one_reading():
    session = contec_v7.Session(context())
    found = [reading for frame in range(180) for reading in readings(feed(session, live(95), at=after(frame / 60)))]
    assert len(found) == 3


def test_the_deciding_frame_is_kept_for_audit(stream: Stream):
    (reading,) = readings(feed(stream.session(), stream.unit(95)))
    assert reading.raw == stream.unit(95)[:60]
