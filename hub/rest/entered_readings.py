"""A reading that a person or a system enters over REST: from a data type and its values to a reading like any other."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import msgspec

from hub.errors import Invalid
from hub.record.publications import value_name
from hub.rest.submitting import converted
from vitals.identifiers import DeviceKey, DeviceType, PatientId
from vitals.parameters import PARAMETERS, Parameter, Vital, parameters_of
from vitals.readings import EARLIEST, Instant, Reading, Reason, Value, measured_value, missing_value
from vitals.units import Unit

MAX_AHEAD: Final = timedelta(minutes=1)
ALIASES: Final[Mapping[str, Unit]] = MappingProxyType(
    {
        "mmHg": Unit.MMHG,
        "bpm": Unit.PER_MINUTE,
        "°C": Unit.CELSIUS,
        "C": Unit.CELSIUS,
        "°F": Unit.FAHRENHEIT,
        "F": Unit.FAHRENHEIT,
        "lb": Unit.POUND,
    }
)
"""Units as people write them, beside their UCUM codes."""
COMPANIONS: Final[Mapping[Vital, tuple[Parameter, ...]]] = MappingProxyType(
    {
        Vital.BLOOD_PRESSURE: (Parameter.CUFF_PULSE_RATE,),
        Vital.SPO2: (Parameter.OXIMETER_PULSE_RATE, Parameter.PERFUSION_INDEX),
    }
)
"""What a device measures along with a vital, and may be given beside it."""
Number: TypeAlias = Decimal | int | float | None


class EnteredReading(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /devices/{device_type}/{device_id}/data`. `unit` is that of `data_type`, its own where not said."""

    data_type: Vital
    values: dict[str, Number]
    timestamp: Instant
    unit: str | None = None
    patient_id: PatientId | None = None


def entered_reading(fields: Mapping[str, Any], device: DeviceKey, *, now: datetime) -> tuple[Reading, PatientId | None]:
    """The reading, and the patient it was said to be of. Raises Invalid."""
    entered = converted(dict(fields), EnteredReading)
    if entered.timestamp > now + MAX_AHEAD:
        raise Invalid("timestamp: in the future")
    if entered.timestamp < EARLIEST:
        raise Invalid(f"timestamp: before {EARLIEST.year}")
    values = tuple(
        _value(parameter, number, entered.unit if PARAMETERS[parameter].vital is entered.data_type else None)
        for parameter, number in _numbers(entered, device.device_type).items()
    )
    reading = Reading(
        data_type=entered.data_type,
        device=device,
        values=values,
        measured=entered.timestamp,
        received=now,
        raw=b"",
    )
    return reading, entered.patient_id


def _numbers(entered: EnteredReading, device_type: DeviceType) -> dict[Parameter, Number]:
    names = _names(entered.data_type, device_type)
    faults = [f"values.{name}: not a member of {entered.data_type}" for name in entered.values if name not in names]
    optional = {Parameter.MEAN, *COMPANIONS.get(entered.data_type, ())}
    required = [name for name, parameter in names.items() if parameter not in optional]
    faults += [f"values.{name}: missing" for name in required if name not in entered.values]
    if faults:
        raise Invalid(*faults)
    return {names[name]: number for name, number in entered.values.items()}


def _names(vital: Vital, device_type: DeviceType) -> dict[str, Parameter]:
    """The members that `values` may have. An oximeter's heart rate is a pulse."""
    oximeter = device_type is DeviceType.PULSE_OXIMETER
    wrong = Parameter.HEART_RATE if oximeter else Parameter.OXIMETER_PULSE_RATE
    return {
        value_name(parameter): parameter
        for parameter in (*parameters_of(vital), *COMPANIONS.get(vital, ()))
        if parameter is not wrong
    }


def _value(parameter: Parameter, number: Number, unit: str | None) -> Value:
    if number is None:
        return missing_value(parameter, Reason.NOT_MEASURED)
    try:
        value = measured_value(parameter, Decimal(str(number)), unit=_unit(unit))
    except ValueError as error:
        raise Invalid(f"unit: {error}") from error
    if value.number is None:
        raise Invalid(f"values: {parameter} is out of all range")
    return value


def _unit(text: str | None) -> Unit | None:
    if text is None:
        return None
    if text in ALIASES:
        return ALIASES[text]
    try:
        return Unit(text)
    except ValueError as error:
        raise Invalid(f"unit: none of {', '.join((*Unit, *ALIASES))}") from error
