"""Nonin's formats."""

from decimal import Decimal

from hypothesis import strategies as st

from device_drivers.date_time import DateTime
from device_drivers.oximeters import nonin_ascii, nonin_ble, nonin_df2, nonin_df7, nonin_df8, nonin_df13, nonin_host
from device_drivers.oximeters.nonin_packet_stream import deciding_frames
from device_drivers.oximeters.nonin_packets import RATES, SATURATIONS, DataFrame, Packet, Perfusion
from tests.device_drivers.families.family import Stream

HEART_RATES = st.none() | st.integers(0, 510)
SATURATIONS_SEEN = st.none() | st.integers(0, 126)
TWO_DIGITS = st.integers(0, 99)
BYTES = st.integers(0, 255)
CLOCK = st.builds("{:02}:{:02}:{:02}".format, TWO_DIGITS, TWO_DIGITS, TWO_DIGITS)


def flags(*names: str) -> dict[str, st.SearchStrategy[bool]]:
    return {name: st.booleans() for name in names}


def date_times(parts: st.SearchStrategy[int]) -> st.SearchStrategy[DateTime]:
    return st.builds(
        DateTime, year=st.integers(2000, 2099), month=parts, day=parts, hour=parts, minute=parts, second=parts
    )


STATUS = {
    "perfusion": st.sampled_from(Perfusion),
    **flags("sensor_alarm", "out_of_track", "artifact", "sensor_disconnected"),
}


def frames(kind: type[DataFrame]) -> st.SearchStrategy[DataFrame]:
    samples = st.integers(0, kind.LAYOUT.highest_sample)
    return st.builds(kind, pleth=samples, float_byte=BYTES, sync=st.booleans(), **STATUS)


def packets(kind: type[Packet]) -> st.SearchStrategy[Packet]:
    samples = st.integers(0, kind.LAYOUT.highest_sample)
    return st.builds(
        kind,
        **dict.fromkeys(RATES, HEART_RATES),
        **dict.fromkeys(SATURATIONS, SATURATIONS_SEEN),
        srev=BYTES,
        timer=st.integers(0, (1 << 14) - 1),
        pleth=st.lists(samples, min_size=25, max_size=25).map(tuple),
        **STATUS,
        **flags("smartpoint", "low_battery"),
    )


def packet(kind: type[Packet], *, spo2: int | None = 97, rate: int | None = 70, **more: object) -> Packet:
    """One whose numbers are all alike."""
    numbers = {**dict.fromkeys(RATES, rate), **dict.fromkeys(SATURATIONS, spo2)}
    fields = {"srev": 0x30, "timer": 0, "pleth": tuple(range(25)), **numbers, **more}
    return kind(**fields)  # type: ignore[arg-type]


def spot_check(spo2: int | None = 97, **more: object) -> nonin_df13.SpotCheck:
    noon = DateTime(year=2026, month=11, day=23, hour=13, minute=0, second=0)
    fields = {"timestamp": noon, "hr": 70, "spo2": spo2, "smartpoint": True, **more}
    return nonin_df13.SpotCheck(**fields)  # type: ignore[arg-type]


MESSAGES = {
    "nonin-format-cmd": st.builds(nonin_host.SelectFormat, data_format=st.sampled_from(nonin_host.DATA_FORMATS)),
    "nonin-time-cmd": st.just(nonin_host.TimeMessage(word=nonin_host.TimeWord.REQUEST))
    | st.builds(
        nonin_host.TimeMessage,
        word=st.sampled_from((nonin_host.TimeWord.SET, nonin_host.TimeWord.REPLY)),
        timestamp=date_times(BYTES),
    ),
    "nonin-df2-frame": frames(nonin_df2.DataFrame),
    "nonin-df2-packet": packets(nonin_df2.Packet),
    "nonin-df7-frame": frames(nonin_df7.DataFrame),
    "nonin-df7-packet": packets(nonin_df7.Packet),
    "nonin-df8": st.builds(
        nonin_df8.DataFrame,
        hr=HEART_RATES,
        spo2=SATURATIONS_SEEN,
        **flags("sensor_disconnected", "out_of_track", "low_perfusion", "marginal_perfusion", "artifact"),
        **flags("smartpoint", "sensor_alarm", "low_battery"),
    ),
    "nonin-df13": st.builds(
        nonin_df13.SpotCheck,
        timestamp=date_times(TWO_DIGITS),
        hundredths=TWO_DIGITS,
        hr=HEART_RATES,
        spo2=SATURATIONS_SEEN,
        extra=st.none() | st.binary(min_size=1, max_size=50),
        **flags("smartpoint", "no_measurement", "from_memory", "low_battery"),
    )
    | st.builds(nonin_df13.SpotCheck, timestamp=st.none(), hr=HEART_RATES, spo2=SATURATIONS_SEEN),
    "nonin-ascii": st.builds(
        nonin_ascii.Line,
        spo2=st.none() | st.integers(0, 999),
        pulse_rate=st.none() | st.integers(0, 999),
        time=st.none() | CLOCK,
        **flags("fast", "event", "breath"),
    ),
    "nonin-ble": st.builds(
        nonin_ble.ContinuousOximetry,
        spo2=SATURATIONS_SEEN,
        pulse_rate=HEART_RATES,
        pai=st.integers(0, 0xFFFF).map(lambda steps: steps * Decimal("0.01")),
        battery_volts=BYTES.map(lambda steps: steps * Decimal("0.1")),
        counter=st.integers(0, 0xFFFF),
        **flags("weak_signal", "smartpoint", "searching", "correct_check", "low_battery", "encrypted"),
    ),
}
STREAMS = {
    "nonin-df2": Stream(
        unit=lambda spo2: bytes(packet(nonin_df2.Packet, spo2=spo2)),
        raw=lambda spo2: deciding_frames(bytes(packet(nonin_df2.Packet, spo2=spo2))),
    ),
    "nonin-df7": Stream(
        unit=lambda spo2: bytes(packet(nonin_df7.Packet, spo2=spo2)),
        raw=lambda spo2: deciding_frames(bytes(packet(nonin_df7.Packet, spo2=spo2))),
    ),
    "nonin-df8": Stream(unit=lambda spo2: bytes(nonin_df8.DataFrame(hr=70, spo2=spo2)), checked=False),
    "nonin-df13": Stream(unit=lambda spo2: bytes(spot_check(spo2))),
    "nonin-ascii": Stream(unit=lambda spo2: bytes(nonin_ascii.Line(spo2=spo2, pulse_rate=70))),
}
NEVER = {
    "nonin-ble": [b"bNMI", b"cNMI", b"MCL!"],
    **{key: [b"\x02\x70"] for key in ("nonin-df2", "nonin-df7", "nonin-df8", "nonin-df13")},
}
"""Ending a measurement, forgetting bonds, clearing the memory; choosing a format unasked."""
