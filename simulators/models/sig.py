"""A cuff, a thermometer, oximeters and a heart rate monitor of the Bluetooth SIG's profiles."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from device_drivers import uuids
from device_drivers.errors import Undecodable
from device_drivers.sig.blood_pressure import BloodPressureFeature, BloodPressureMeasurement, Feature
from device_drivers.sig.health_thermometer import (
    MeasurementInterval,
    TemperatureMeasurement,
    TemperatureType,
    TemperatureTypeValue,
)
from device_drivers.sig.heart_rate import BodySensorLocation, HeartRateMeasurement, Location
from device_drivers.sig.oximeter_status import DeviceStatus, MeasurementStatus
from device_drivers.sig.pulse_oximeter import Continuous, Features, SpotCheck
from device_drivers.sig.pulse_oximeter import Feature as OximeterFeature
from device_drivers.sig.record_access import Code, Op, Operator, RecordAccess
from simulators.models import spot_check
from simulators.models.model import Cadence, DeviceModel, Gatt, Look, Said
from simulators.models.spot_check import BATTERY, CURRENT_TIME, EARLIER, INDICATE, NOTIFY, READ, WRITE_AND_INDICATE

RECORDS: Final = 2
"""In an oximeter's memory."""
BEAT_UNITS: Final = 60 * 1024
"""1/1024 s in a minute."""
_UNKNOWN: Final = Code.OPCODE_NOT_SUPPORTED


class Cuff(spot_check.SpotCheck):
    """Indicates what it measured earlier and now, with its clock in the profile's own service."""

    gatt = Gatt(
        name="Cuff",
        services={
            uuids.BLOOD_PRESSURE_SERVICE: {
                uuids.BLOOD_PRESSURE_MEASUREMENT: INDICATE,
                uuids.BLOOD_PRESSURE_FEATURE: READ,
                uuids.DATE_TIME: spot_check.CLOCK,
            },
            **BATTERY,
        },
        advertised=(uuids.BLOOD_PRESSURE_SERVICE,),
    )
    measurement = uuids.BLOOD_PRESSURE_MEASUREMENT

    def value(self, moment: datetime) -> bytes:
        body = self.look(moment)
        measured = BloodPressureMeasurement(
            systolic=spot_check.number(body.systolic),
            diastolic=spot_check.number(body.diastolic),
            mean=spot_check.number(body.mean),
            timestamp=self.stamp(moment),
            pulse_rate=spot_check.number(body.pulse_rate),
            status=0,
        )
        return bytes(measured)

    def read(self, now: datetime, characteristic: str) -> bytes:
        if characteristic == uuids.BLOOD_PRESSURE_FEATURE:
            return bytes(BloodPressureFeature(features=Feature.CUFF_FIT_DETECTION | Feature.IRREGULAR_PULSE_DETECTION))
        return super().read(now, characteristic)


class Thermometer(spot_check.SpotCheck):
    """Indicates what it measured earlier and now; where it measures is the same each time, and so said once, in a characteristic of its own."""

    gatt = Gatt(
        name="Thermometer",
        services={
            uuids.HEALTH_THERMOMETER_SERVICE: {
                uuids.TEMPERATURE_MEASUREMENT: INDICATE,
                uuids.TEMPERATURE_TYPE: READ,
                uuids.MEASUREMENT_INTERVAL: READ,
            },
            **CURRENT_TIME,
            **BATTERY,
        },
        advertised=(uuids.HEALTH_THERMOMETER_SERVICE,),
    )
    measurement = uuids.TEMPERATURE_MEASUREMENT
    clock = uuids.CURRENT_TIME

    def value(self, moment: datetime) -> bytes:
        temperature = spot_check.number(self.look(moment).temperature)
        return bytes(TemperatureMeasurement(temperature=temperature, timestamp=self.stamp(moment)))

    def read(self, now: datetime, characteristic: str) -> bytes:
        if characteristic == uuids.TEMPERATURE_TYPE:
            return bytes(TemperatureTypeValue(site=TemperatureType.TYMPANUM))
        if characteristic == uuids.MEASUREMENT_INTERVAL:
            return bytes(MeasurementInterval(interval_seconds=0))
        return super().read(now, characteristic)


class Fingertip(spot_check.SpotCheck):
    """An oximeter that indicates what it measured earlier and now, and sleeps."""

    gatt = Gatt(
        name="Fingertip",
        services={
            uuids.PULSE_OXIMETER_SERVICE: {uuids.PLX_SPOT_CHECK: INDICATE, uuids.PLX_FEATURES: READ},
            **CURRENT_TIME,
            **BATTERY,
        },
        advertised=(uuids.PULSE_OXIMETER_SERVICE,),
    )
    measurement = uuids.PLX_SPOT_CHECK
    clock = uuids.CURRENT_TIME
    features = OximeterFeature.SPOT_CHECK_TIMESTAMP | OximeterFeature.PULSE_AMPLITUDE_INDEX

    def value(self, moment: datetime) -> bytes:
        return bytes(self.spot_check(moment, MeasurementStatus.FULLY_QUALIFIED_DATA))

    def spot_check(self, moment: datetime, status: MeasurementStatus) -> SpotCheck:
        """What was measured at `moment`."""
        body = self.look(moment)
        return SpotCheck(
            spo2=spot_check.number(body.spo2),
            pulse_rate=spot_check.number(body.pulse_rate),
            timestamp=self.stamp(moment),
            measurement_status=status.value,
            pai=spot_check.number(body.perfusion_index),
        )

    def read(self, now: datetime, characteristic: str) -> bytes:
        if characteristic == uuids.PLX_FEATURES:
            return bytes(Features(features=self.features.value))
        return super().read(now, characteristic)


class Oximeter(Fingertip):
    """Notifies once a second, finger or not, and reports the records of its memory to whoever asks for all of them."""

    gatt = Gatt(
        name="Oximeter",
        services={
            uuids.PULSE_OXIMETER_SERVICE: {
                uuids.PLX_CONTINUOUS: NOTIFY,
                uuids.PLX_SPOT_CHECK: INDICATE,
                uuids.PLX_FEATURES: READ,
                uuids.RECORD_ACCESS_CONTROL_POINT: WRITE_AND_INDICATE,
            },
            **CURRENT_TIME,
            **BATTERY,
        },
        advertised=(uuids.PULSE_OXIMETER_SERVICE,),
    )
    features = Fingertip.features | OximeterFeature.SPOT_CHECK_STORAGE

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        self._seconds = Cadence(1)

    @property
    def may_send(self) -> bool:
        return False

    @property
    def finished(self) -> bool:
        return False

    def received(self, now: datetime, data: bytes, characteristic: str | None = None) -> Sequence[Said]:
        if characteristic == uuids.RECORD_ACCESS_CONTROL_POINT and characteristic in self.listeners:
            self._asked(now, data)
        return super().received(now, data, characteristic)

    def step(self, now: datetime) -> Sequence[Said]:
        said = list(super().step(now))
        if uuids.PLX_CONTINUOUS in self.listeners and self._seconds.due(now):
            said.append(Said(data=bytes(self._continuous(now)), characteristic=uuids.PLX_CONTINUOUS))
        return said

    def _continuous(self, now: datetime) -> Continuous:
        body = self.look(now)
        finger = body.spo2 is not None
        return Continuous(
            spo2=spot_check.number(body.spo2),
            pulse_rate=spot_check.number(body.pulse_rate),
            measurement_status=MeasurementStatus.MEASUREMENT_ONGOING.value,
            device_sensor_status=0 if finger else DeviceStatus.SENSOR_UNCONNECTED_TO_USER.value,
            pai=spot_check.number(body.perfusion_index if finger else None),
        )

    def _asked(self, now: datetime, data: bytes) -> None:
        code = _answer(data)
        if code is Code.SUCCESS:
            self.say(
                uuids.PLX_SPOT_CHECK, *(self._record(now - EARLIER * (RECORDS - place)) for place in range(RECORDS))
            )
        response = RecordAccess(op=Op.RESPONSE, request=data[0] if data else 0, code=code)
        self.say(uuids.RECORD_ACCESS_CONTROL_POINT, bytes(response))

    def _record(self, moment: datetime) -> bytes:
        return bytes(self.spot_check(moment, MeasurementStatus.DATA_FROM_STORAGE))


def _answer(data: bytes) -> Code:
    """It knows one request, for all records."""
    try:
        request = RecordAccess.from_bytes(data)
    except Undecodable:
        return _UNKNOWN
    if request.op is not Op.REPORT:
        return _UNKNOWN
    return Code.SUCCESS if request.operator == Operator.ALL else Code.OPERATOR_NOT_SUPPORTED


class HeartRateMonitor(DeviceModel):
    """A strap round the chest: notifies once a second, with contact or without."""

    gatt = Gatt(
        name="Strap",
        services={
            uuids.HEART_RATE_SERVICE: {uuids.HEART_RATE_MEASUREMENT: NOTIFY, uuids.BODY_SENSOR_LOCATION: READ},
            **BATTERY,
        },
        advertised=(uuids.HEART_RATE_SERVICE,),
    )

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        self._listened = False
        self._seconds = Cadence(1)

    def subscribed(self, now: datetime, characteristic: str) -> Sequence[Said]:
        self._listened |= characteristic == uuids.HEART_RATE_MEASUREMENT
        return ()

    def read(self, now: datetime, characteristic: str) -> bytes:
        if characteristic == uuids.BODY_SENSOR_LOCATION:
            return bytes(BodySensorLocation(location=Location.CHEST))
        if characteristic == uuids.BATTERY_LEVEL:
            return bytes((spot_check.BATTERY_PERCENT,))
        return super().read(now, characteristic)

    def step(self, now: datetime) -> Sequence[Said]:
        if not self._listened or not self._seconds.due(now):
            return ()
        rate = self.look(now).pulse_rate or 0
        beats = (round(Decimal(BEAT_UNITS) / rate),) if rate else None
        value = HeartRateMeasurement(heart_rate=rate, contact=bool(rate), rr_intervals=beats)
        return (Said(data=bytes(value), characteristic=uuids.HEART_RATE_MEASUREMENT),)


MODELS: Final[Mapping[str, Callable[[Look], DeviceModel]]] = {
    "sig-blood-pressure": Cuff,
    "sig-health-thermometer": Thermometer,
    "sig-pulse-oximeter": Oximeter,
    "sig-pulse-oximeter-spot": Fingertip,
    "sig-heart-rate": HeartRateMonitor,
}
