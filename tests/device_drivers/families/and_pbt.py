"""A&D's PBT series."""

from decimal import Decimal

from hypothesis import strategies as st

from device_drivers.cuffs import and_pbt
from device_drivers.cuffs.and_pbt import ConfigurationRequest, Measurement
from device_drivers.cuffs.and_pbt_payloads import BloodPressure, Weighing
from device_drivers.date_time import DateTime
from tests.device_drivers.families.family import Stream
from tests.device_drivers.families.sig_measurements import BYTES, DATE_TIMES
from vitals.parameters import Parameter

NOON = DateTime(year=2026, month=11, day=23, hour=12, minute=0, second=0)
PRINTABLE = st.characters(min_codepoint=0x21, max_codepoint=0x7E)


def numbers(digits: int, places: int) -> st.SearchStrategy[Decimal]:
    """Of so many digits, the last of them decimals."""
    return st.integers(0, 10**digits - 1).map(lambda number: Decimal(number).scaleb(-places))


@st.composite
def pressures(draw: st.DrawFn) -> BloodPressure:
    """Measured, or failed."""
    if draw(st.booleans()):
        failed = draw(BYTES.filter(lambda status: status != 0x80))
        return BloodPressure(systolic=None, diastolic=None, mean=None, pulse_rate=None, status=failed)
    number = st.none() | st.integers(1, 255)
    diastolic, above = draw(number), draw(BYTES)
    systolic = None if diastolic is None else above + diastolic
    return BloodPressure(systolic=systolic, diastolic=diastolic, mean=draw(number), pulse_rate=draw(number))


WEIGHTS = st.builds(Weighing, weight_kg=numbers(5, 2)) | st.builds(Weighing, weight_lb=numbers(5, 1))
COMPOSITIONS = st.builds(
    Weighing,
    weight_kg=numbers(5, 2),
    impedance_ohm=st.none() | numbers(5, 1),
    fat_pct=st.none() | numbers(3, 1),
    height_mm=st.none() | st.integers(0, 9999),
    basal_kcal=st.none() | st.integers(0, 99999),
    muscle_kg=st.none() | numbers(4, 1),
    water_kg=st.none() | numbers(4, 1),
    user=st.none() | st.integers(0, 99),
)
HEADER = {
    "measured": DATE_TIMES,
    "transmitted": DATE_TIMES,
    "bdaddr": st.binary(min_size=6, max_size=6).map(lambda address: address.hex(":").upper()),
    "serial": st.text(PRINTABLE, max_size=12),
    "flag": BYTES,
    "peer": st.binary(min_size=6, max_size=6),
    "reserved": st.binary(min_size=10, max_size=10),
    "battery": BYTES,
    "firmware": BYTES,
    "prefix": st.sampled_from((None, "PWCAPI", "PWRQPI001")),
}


def pressure(systolic: int) -> Measurement:
    payload = BloodPressure(systolic=systolic, diastolic=60, mean=70, pulse_rate=80)
    return said(and_pbt.CUFF, payload)


def said(device_type: int, payload: BloodPressure | Weighing, **fields: DateTime) -> Measurement:
    times = {"measured": NOON, "transmitted": NOON, **fields}
    return Measurement(
        device_type=device_type, payload=payload, bdaddr="00:09:1F:80:4A:ED", serial="5120400017", **times
    )


def weight(kilograms: int) -> Measurement:
    return said(and_pbt.SCALE, Weighing(weight_kg=Decimal(kilograms)))


def kept(message: Measurement) -> bytes:
    """The header up to the time of measurement, and the payload."""
    return bytes(message)[:16] + bytes(message.payload)


MESSAGES = {
    "and-pbt": st.builds(Measurement, device_type=st.just(and_pbt.CUFF), payload=pressures(), **HEADER)
    | st.builds(Measurement, device_type=st.just(and_pbt.SCALE), payload=WEIGHTS, **HEADER)
    | st.builds(Measurement, device_type=st.just(and_pbt.BODY_SCALE), payload=COMPOSITIONS, **HEADER)
    | st.builds(ConfigurationRequest, configuration_request=st.text(PRINTABLE, min_size=3, max_size=3)),
    "and-pbt-payload": pressures(),
}
STREAMS = {
    "and-pbt": Stream(
        unit=lambda systolic: bytes(pressure(systolic)),
        parameter=Parameter.SYSTOLIC,
        raw=lambda systolic: kept(pressure(systolic)),
    ),
    "and-pbt-scale": Stream(
        unit=lambda kilograms: bytes(weight(kilograms)),
        parameter=Parameter.WEIGHT,
        raw=lambda kilograms: kept(weight(kilograms)),
    ),
}
