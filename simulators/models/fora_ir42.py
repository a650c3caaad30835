"""FORA's thermometer IR42."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Final

from device_drivers import uuids
from device_drivers.sig.health_thermometer import TemperatureMeasurement, TemperatureType
from simulators.models.model import DeviceModel, Gatt, Look
from simulators.models.spot_check import BATTERY, INDICATE, SpotCheck, number


class IR42(SpotCheck):
    """It has no clock to read; it advertises its name alone."""

    gatt = Gatt(
        name="FORA IR42",
        services={uuids.HEALTH_THERMOMETER_SERVICE: {uuids.TEMPERATURE_MEASUREMENT: INDICATE}, **BATTERY},
    )
    measurement = uuids.TEMPERATURE_MEASUREMENT

    def kept(self, now: datetime) -> Iterable[bytes]:
        return (self.value(now),)

    def value(self, moment: datetime) -> bytes:
        temperature = number(self.look(moment).temperature)
        return bytes(TemperatureMeasurement(temperature=temperature, site=TemperatureType.BODY))


MODELS: Final[Mapping[str, Callable[[Look], DeviceModel]]] = {"fora-ir42": IR42}
