"""FORA's thermometer IR42: the Bluetooth SIG's Health Thermometer, by the letter.

It advertises its name and not the service. Two clients read it so (RyadhDirga/BleSniffing, ForaIR42.py, is one); a third has met one that answers
nothing here and sends its temperatures to TaiDoc's commands: for such a one, name TaiDoc's driver in the configuration.
"""

from functools import partial
from typing import Final

from device_drivers.advertisement import Marks
from device_drivers.driver import Driver, Transport, Verified
from device_drivers.format import AnyFormat
from device_drivers.sig import health_thermometer, session
from vitals.identifiers import DeviceType
from vitals.parameters import Parameter

FORMATS: Final[tuple[AnyFormat, ...]] = ()
DRIVERS: Final[tuple[Driver, ...]] = (
    Driver(
        key="fora-ir42",
        title="FORA IR42 thermometer (Health Thermometer profile)",
        device_type=DeviceType.THERMOMETER,
        transport=Transport.BLE,
        formats=("2A1C",),
        measures=(Parameter.TEMPERATURE,),
        marks=(Marks(names=("FORA IR42",)),),
        session=partial(health_thermometer.Session, profile=health_thermometer.PROFILE),
        verified=(Verified.STANDARD, Verified.SECOND_SOURCE),
        sleeps=True,
        stale_after_seconds=300,
        options=session.OPTIONS,
        missing="IR42s that speak TaiDoc's protocol alone",
    ),
)
