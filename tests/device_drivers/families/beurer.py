"""Beurer's cuffs with a USB plug."""

from hypothesis import strategies as st

from device_drivers.cuffs.beurer_records import HidRecord, SerialRecord
from device_drivers.date_time import DateTime
from tests.device_drivers.families.sig_measurements import BYTES

PRESSURES = st.integers(25, 280)


def minutes(last_year: int, last_month: int, last_day: int) -> st.SearchStrategy[DateTime]:
    """Times without seconds, of whatever their bits hold."""
    return st.builds(
        DateTime,
        year=st.integers(2000, last_year),
        month=st.integers(0, last_month),
        day=st.integers(0, last_day),
        hour=BYTES,
        minute=BYTES,
        second=st.just(0),
    )


MESSAGES = {
    "beurer-bm58": st.builds(
        HidRecord,
        systolic=PRESSURES,
        diastolic=PRESSURES,
        pulse_rate=BYTES,
        timestamp=minutes(2127, 15, 31),
        user=st.integers(1, 2),
        arrhythmia=st.booleans(),
        movement=st.booleans(),
    ),
    "beurer-bm65": st.builds(
        SerialRecord,
        systolic=PRESSURES,
        diastolic=PRESSURES,
        pulse_rate=BYTES,
        timestamp=minutes(2255, 255, 255),
        header=BYTES,
    ),
}
