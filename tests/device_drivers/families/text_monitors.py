"""Masimo's and Nellcor's monitors."""

import string
from datetime import datetime
from decimal import Decimal

from hypothesis import strategies as st

from device_drivers.oximeters import nellcor_ascii
from device_drivers.oximeters.masimo_ascii1 import Line
from device_drivers.oximeters.nellcor_ascii import STATUS_WORDS, ColumnsLine, DataLine, LimitsLine, SettingsLine
from tests.device_drivers.families.family import Stream

WORDS = st.text(string.ascii_letters + string.digits, min_size=1, max_size=10)
DATES = st.datetimes(datetime(1990, 1, 1), datetime(2089, 12, 31))
NUMBERS = st.none() | st.integers(1, 999)
LIMITS = st.integers(0, 300)
NORMAL = st.sampled_from(("000800", "000C04", "800", "F00050", "000000"))


def places(highest: int, count: int) -> st.SearchStrategy[Decimal]:
    return st.integers(1, highest).map(lambda steps: Decimal(steps).scaleb(-count))


MESSAGES = {
    "masimo-ascii1": st.builds(
        Line,
        timestamp_raw=DATES.map(lambda moment: moment.strftime("%m/%d/%y %H:%M:%S")),
        serial=st.none() | WORDS,
        spo2=NUMBERS,
        pulse_rate=NUMBERS,
        perfusion_index=st.none() | places(9999, 2),
        spco=st.none() | places(999, 1),
        spmet=st.none() | places(999, 1),
        desat=st.none() | WORDS,
        perfusion_delta=st.none() | WORDS,
        pvi=st.none() | WORDS,
        alarm=st.none() | WORDS,
        exc=st.none() | NORMAL,
    )
    | st.builds(
        Line,
        timestamp_raw=st.just("02/22/16 22:47:45"),
        serial=WORDS,
        spo2=st.none(),
        pulse_rate=st.none(),
        perfusion_index=st.none(),
        spco=st.none(),
        spmet=st.none(),
        alarm=st.none(),
        exc=st.sampled_from(("000001", "000002", "000808", "000820")),
    ),
    "nellcor-ascii": st.builds(
        DataLine,
        timestamp_raw=DATES.map(lambda moment: moment.strftime("%d-%b-%y %H:%M:%S")),
        spo2=st.none() | st.integers(0, 999),
        pulse_rate=st.none() | st.integers(0, 999),
        pulse_amplitude=st.none() | st.integers(0, 999),
        spo2_alarm=st.booleans(),
        pulse_rate_alarm=st.booleans(),
        pulse_amplitude_alarm=st.booleans(),
        status=st.lists(st.sampled_from(sorted(STATUS_WORDS)), max_size=8).map(tuple),
    )
    | st.builds(
        LimitsLine,
        monitor=st.sampled_from(("N-595", "N-395", "NPB-290")),
        version=st.just("1.0.0.1"),
        software_crc=st.text(string.hexdigits, min_size=4, max_size=4),
        spo2_low=LIMITS,
        spo2_high=LIMITS,
        pulse_low=LIMITS,
        pulse_high=LIMITS,
    )
    | st.builds(
        LimitsLine,
        monitor=st.just("NPB-290"),
        version=st.just("1.0.0.1"),
        software_crc=st.none(),
        spo2_low=LIMITS,
        spo2_high=LIMITS,
        pulse_low=LIMITS,
        pulse_high=LIMITS,
        trend=st.just(True),
    )
    | st.builds(SettingsLine, patient=WORDS, sat_seconds=st.integers(0, 100), response=WORDS)
    | st.builds(ColumnsLine),
}


def masimo_says(spo2: int) -> bytes:
    line = Line(
        timestamp_raw="02/22/16 22:47:45",
        serial="0000056661",
        spo2=spo2,
        pulse_rate=70,
        perfusion_index=Decimal("3.6"),
        spco=None,
        spmet=None,
        alarm="0000",
        exc="000800",
    )
    return bytes(line)


def nellcor_says(spo2: int) -> bytes:
    line = DataLine(timestamp_raw="01-Jul-97 14:00:00", spo2=spo2, pulse_rate=70, pulse_amplitude=50)
    return nellcor_ascii.encode(line)


STREAMS = {
    "masimo-ascii1": Stream(unit=masimo_says),
    "nellcor-ascii": Stream(unit=nellcor_says),
}
NEVER = {"masimo-ascii1": [b""], "nellcor-ascii": [b""]}
"""Nothing is said to them."""
