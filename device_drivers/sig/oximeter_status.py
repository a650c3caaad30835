"""What an oximeter of the Pulse Oximeter Service says of itself beside its numbers, and what becomes of the numbers.

Bits by Pulse Oximeter Service 1.0.1, tables 3.4 (Measurement Status) and 3.5 (Device and Sensor Status); what we make of them is ours: a number that is
no patient's, or that comes from a sensor without a patient or without a pulse, is missing; any other doubt stays with the number.
"""

from collections.abc import Iterable
from decimal import Decimal
from enum import IntFlag
from typing import Final

from device_drivers.ieee11073 import Number, Special
from device_drivers.values import numbered
from vitals.parameters import Parameter
from vitals.readings import INFORMATIVE, Reason, Value, missing_value


class MeasurementStatus(IntFlag):
    """How far a measurement has come; bits 0 to 4 are reserved."""

    MEASUREMENT_ONGOING = 1 << 5
    EARLY_ESTIMATED_DATA = 1 << 6
    VALIDATED_DATA = 1 << 7
    FULLY_QUALIFIED_DATA = 1 << 8
    DATA_FROM_STORAGE = 1 << 9
    DATA_FOR_DEMONSTRATION = 1 << 10
    DATA_FOR_TESTING = 1 << 11
    CALIBRATION_ONGOING = 1 << 12
    MEASUREMENT_UNAVAILABLE = 1 << 13
    QUESTIONABLE_MEASUREMENT = 1 << 14
    INVALID_MEASUREMENT = 1 << 15


class DeviceStatus(IntFlag):
    """How device and sensor are; bits 16 to 23 are reserved."""

    EXTENDED_DISPLAY_UPDATE = 1 << 0
    EQUIPMENT_MALFUNCTION = 1 << 1
    SIGNAL_PROCESSING_IRREGULARITY = 1 << 2
    INADEQUATE_SIGNAL = 1 << 3
    POOR_SIGNAL = 1 << 4
    LOW_PERFUSION = 1 << 5
    ERRATIC_SIGNAL = 1 << 6
    NON_PULSATILE_SIGNAL = 1 << 7
    QUESTIONABLE_PULSE = 1 << 8
    SIGNAL_ANALYSIS_ONGOING = 1 << 9
    SENSOR_INTERFERENCE = 1 << 10
    SENSOR_UNCONNECTED_TO_USER = 1 << 11
    UNKNOWN_SENSOR = 1 << 12
    SENSOR_DISPLACED = 1 << 13
    SENSOR_MALFUNCTION = 1 << 14
    SENSOR_DISCONNECTED = 1 << 15


_M, _D = MeasurementStatus, DeviceStatus
_DEVICE_ENDINGS: Final = (
    (_D.SENSOR_DISCONNECTED.value, Reason.SENSOR_DISCONNECTED),
    (_D.SENSOR_MALFUNCTION.value | _D.EQUIPMENT_MALFUNCTION.value, Reason.SENSOR_FAULT),
    (_D.SENSOR_UNCONNECTED_TO_USER.value, Reason.NO_FINGER),
    (_D.NON_PULSATILE_SIGNAL.value, Reason.NO_PULSE_FOUND),
)
_MEASUREMENT_ENDINGS: Final = (
    (_M.DATA_FOR_DEMONSTRATION.value | _M.DATA_FOR_TESTING.value, Reason.DEMONSTRATION),
    (_M.CALIBRATION_ONGOING.value, Reason.SEARCHING),
    (_M.MEASUREMENT_UNAVAILABLE.value, Reason.NOT_MEASURED),
    (_M.INVALID_MEASUREMENT.value, Reason.MEASUREMENT_FAILED),
)
_DEVICE_DOUBTS: Final = (
    (_D.UNKNOWN_SENSOR.value, Reason.SENSOR_FAULT),
    (_D.SENSOR_DISPLACED.value, Reason.IMPROPER_POSITION),
    (_D.SIGNAL_ANALYSIS_ONGOING.value, Reason.SEARCHING),
    (_D.LOW_PERFUSION.value, Reason.LOW_PERFUSION),
    (_D.INADEQUATE_SIGNAL.value | _D.POOR_SIGNAL.value, Reason.WEAK_SIGNAL),
    (
        _D.SIGNAL_PROCESSING_IRREGULARITY.value | _D.ERRATIC_SIGNAL.value | _D.SENSOR_INTERFERENCE.value,
        Reason.ARTIFACT,
    ),
    (_D.EXTENDED_DISPLAY_UPDATE.value, Reason.DISPLAY_HELD),
    (_D.QUESTIONABLE_PULSE.value, Reason.LOW_CONFIDENCE),
)
_MEASUREMENT_DOUBTS: Final = (
    (_M.EARLY_ESTIMATED_DATA.value, Reason.EARLY_ESTIMATE),
    (_M.QUESTIONABLE_MEASUREMENT.value, Reason.LOW_CONFIDENCE),
    (_M.DATA_FROM_STORAGE.value, Reason.FROM_STORAGE),
)
_FROM_STORAGE: Final = _M.DATA_FROM_STORAGE.value
_FAULTS: Final = (
    (_D.SENSOR_DISCONNECTED.value, Reason.SENSOR_DISCONNECTED),
    (_D.SENSOR_MALFUNCTION.value | _D.EQUIPMENT_MALFUNCTION.value | _D.UNKNOWN_SENSOR.value, Reason.SENSOR_FAULT),
)
_NOT_MEASURED: Final = {Parameter.SPO2: Decimal(127), Parameter.OXIMETER_PULSE_RATE: Decimal(511)}
"""What oximeters show for no number in their own protocols; neither is one here, where the standard has NaN for it."""


def endings(measurement: int, device: int) -> tuple[Reason, ...]:
    """Why there is no number, though one may have been sent."""
    return (*_said(_DEVICE_ENDINGS, device), *_said(_MEASUREMENT_ENDINGS, measurement))


def doubts(measurement: int, device: int) -> tuple[Reason, ...]:
    """What stays with the numbers."""
    return (*_said(_DEVICE_DOUBTS, device), *_said(_MEASUREMENT_DOUBTS, measurement))


def faults(device: int) -> tuple[str, ...]:
    """What somebody should see to."""
    return tuple(_said(_FAULTS, device))


def is_stored(measurement: int) -> bool:
    """Whether the numbers come from the oximeter's memory."""
    return bool(measurement & _FROM_STORAGE)


def values_of(numbers: Iterable[tuple[Parameter, Number]], measurement: int, device: int) -> tuple[Value, ...]:
    """Values of the numbers with these status words; each reason once."""
    ended, doubted = endings(measurement, device), tuple(dict.fromkeys(doubts(measurement, device)))
    return tuple(_value(parameter, number, ended, doubted) for parameter, number in numbers)


def _value(parameter: Parameter, number: Number, ended: tuple[Reason, ...], doubted: tuple[Reason, ...]) -> Value:
    if ended:
        return missing_value(parameter, *dict.fromkeys((*ended, *doubted)))
    if parameter is Parameter.PERFUSION_INDEX and number is Special.NAN:
        return missing_value(parameter, Reason.NOT_MEASURED, *doubted)
    if number == _NOT_MEASURED.get(parameter):
        number = Special.NAN
    if isinstance(number, Special) and not INFORMATIVE.issuperset(doubted):
        return missing_value(parameter, *doubted)
    return numbered(parameter, number, *doubted, zero_is_missing=parameter is not Parameter.PERFUSION_INDEX)


def _said(words: tuple[tuple[int, Reason], ...], status: int) -> list[Reason]:
    return [reason for bits, reason in words if status & bits] if status else []
