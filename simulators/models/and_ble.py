"""A&D's cuff UA-651BLE and thermometer UT-201BLE."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from device_drivers import uuids
from device_drivers.cuffs import and_ble
from device_drivers.sig.blood_pressure import BloodPressureMeasurement
from device_drivers.sig.health_thermometer import TemperatureMeasurement, TemperatureType
from simulators.models.model import DeviceModel, Gatt, Look, Said
from simulators.models.spot_check import BATTERY, CLOCK, EARLIER, INDICATE, SpotCheck, number


class AndDevice(SpotCheck):
    """Waits until its clock was set; keeps what is stored to itself until it is asked for it; leaves when told to."""

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        self._sends_all = False
        self._was_dismissed = False

    @property
    def may_send(self) -> bool:
        return super().may_send and self.clock_was_set

    def kept(self, now: datetime) -> Iterable[bytes]:
        return [self.value(now - EARLIER)] * self._sends_all + [self.value(now)]

    def received(self, now: datetime, data: bytes, characteristic: str | None = None) -> Sequence[Said]:
        if characteristic == and_ble.COMMANDS:
            self._sends_all |= data == and_ble.SEND_ALL
            self._was_dismissed |= data == and_ble.DISCONNECT
        return super().received(now, data, characteristic)

    @property
    def finished(self) -> bool:
        return self._was_dismissed or super().finished


class UA651BLE(AndDevice):
    """The cuff."""

    gatt = Gatt(
        name="A&D_UA-651BLE_D6A2F1",
        services={
            uuids.BLOOD_PRESSURE_SERVICE: {uuids.BLOOD_PRESSURE_MEASUREMENT: INDICATE, uuids.DATE_TIME: CLOCK},
            and_ble.SERVICE: {and_ble.COMMANDS: CLOCK},
            **BATTERY,
        },
        advertised=(uuids.BLOOD_PRESSURE_SERVICE,),
    )
    measurement = uuids.BLOOD_PRESSURE_MEASUREMENT

    def value(self, moment: datetime) -> bytes:
        body = self.look(moment)
        measurement = BloodPressureMeasurement(
            systolic=number(body.systolic),
            diastolic=number(body.diastolic),
            mean=number(body.mean),
            timestamp=self.stamp(moment),
            pulse_rate=number(body.pulse_rate),
            status=0,
        )
        return bytes(measurement)


class UT201BLE(AndDevice):
    """The thermometer."""

    gatt = Gatt(
        name="A&D_UT201BLE_76C9B8",
        services={
            uuids.HEALTH_THERMOMETER_SERVICE: {uuids.TEMPERATURE_MEASUREMENT: INDICATE, uuids.DATE_TIME: CLOCK},
            and_ble.SERVICE: {and_ble.COMMANDS: CLOCK},
            **BATTERY,
        },
        advertised=(uuids.HEALTH_THERMOMETER_SERVICE,),
    )
    measurement = uuids.TEMPERATURE_MEASUREMENT

    def value(self, moment: datetime) -> bytes:
        temperature = number(self.look(moment).temperature)
        measurement = TemperatureMeasurement(
            temperature=temperature, timestamp=self.stamp(moment), site=TemperatureType.ARMPIT
        )
        return bytes(measurement)


MODELS: Final[Mapping[str, Callable[[Look], DeviceModel]]] = {"and-ua651ble": UA651BLE, "and-ut201ble": UT201BLE}
