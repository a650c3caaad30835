"""Thermometers that follow no standard."""

import struct
from decimal import Decimal

from hypothesis import strategies as st

from device_drivers.thermometers import gaomu, suretemp_packets
from device_drivers.thermometers.ds18b20 import Scratchpad
from device_drivers.thermometers.suretemp_packets import Packet, TemperatureRecord
from tests.device_drivers.families.family import Stream
from tests.device_drivers.families.sig_measurements import BYTES, WORDS
from vitals.parameters import Parameter


def single(number: float) -> Decimal:
    """By the nine digits that tell a single from every other."""
    (value,) = struct.unpack("<f", struct.pack("<f", number))
    return Decimal(f"{value:.9g}")


SINGLES = st.floats(min_value=2**-126, allow_infinity=False, allow_nan=False, width=32).map(single)
KELVINS = st.floats(min_value=2**-126, max_value=999, width=32).map(single)
STATES = {
    "final_kelvin": st.none() | KELVINS,
    "probe_kelvin": st.none() | KELVINS,
    "method": BYTES,
    "algorithm": BYTES,
    "state": BYTES,
    "error": WORDS,
    "active": st.booleans(),
    "probe_type": BYTES,
}
RECORDS = st.builds(TemperatureRecord, counter=st.integers(0, 2**32 - 1), **STATES) | st.builds(
    TemperatureRecord,
    counter=WORDS,
    heater=WORDS,
    probe_resistance=st.just(Decimal(0)) | SINGLES,
    ambient_kelvin=st.just(Decimal(0)) | KELVINS,
    ptb_resistance=st.just(Decimal(0)) | SINGLES,
    battery=WORDS.map(lambda hundredths: Decimal(hundredths) / 100),
    **STATES,
)
PACKETS = st.builds(
    Packet,
    command=st.sampled_from(("2900", "2913", "2a12", "9401")),
    type=BYTES,
    data=st.none() | st.binary(min_size=1, max_size=64),
)


def record(celsius: Decimal | int | None, **fields: int) -> TemperatureRecord:
    kelvin = None if celsius is None else celsius + suretemp_packets.ZERO_CELSIUS
    state = {"counter": 78, "method": 0, "algorithm": 0, "state": 6, "error": 0, "active": True, "probe_type": 0}
    return TemperatureRecord(final_kelvin=kelvin, probe_kelvin=kelvin, **{**state, **fields})


@st.composite
def scratchpads(draw: st.DrawFn) -> Scratchpad:
    resolution = draw(st.integers(9, 12))
    step = Decimal("0.0625") * (1 << (12 - resolution))
    most = 0x7FFF >> (12 - resolution)
    return Scratchpad(
        temperature=draw(st.integers(-most, most)) * step,
        alarm_high=draw(st.integers(-128, 127)),
        alarm_low=draw(st.integers(-128, 127)),
        resolution=resolution,
        reserved=draw(st.binary(min_size=3, max_size=3)),
    )


MESSAGES = {
    "suretemp": RECORDS | PACKETS,
    "gaomu": st.builds(
        gaomu.TemperatureValue, temperature=st.integers(0, 999).map(lambda number: Decimal(number) / 10), kind=BYTES
    ),
    "ds18b20": scratchpads(),
}
STREAMS = {
    "suretemp-plus": Stream(
        unit=lambda celsius: bytes(record(celsius)), parameter=Parameter.TEMPERATURE, repeats=False
    ),
}
NEVER = {
    "suretemp-plus": [
        suretemp_packets.PREAMBLE + bytes.fromhex(command)
        for command in ("3000", "3109", "2a12", "2a37", "3503", "3604", "9433")
    ]
}
"""Commands of the manual that restart, erase, or change how the module measures."""
