"""TaiDoc's frames."""

from decimal import Decimal

from hypothesis import strategies as st

from device_drivers.cuffs.taidoc import BloodPressure, Frame, Glucose, RecordTime, Saturation, Temperature
from device_drivers.cuffs.taidoc_session import CHARACTERISTIC
from device_drivers.date_time import DateTime
from tests.device_drivers.families.family import Stream
from vitals.parameters import Parameter

BYTES = st.integers(0, 255)
NUMBERS = st.none() | st.integers(1, 255)
WORDS = st.none() | st.integers(1, 0xFFFF)
DEGREES = (
    st.none()
    | st.integers(1, 999).map(lambda tenths: Decimal(tenths).scaleb(-1))
    | st.integers(1000, 0xFFFF).map(lambda hundredths: Decimal(hundredths).scaleb(-2))
)
TIMES = st.builds(
    DateTime,
    year=st.integers(2000, 2127),
    month=st.integers(0, 15),
    day=st.integers(0, 31),
    hour=st.integers(0, 31),
    minute=st.integers(0, 63),
    second=st.just(0),
)


def unit(value, kind=0):
    """The time and the value of one record."""
    time = RecordTime(timestamp=DateTime.parse("2026-11-23T13:00:00"), kind=kind)
    return bytes(time) + bytes(value)


def pressure_unit(systolic):
    return unit(BloodPressure(systolic=systolic, diastolic=60, pulse_rate=70), kind=2)


def stream(make, parameter, notify=CHARACTERISTIC):
    return Stream(unit=make, parameter=parameter, notify=notify)


def glucose_unit(glucose):
    return unit(Glucose(glucose=glucose))


MESSAGES = {
    "taidoc-cmd": st.builds(Frame, cmd=BYTES, data=st.binary(min_size=4, max_size=4), from_device=st.booleans()),
    "taidoc-time": st.builds(
        RecordTime, timestamp=TIMES, kind=st.integers(0, 3), marks=st.integers(0, 7), clock=st.booleans()
    ),
    "taidoc-bp": st.builds(
        BloodPressure, systolic=st.none() | st.integers(1, 511), diastolic=NUMBERS, pulse_rate=NUMBERS
    )
    | st.builds(BloodPressure, systolic=NUMBERS, diastolic=NUMBERS, pulse_rate=NUMBERS, mean=st.integers(2, 255)),
    "taidoc-temp": st.builds(Temperature, temperature=DEGREES, ambient=DEGREES),
    "taidoc-spo2": st.builds(Saturation, spo2=WORDS, pulse_rate=NUMBERS, live=st.booleans()),
    "taidoc-glucose": st.builds(
        Glucose,
        glucose=WORDS,
        meal=st.integers(0, 3),
        substance=st.integers(0, 15),
        code=st.integers(0, 0x3FF),
    ),
}
STREAMS = {
    "fora-bp": stream(pressure_unit, Parameter.SYSTOLIC),
    "fora-thermometer": stream(lambda number: unit(Temperature(temperature=Decimal(number))), Parameter.TEMPERATURE),
    "fora-oximeter": stream(lambda spo2: unit(Saturation(spo2=spo2, pulse_rate=70)), Parameter.SPO2),
    "fora-glucose": stream(glucose_unit, Parameter.GLUCOSE),
    "taidoc-glucose-serial": stream(glucose_unit, Parameter.GLUCOSE, notify=None),
}
_FORBIDDEN = [bytes((0x51, cmd)) for cmd in (0x43, 0x50, 0x52)]  # start a measurement, turn off, erase
NEVER = dict.fromkeys(STREAMS, _FORBIDDEN)
