"""From a cuff's record to a reading: three numbers of one byte or two, of which 0 is none, and the cuff's own time."""

from collections.abc import Mapping
from datetime import datetime

from device_drivers.clocks import Placed
from device_drivers.date_time import DateTime
from device_drivers.fields import Json
from vitals.identifiers import DeviceKey
from vitals.parameters import Parameter, Vital
from vitals.readings import RAW_LIMIT, Reading, Reason, Value, measured_value, missing_value


def pressure_values(
    systolic: int | None, diastolic: int | None, pulse_rate: int | None, *reasons: Reason
) -> tuple[Value, ...]:
    """The values of one measurement. A number that is None or 0 was not found; `reasons` stay with every number."""
    numbers = (
        (Parameter.SYSTOLIC, systolic),
        (Parameter.DIASTOLIC, diastolic),
        (Parameter.CUFF_PULSE_RATE, pulse_rate),
    )
    return tuple(
        measured_value(parameter, number, *reasons)
        if number
        else missing_value(parameter, Reason.MEASUREMENT_FAILED, *reasons)
        for parameter, number in numbers
    )


def cuff_reading(
    device: DeviceKey,
    values: tuple[Value, ...],
    *,
    raw: bytes,
    at: datetime,
    placed: Placed,
    timestamp: DateTime,
    record: int | None = None,
    user: int | None = None,
) -> Reading:
    """The reading of a record that arrived `at`; `record` and `user` are the cuff's own numbers."""
    return Reading(
        data_type=Vital.BLOOD_PRESSURE,
        device=device,
        values=values,
        measured=placed.measured,
        received=at,
        raw=raw[:RAW_LIMIT],
        device_time=timestamp.moment,
        time_uncertain=placed.uncertain,
        stored=placed.stored,
        record=record,
        user=user,
    )


def without_seconds(fields: dict[str, Json]) -> dict[str, Json]:
    """The fields of a record whose time has no seconds: `timestamp` is 2026-11-23T15:13."""
    return {**fields, "timestamp": str(fields["timestamp"]).removesuffix(":00")}


def with_seconds(fields: Mapping[str, Json]) -> dict[str, Json]:
    """The inverse of `without_seconds`; a time that has seconds keeps them."""
    text = fields.get("timestamp")
    if isinstance(text, str) and text.count(":") == 1:
        return {**fields, "timestamp": f"{text}:00"}
    return dict(fields)
