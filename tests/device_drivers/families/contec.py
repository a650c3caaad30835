"""Contec's oximeters and cuff."""

from decimal import Decimal

from hypothesis import strategies as st

from device_drivers.cuffs import contec_08a
from device_drivers.date_time import DateTime
from device_drivers.oximeters import contec_cms50 as cms50
from device_drivers.oximeters import contec_cms50d_bt as bt
from device_drivers.oximeters import contec_v7_packets as v7
from device_drivers.oximeters import contec_v7_replies as replies
from tests.device_drivers.families.bci import NUMBERS
from tests.device_drivers.families.family import Stream

BYTES = st.integers(0, 255)
SATURATIONS = st.none() | st.integers(0, 126) | st.integers(128, 255)
RATES = st.none() | st.integers(0, 254)
PERFUSION = st.none() | st.integers(0, 0xFFFE).map(lambda word: Decimal(word) / 100)
FLAGS = ("beep", "probe_error", "searching", "search_too_long", "low_spo2")
SAMPLES = st.builds(replies.Sample, spo2=SATURATIONS, pulse_rate=RATES)


def texts(size: int) -> st.SearchStrategy[str]:
    """Texts of at most so many bytes."""
    return st.binary(max_size=size).map(lambda data: data.replace(b"\0", b"_").decode("latin-1"))


def live_v7(spo2: int) -> bytes:
    packet = v7.LivePacket(
        spo2=spo2,
        pulse_rate=70,
        perfusion_index=Decimal("2.5"),
        waveform=50,
        bargraph=6,
        signal_strength=5,
    )
    return bytes(packet)


def live_cms50(spo2: int) -> bytes:
    return bytes(cms50.LivePacket(spo2=spo2, pulse_rate=70, pleth=50, bargraph=5, signal_strength=7))


def measurement_bt(spo2: int) -> bytes:
    return bytes(bt.Values(status=4, pulse_rate=70, spo2=spo2))


@st.composite
def live_packets(draw: st.DrawFn) -> v7.LivePacket:
    """A perfusion index that is not valid is none."""
    valid = draw(st.booleans())
    return v7.LivePacket(
        spo2=draw(SATURATIONS),
        pulse_rate=draw(RATES),
        perfusion_index=draw(PERFUSION) if valid else None,
        pi_valid=valid,
        waveform=draw(st.integers(0, 127)),
        bargraph=draw(st.integers(0, 15)),
        signal_strength=draw(st.integers(0, 15)),
        **{name: draw(st.booleans()) for name in FLAGS},
    )


@st.composite
def values_bt(draw: st.DrawFn) -> bt.Values:
    """Bit 1 of the status goes with a pulse of 128 or more, or none."""
    large = draw(st.booleans())
    return bt.Values(
        status=draw(st.integers(0, 127)) & ~2 | large << 1,
        pulse_rate=None if large else draw(st.integers(0, 127)),
        pulse_rate_unverified=draw(st.none() | st.integers(128, 254)) if large else None,
        spo2=draw(st.none() | st.integers(0, 126)),
        perfusion_unverified=draw(
            st.none() | st.integers(0, 0x3FFF).filter(lambda word: word != 0x7F).map(lambda word: Decimal(word) / 100)
        ),
    )


@st.composite
def records_08a(draw: st.DrawFn) -> contec_08a.Record:
    """Each number under the name that says how sure it is."""
    numbers = {name: draw(BYTES) for name in ("systolic", "diastolic", "pulse_rate", "mean")}
    sure = {name: (number >= 128) is (name == "systolic") for name, number in numbers.items()}
    small = st.integers(0, 127)
    return contec_08a.Record(
        timestamp=DateTime(
            year=2000 + draw(small),
            month=draw(small),
            day=draw(small),
            hour=draw(small),
            minute=draw(small),
            second=0,
        ),
        **{name: number if sure[name] else None for name, number in numbers.items()},
        **{f"{name}_unverified": None if sure[name] else number for name, number in numbers.items()},
    )


MESSAGES = {
    "cms50-5byte": st.builds(
        cms50.LivePacket,
        **NUMBERS,
        **{name: st.booleans() for name in ("finger_out", "dropping_spo2", "beep", "probe_error", "searching")},
    ),
    "cms50-record": st.builds(cms50.StoredRecord, pulse_rate=RATES, spo2=st.none() | st.integers(0, 126)),
    "cms50-reclen": st.builds(
        cms50.RecordingLength, length_bytes=st.integers(1, cms50.MOST_BYTES // 3).map(lambda records: records * 3)
    ),
    "cms50-9byte": live_packets(),
    "cms50-v7-cmd": st.builds(
        v7.HostCommand, command=st.sampled_from(v7.ControlCommand), arguments=st.tuples(*[BYTES] * 6)
    ),
    "cms50-v7-id": st.builds(replies.DeviceId, identity=texts(7)),
    "cms50-v7-user": st.builds(replies.User, user=BYTES, name=texts(6)),
    "cms50-v7-users": st.builds(replies.Users, users=BYTES),
    "cms50-v7-pi": st.builds(replies.PerfusionFlag, identifier=BYTES),
    "cms50-v7-notice": st.builds(replies.Notice, kind=BYTES, information=st.binary(min_size=6, max_size=6)),
    "cms50-v7-segments": st.builds(replies.Segments, user=BYTES, segments=BYTES),
    "cms50-v7-data-id": st.builds(replies.DataId, user=BYTES, segment=BYTES, identifier=BYTES),
    "cms50-v7-length": st.builds(
        replies.StoredLength, user=BYTES, segment=BYTES, length_bytes=st.integers(0, 2**32 - 1)
    ),
    "cms50-v7-start-date": st.builds(
        replies.StartDate, user=BYTES, segment=BYTES, year=st.integers(0, 9999), month=BYTES, day=BYTES
    ),
    "cms50-v7-start-time": st.builds(
        replies.StartTime, user=BYTES, segment=BYTES, hour=BYTES, minute=BYTES, second=BYTES
    ),
    "cms50-v7-stored": st.builds(replies.Stored, samples=st.tuples(SAMPLES, SAMPLES, SAMPLES)),
    "cms50-v7-stored-pi": st.builds(
        replies.StoredWithPerfusion, spo2=SATURATIONS, pulse_rate=RATES, perfusion_index=PERFUSION
    ),
    "cms50-v7-feedback": st.builds(replies.Feedback, command=BYTES, reason=BYTES),
    "cms50-v7-free": st.builds(replies.Free),
    "cms50-v7-disconnect": st.builds(replies.Disconnect, reason=BYTES),
    "cms50d-bt": values_bt()
    | st.builds(
        bt.Pleth,
        status=st.integers(0, 127),
        pleth=st.integers(0, 127),
        bargraph=st.integers(0, 15),
        bar_flags=st.integers(0, 7).map(lambda bits: bits << 4),
    ),
    "contec08a": records_08a(),
}
STREAMS = {
    "contec-v7": Stream(unit=live_v7, checked=False),
    "contec-cms50-old": Stream(unit=live_cms50, checked=False),
    "contec-cms50d-bt": Stream(unit=measurement_bt, notify=bt.NOTIFY),
}
NEVER = {
    "contec-v7": [bytes((v7.CONTROL, 0x81 | high, 0xAE)) for high in range(0, 0x80, 2)],
    "contec-cms50d-bt": [bytes.fromhex(code) for code in ("9d7f", "a10021", "a10122", "917f", "927f", "947f", "967f")],
}
