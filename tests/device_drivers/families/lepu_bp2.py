"""Viatom's BP2 cuffs."""

from datetime import datetime, timedelta

from hypothesis import strategies as st

from device_drivers.cuffs import lepu_bp2, lepu_bp2_session
from device_drivers.cuffs.lepu_bp2 import RealTime, Status
from device_drivers.cuffs.lepu_bp2_list import BloodPressureList, Record
from device_drivers.oximeters.lepu_frames import ClockSetting, answer
from device_drivers.oximeters.viatom_frames import Data
from tests.device_drivers.families.family import Stream
from tests.device_drivers.families.viatom import BYTES, INFORMATION, TIMES, WORDS, lepu_messages
from vitals.parameters import Parameter

NUMBERS = st.none() | st.integers(1, 0xFFFF)
RESULT = {"systolic": NUMBERS, "diastolic": NUMBERS, "mean": NUMBERS, "pulse_rate": NUMBERS}
CHARGE = {"battery_state": BYTES, "battery": BYTES}
STATUS = st.builds(Status, state=BYTES, millivolts=WORDS, average_number=BYTES, wait_seconds=BYTES)
LIVE = (
    st.builds(RealTime, phase=st.just(0), cuff_pressure=WORDS, **CHARGE)
    | st.builds(RealTime, phase=st.just(1), **RESULT, **CHARGE)
    | st.builds(RealTime, phase=st.integers(2, 255), status=STATUS, **CHARGE)
    | st.builds(
        RealTime,
        phase=st.just(0),
        status=STATUS,
        cuff_pressure=st.integers(0, 655),
        pulse_rate=WORDS,
        deflating=st.booleans(),
        **CHARGE,
    )
    | st.builds(RealTime, phase=st.just(1), status=STATUS, deflating=st.booleans(), error=BYTES, **RESULT, **CHARGE)
)
RECORDS = st.builds(
    Record,
    timestamp=st.integers(0, 2**32 - 1).map(lambda seconds: datetime(1970, 1, 1) + timedelta(seconds=seconds)),
    user=st.integers(0, 2**32 - 1),
    mode=BYTES,
    interval_seconds=WORDS,
    status=BYTES,
    systolic=NUMBERS,
    diastolic=NUMBERS,
    mean=NUMBERS,
    pulse_rate=st.none() | st.integers(1, 255),
    result=BYTES,
    level=BYTES,
)
MESSAGES = {
    "lepu-bp2": lepu_messages(lepu_bp2.REAL_TIME, LIVE)
    | lepu_messages(lepu_bp2.INFO, INFORMATION)
    | lepu_messages(lepu_bp2.SET_TIME, st.builds(ClockSetting, timestamp=TIMES), flag=0)
    | lepu_messages(lepu_bp2.FILE_READ, st.builds(Data, data=st.binary(max_size=60))),
    "lepu-bp2-list": st.builds(
        BloodPressureList, version=BYTES, type=BYTES, records=st.lists(RECORDS, max_size=6).map(tuple)
    ),
}


def measuring() -> bytes:
    live = RealTime(phase=0, status=Status(state=lepu_bp2.MEASURING_PRESSURE), cuff_pressure=120)
    return bytes(answer(lepu_bp2.REAL_TIME, live))


def result(diastolic: int) -> bytes:
    status = Status(state=lepu_bp2.SHOWING_RESULT)
    live = RealTime(
        phase=1, status=status, systolic=131, diastolic=diastolic, mean=109, pulse_rate=64, deflating=True, error=0
    )
    return bytes(answer(lepu_bp2.REAL_TIME, live))


STREAMS = {
    "lepu-bp2": Stream(
        unit=lambda diastolic: measuring() + result(diastolic),
        parameter=Parameter.DIASTOLIC,
        notify=lepu_bp2_session.NOTIFY,
        raw=result,
    )
}
NEVER = {
    "lepu-bp2": [bytes((0xA5, cmd, cmd ^ 0xFF)) for cmd in range(256) if cmd not in lepu_bp2.COMMANDS]
    + [bytes((0xA5, cmd, cmd ^ 0xFF)) for cmd in (0x04, 0x09, 0x0A, 0x24, 0x25, 0x39, 0xE2, 0xE3, 0xEE)]
}
"""Everything that isn't used, and by name what inflates, resets, erases or switches off."""
