"""The Temp Sitter's frames."""

from decimal import Decimal

from hypothesis import strategies as st

from device_drivers.thermometers.temp_sitter import NOTIFY, TemperatureFrame
from tests.device_drivers.families.family import Stream
from vitals.parameters import Parameter

MESSAGES = {
    "temp-sitter": st.builds(
        TemperatureFrame, temperature=st.integers(0, 0xFFFF).map(lambda hundredths: Decimal(hundredths) / 100)
    ),
}
STREAMS = {
    "temp-sitter": Stream(
        unit=lambda celsius: bytes(TemperatureFrame(temperature=Decimal(celsius))),
        parameter=Parameter.TEMPERATURE,
        notify=NOTIFY,
    ),
}
