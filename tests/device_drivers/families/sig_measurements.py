"""Cuffs and thermometers of the Bluetooth SIG's profiles, and what they are made of."""

from decimal import Decimal

from hypothesis import strategies as st

from device_drivers.date_time import DateTime
from device_drivers.ieee11073 import Special
from device_drivers.sig.blood_pressure import (
    BloodPressureFeature,
    BloodPressureMeasurement,
    Feature,
    IntermediateCuffPressure,
)
from device_drivers.sig.floats import Float, Sfloat
from device_drivers.sig.times import CurrentTimeValue, DateTimeValue
from vitals.units import Unit

BYTES = st.integers(0, 255)
WORDS = st.integers(0, 0xFFFF)
SFLOATS = st.sampled_from(Special) | st.builds(
    lambda mantissa, exponent: Decimal(mantissa).scaleb(exponent), st.integers(-2045, 2045), st.integers(-8, 7)
)
FLOATS = st.sampled_from(Special) | st.builds(
    lambda mantissa, exponent: Decimal(mantissa).scaleb(exponent),
    st.integers(-(2**23) + 3, 2**23 - 3),
    st.integers(-128, 127),
)
DATE_TIMES = st.builds(DateTime, year=WORDS, month=BYTES, day=BYTES, hour=BYTES, minute=BYTES, second=BYTES)
BELIEVABLE = (
    st.sampled_from(Special)
    | st.integers(0, 142).map(Decimal)
    | st.builds(
        lambda mantissa, exponent: Decimal(mantissa).scaleb(exponent), st.integers(0, 1428), st.integers(-8, -1)
    )
)
"""Pressures that are believed in either unit."""
PRESSURES = {"systolic": BELIEVABLE, "diastolic": BELIEVABLE, "mean": BELIEVABLE}
PULSES = (
    st.sampled_from(Special)
    | st.just(Decimal(0))
    | st.integers(1, 999).map(Decimal)
    | st.builds(
        lambda mantissa, exponent: Decimal(mantissa).scaleb(exponent), st.integers(1000, 2045), st.integers(-3, -1)
    )
)
"""Pulse rates that somebody may have."""
CARRIED = {
    "unit": st.sampled_from((Unit.MMHG, Unit.KILOPASCAL)),
    "timestamp": st.none() | DATE_TIMES,
    "pulse_rate": st.none() | PULSES,
    "user_id": st.none() | BYTES,
    "status": st.none() | WORDS,
}

MESSAGES = {
    "SFLOAT": st.builds(Sfloat, value=SFLOATS),
    "FLOAT": st.builds(Float, value=FLOATS),
    "2A08": st.builds(DateTimeValue, timestamp=DATE_TIMES),
    "2A2B": st.builds(CurrentTimeValue, timestamp=DATE_TIMES, day_of_week=BYTES, fractions=BYTES, adjust_reason=BYTES),
    "2A35": st.builds(BloodPressureMeasurement, **PRESSURES, **CARRIED),
    "2A36": st.builds(IntermediateCuffPressure, cuff_pressure=SFLOATS, **CARRIED),
    "2A49": st.builds(BloodPressureFeature, features=WORDS.map(Feature)),
}
