"""Beurer's cuff BM85 and thermometer FT95."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from device_drivers import uuids
from device_drivers.cuffs.beurer_ble import SwappedMeasurement
from device_drivers.thermometers.beurer_ft95 import Ft95Measurement
from simulators.models.model import DeviceModel, Gatt, Look, Said
from simulators.models.spot_check import BATTERY, CURRENT_TIME, INDICATE, SpotCheck, number

SETTLING: Final = timedelta(milliseconds=100)
"""A subscription that comes earlier than so long after the connection is forgotten."""
NO_KNOWN_SITE: Final = 0xFF


class BM85(SpotCheck):
    """The cuff."""

    gatt = Gatt(
        name="BM85",
        services={
            uuids.BLOOD_PRESSURE_SERVICE: {uuids.BLOOD_PRESSURE_MEASUREMENT: INDICATE},
            **CURRENT_TIME,
            **BATTERY,
        },
        advertised=(uuids.BLOOD_PRESSURE_SERVICE,),
    )
    measurement = uuids.BLOOD_PRESSURE_MEASUREMENT
    clock = uuids.CURRENT_TIME

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        self._since: datetime | None = None

    def connected(self, now: datetime) -> Sequence[Said]:
        self._since = now
        return ()

    def subscribed(self, now: datetime, characteristic: str) -> Sequence[Said]:
        if self._since is None or now - self._since < SETTLING:
            return ()
        return super().subscribed(now, characteristic)

    def value(self, moment: datetime) -> bytes:
        body = self.look(moment)
        measurement = SwappedMeasurement(
            systolic=number(body.systolic),
            diastolic=number(body.diastolic),
            mean=number(0),
            timestamp=self.stamp(moment),
            pulse_rate=number(body.pulse_rate),
            user_id=1,
            status=0,
        )
        return bytes(measurement)


class FT95(SpotCheck):
    """The thermometer."""

    gatt = Gatt(
        name="FT95",
        services={uuids.HEALTH_THERMOMETER_SERVICE: {uuids.TEMPERATURE_MEASUREMENT: INDICATE}, **BATTERY},
        advertised=(uuids.HEALTH_THERMOMETER_SERVICE,),
    )
    measurement = uuids.TEMPERATURE_MEASUREMENT

    def value(self, moment: datetime) -> bytes:
        temperature = number(self.look(moment).temperature)
        measurement = Ft95Measurement(
            temperature=temperature, timestamp=self.stamp(moment), site=NO_KNOWN_SITE, bit_3=True, bit_7=True
        )
        return bytes(measurement)


MODELS: Final[Mapping[str, Callable[[Look], DeviceModel]]] = {"beurer-ble-cuff": BM85, "beurer-ft95": FT95}
