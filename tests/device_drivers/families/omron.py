"""Omron's records, frames and commands."""

from hypothesis import strategies as st

from device_drivers.cuffs.omron_790it import Instruction, StoredMeasurement
from device_drivers.cuffs.omron_frames import Reply
from device_drivers.cuffs.omron_records import HighFirst, HighFirstShortYear, LowFirst
from device_drivers.date_time import DateTime

BITS = st.integers(0, 1)
BYTES = st.integers(0, 255)


def times(last_year):
    return st.datetimes(
        min_value=DateTime.parse("2000-01-01T00:00:00").moment,
        max_value=DateTime.parse(f"{last_year}-12-31T23:59:59").moment,
    ).map(DateTime.of)


def records(kind, *, last_year, sequence):
    return st.builds(
        kind,
        systolic=st.integers(25, 250),
        diastolic=BYTES,
        pulse_rate=BYTES,
        timestamp=times(last_year),
        ihb=BITS,
        mov=BITS,
        cuff=BITS,
        position=st.integers(0, 3),
        bit13=BITS,
        sequence=sequence,
    )


LOW_FIRST = records(LowFirst, last_year=2063, sequence=st.integers(0, 0xFFFF))
MESSAGES = {
    "omron-14le": LOW_FIRST,
    "omron-14be": records(HighFirst, last_year=2255, sequence=st.none()),
    "omron-14be-6232t": records(HighFirstShortYear, last_year=2063, sequence=st.none()),
    "omron-rx": st.builds(
        Reply,
        type=st.integers(0x8000, 0xFFFF).map("{:04x}".format),
        address=st.integers(0, 0xFFFF),
        data=st.binary(max_size=56) | LOW_FIRST.map(bytes),
        status=BYTES,
    ),
    "omron-790it-cmd": st.builds(
        Instruction,
        command=st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=3, max_size=3),
        arguments=st.binary(min_size=1, max_size=8),
        checksum=BYTES,
    ),
    "omron-790it-record": st.builds(
        StoredMeasurement,
        systolic=st.integers(0, 0xFFFF),
        diastolic=BYTES,
        pulse_rate=BYTES,
        timestamp=times(2255),
        unit=BYTES,
        irregular=st.booleans(),
        movement=st.booleans(),
        series=st.integers(0, 3),
    ),
}
NEVER = {
    "omron-ble": [b"\x01\xc0"],  # a write to the memory
    "omron-hem790it": [b"END", b"CTD"],  # turns it off; erases a pedometer's memory
}
