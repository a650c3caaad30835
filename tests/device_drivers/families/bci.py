"""BCI's frame, on a line and on the radio."""

from hypothesis import strategies as st

from device_drivers.oximeters import bci
from tests.device_drivers.families.family import Stream

FLAGS = {name: st.booleans() for name in ("no_signal", "probe_unplugged", "beep", "no_finger", "searching")}
NUMBERS = {
    "spo2": st.none() | st.integers(0, 126),
    "pulse_rate": st.none() | st.integers(0, 254),
    "pleth": st.integers(0, 127),
    "bargraph": st.integers(0, 15),
    "signal_strength": st.integers(0, 15),
}


def unit(spo2: int) -> bytes:
    return bytes(bci.DataPacket(spo2=spo2, pulse_rate=70, pleth=50, bargraph=5, signal_strength=7))


MESSAGES = {"bci-5byte": st.builds(bci.DataPacket, **NUMBERS, **FLAGS)}
STREAMS = {
    "bci-serial": Stream(unit=unit, checked=False),
    "berry-ble": Stream(unit=unit, checked=False, notify=bci.BERRY_NOTIFY),
}
