"""Scales, glucose meters, batteries, devices' names, and the cuffs and thermometers that are nearly of the Bluetooth SIG's profiles."""

from decimal import Decimal

from hypothesis import strategies as st

from device_drivers.cuffs.beurer_ble import SwappedMeasurement
from device_drivers.sig.battery import BatteryLevel
from device_drivers.sig.certification import Certification, CertificationList
from device_drivers.sig.device_information import TEXT_LIMIT, PnpId, SystemId, Text
from device_drivers.sig.glucose import Concentration, GlucoseMeasurement
from device_drivers.sig.weight_scale import WeightMeasurement, WeightScaleFeature
from device_drivers.thermometers.beurer_ft95 import Ft95Measurement
from tests.device_drivers.families.sig_measurements import (
    BYTES,
    CARRIED,
    DATE_TIMES,
    FLOATS,
    PRESSURES,
    SFLOATS,
    WORDS,
)
from vitals.units import Unit

NIBBLES = st.integers(0, 15)
TEXTS = st.text(max_size=60).filter(lambda text: not text.endswith("\0") and len(text.encode()) <= TEXT_LIMIT)


@st.composite
def weights(draw: st.DrawFn) -> WeightMeasurement:
    """In steps of each unit."""
    pounds = draw(st.booleans())
    steps = draw(st.none() | st.tuples(WORDS, WORDS))
    return WeightMeasurement(
        weight=draw(st.none() | st.integers(0, 0xFFFE).map(lambda step: step * Decimal("0.01" if pounds else "0.005"))),
        unit=Unit.POUND if pounds else Unit.KILOGRAM,
        timestamp=draw(st.none() | DATE_TIMES),
        user_id=draw(st.none() | BYTES),
        bmi=None if steps is None else steps[0] * Decimal("0.1"),
        height=None if steps is None else steps[1] * Decimal("0.1" if pounds else "0.001"),
    )


@st.composite
def records(draw: st.DrawFn) -> GlucoseMeasurement:
    """With a sample or without."""
    sample = {
        "concentration": draw(SFLOATS),
        "unit": draw(st.sampled_from(Concentration)),
        "type": draw(NIBBLES),
        "location": draw(NIBBLES),
    }
    return GlucoseMeasurement(
        sequence=draw(WORDS),
        base_time=draw(DATE_TIMES),
        time_offset_min=draw(st.none() | st.integers(-0x8000, 0x7FFF)),
        sensor_status=draw(st.none() | WORDS),
        context_follows=draw(st.booleans()),
        **(sample if draw(st.booleans()) else {}),
    )


MESSAGES = {
    "2A9D": weights(),
    "2A9E": st.builds(
        WeightScaleFeature,
        timestamp=st.booleans(),
        multiple_users=st.booleans(),
        bmi=st.booleans(),
        weight_resolution=NIBBLES,
        height_resolution=st.integers(0, 7),
    ),
    "2A18": records(),
    "2A19": st.builds(BatteryLevel, level=st.integers(0, 100)),
    **{key: st.builds(Text, text=TEXTS) for key in ("2A29", "2A24", "2A25", "2A26", "2A27", "2A28")},
    "2A2A": st.builds(
        CertificationList,
        certifications=st.lists(
            st.builds(Certification, body=BYTES, kind=BYTES, said=st.binary(max_size=12)), max_size=4
        ).map(tuple),
    ),
    "2A23": st.builds(SystemId, oui=st.binary(min_size=3, max_size=3), identifier=st.binary(min_size=5, max_size=5)),
    "2A50": st.builds(PnpId, vendor_id_source=BYTES, vendor_id=WORDS, product_id=WORDS, product_version=WORDS),
    "2A35-beurer-swapped": st.builds(SwappedMeasurement, **{**PRESSURES, **CARRIED, "user_id": BYTES}),
    "2A1C-beurer-ft95": st.builds(
        Ft95Measurement,
        temperature=FLOATS,
        unit=st.sampled_from((Unit.CELSIUS, Unit.FAHRENHEIT)),
        timestamp=st.none() | DATE_TIMES,
        site=st.none() | BYTES,
        reserved_flags=st.none() | st.integers(1, 7).map(lambda bits: bits << 4),
        bit_3=st.booleans(),
        bit_7=st.booleans(),
    ),
}
ERASING = [bytes.fromhex("020112"), bytes.fromhex("020110")]
"""A&D's commands that delete all measurements, and the bond."""
NEVER = {
    "and-ua651ble": ERASING,
    "and-ut201ble": ERASING,
    "sig-glucose": [bytes((2,)) + bytes((operator,)) for operator in range(7)],
}
