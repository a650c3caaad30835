"""Thermometers' further characteristics, oximeters, heart rate monitors and clocks of the Bluetooth SIG's services."""

from hypothesis import strategies as st

from device_drivers.sig.health_thermometer import MeasurementInterval, TemperatureMeasurement, TemperatureTypeValue
from device_drivers.sig.heart_rate import BodySensorLocation, HeartRateMeasurement
from device_drivers.sig.pulse_oximeter import Continuous, Feature, Features, SpotCheck
from device_drivers.sig.record_access import Op, Operator, RecordAccess
from device_drivers.sig.times import LocalTimeInformation
from tests.device_drivers.families.sig_measurements import BYTES, DATE_TIMES, FLOATS, SFLOATS, WORDS
from vitals.units import Unit

STATUSES = st.integers(0, 0xFFFFFF)
TEMPERATURES = st.builds(
    TemperatureMeasurement,
    temperature=FLOATS,
    unit=st.sampled_from((Unit.CELSIUS, Unit.FAHRENHEIT)),
    timestamp=st.none() | DATE_TIMES,
    site=st.none() | BYTES,
    reserved_flags=st.none() | st.integers(1, 31).map(lambda bits: bits << 3),
)
NUMBERS = {
    "spo2": SFLOATS,
    "pulse_rate": SFLOATS,
    "measurement_status": st.none() | WORDS,
    "device_sensor_status": st.none() | STATUSES,
    "pai": st.none() | SFLOATS,
}
OPERANDS = {Operator.AT_MOST, Operator.AT_LEAST, Operator.WITHIN}


@st.composite
def continuous(draw: st.DrawFn) -> Continuous:
    """With fast and slow pairs or without."""
    pairs = {
        f"{name}_{pace}": draw(SFLOATS)
        for pace in ("fast", "slow")
        if draw(st.booleans())
        for name in ("spo2", "pulse_rate")
    }
    return Continuous(**pairs, **{name: draw(values) for name, values in NUMBERS.items()})


@st.composite
def features(draw: st.DrawFn) -> Features:
    """With the words that bits 0 and 1 promise."""
    bits = draw(WORDS)
    return Features(
        features=bits,
        measurement_status_support=draw(WORDS) if bits & Feature.MEASUREMENT_STATUS else None,
        device_sensor_support=draw(STATUSES) if bits & Feature.DEVICE_STATUS else None,
    )


@st.composite
def requests(draw: st.DrawFn) -> RecordAccess:
    """With an operand where the operator has one."""
    operator = draw(BYTES)
    return RecordAccess(
        op=draw(st.sampled_from((Op.REPORT, Op.ABORT, Op.REPORT_COUNT))),
        operator=operator,
        operand=draw(st.binary(max_size=18)) if operator in OPERANDS else None,
    )


MESSAGES = {
    "2A1C": TEMPERATURES,
    "2A1E": TEMPERATURES,
    "2A1D": st.builds(TemperatureTypeValue, site=BYTES),
    "2A21": st.builds(MeasurementInterval, interval_seconds=WORDS),
    "2A5E": st.builds(SpotCheck, timestamp=st.none() | DATE_TIMES, clock_not_set=st.booleans(), **NUMBERS),
    "2A5F": continuous(),
    "2A60": features(),
    "2A52": requests()
    | st.builds(RecordAccess, op=st.just(Op.RESPONSE), operator=BYTES, request=BYTES, code=BYTES)
    | st.builds(RecordAccess, op=st.just(Op.COUNT), operator=BYTES, count=WORDS),
    "2A37": st.builds(
        HeartRateMeasurement,
        heart_rate=WORDS,
        contact=st.none() | st.booleans(),
        energy_expended_kj=st.none() | WORDS,
        rr_intervals=st.none() | st.lists(WORDS, max_size=9).map(tuple),
    ),
    "2A38": st.builds(BodySensorLocation, location=BYTES),
    "2A0F": st.builds(
        LocalTimeInformation,
        time_zone=st.none() | st.integers(-127, 127),
        dst_offset=st.none() | st.integers(0, 254),
    ),
}
NEVER = {
    key: [bytes((2, operator)) for operator in range(7)]
    for key in ("sig-pulse-oximeter", "sig-pulse-oximeter-spot", "sig-glucose")
}
