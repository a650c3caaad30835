"""A scale and a glucose meter of the Bluetooth SIG's profiles."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from device_drivers import uuids
from device_drivers.errors import Undecodable
from device_drivers.sig.glucose import Concentration, GlucoseMeasurement, SampleLocation, SampleType
from device_drivers.sig.record_access import Code, Op, Operator, RecordAccess
from device_drivers.sig.weight_scale import WeightMeasurement, WeightScaleFeature
from simulators.models.model import DeviceModel, Gatt, Look, Said
from simulators.models.spot_check import (
    BATTERY,
    CURRENT_TIME,
    EARLIER,
    INDICATE,
    NOTIFY,
    READ,
    WRITE_AND_INDICATE,
    SpotCheck,
)

RECORDS: Final = 3
"""In the meter's memory; the first is a check with a control solution."""


class WeightScale(SpotCheck):
    """Sends the weight of earlier and of now to whoever listens."""

    gatt = Gatt(
        name="Scale",
        services={
            uuids.WEIGHT_SCALE_SERVICE: {uuids.WEIGHT_MEASUREMENT: INDICATE, uuids.WEIGHT_SCALE_FEATURE: READ},
            **CURRENT_TIME,
            **BATTERY,
        },
        advertised=(uuids.WEIGHT_SCALE_SERVICE,),
    )
    measurement = uuids.WEIGHT_MEASUREMENT
    clock = uuids.CURRENT_TIME

    def value(self, moment: datetime) -> bytes:
        return bytes(WeightMeasurement(weight=self.look(moment).weight, timestamp=self.stamp(moment), user_id=1))

    def read(self, now: datetime, characteristic: str) -> bytes:
        if characteristic == uuids.WEIGHT_SCALE_FEATURE:
            feature = WeightScaleFeature(
                timestamp=True, multiple_users=True, bmi=False, weight_resolution=7, height_resolution=0
            )
            return bytes(feature)
        return super().read(now, characteristic)


class GlucoseMeter(SpotCheck):
    """Sends nothing until its records are asked for, then all of them, and that these were all."""

    gatt = Gatt(
        name="Meter",
        services={
            uuids.GLUCOSE_SERVICE: {
                uuids.GLUCOSE_MEASUREMENT: NOTIFY,
                uuids.RECORD_ACCESS_CONTROL_POINT: WRITE_AND_INDICATE,
            },
            **CURRENT_TIME,
            **BATTERY,
        },
        advertised=(uuids.GLUCOSE_SERVICE,),
    )
    measurement = uuids.GLUCOSE_MEASUREMENT
    clock = uuids.CURRENT_TIME

    @property
    def may_send(self) -> bool:
        return False

    def received(self, now: datetime, data: bytes, characteristic: str | None = None) -> Sequence[Said]:
        ready = {self.measurement, uuids.RECORD_ACCESS_CONTROL_POINT} <= self.listeners
        if characteristic == uuids.RECORD_ACCESS_CONTROL_POINT and ready:
            self._asked(now, data)
        return super().received(now, data, characteristic)

    def _asked(self, now: datetime, data: bytes) -> None:
        try:
            known = RecordAccess.from_bytes(data) == RecordAccess(op=Op.REPORT, operator=Operator.ALL)
        except Undecodable:
            known = False
        if known:
            self.say(self.measurement, *(self._record(now, sequence) for sequence in range(RECORDS)))
        code = Code.SUCCESS if known else Code.OPCODE_NOT_SUPPORTED
        answer = RecordAccess(op=Op.RESPONSE, request=data[0] if data else 0, code=code)
        self.say(uuids.RECORD_ACCESS_CONTROL_POINT, bytes(answer))

    def _record(self, now: datetime, sequence: int) -> bytes:
        moment = now - EARLIER * (RECORDS - 1 - sequence)
        glucose = self.look(moment).glucose
        record = GlucoseMeasurement(
            sequence=sequence,
            base_time=self.stamp(moment - timedelta(hours=1)),
            time_offset_min=60,
            sensor_status=0,
        )
        if glucose is None:
            return bytes(record)
        kind = SampleType.CONTROL_SOLUTION if sequence == 0 else SampleType.CAPILLARY_PLASMA
        sample = replace(
            record,
            concentration=Decimal(glucose).scaleb(-5),
            unit=Concentration.KILOGRAM_PER_LITRE,
            type=kind,
            location=SampleLocation.FINGER,
        )
        return bytes(sample)


MODELS: Final[Mapping[str, Callable[[Look], DeviceModel]]] = {
    "sig-weight-scale": WeightScale,
    "sig-glucose": GlucoseMeter,
}
