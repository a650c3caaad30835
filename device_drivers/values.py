"""From a device's numbers to values of ours: special floats and zeros that mean "none" become missing, with the reason."""

from decimal import Decimal
from typing import Final

from device_drivers.ieee11073 import Number, Special
from vitals.parameters import Parameter
from vitals.readings import Reason, Value, measured_value, missing_value
from vitals.units import Unit

_SPECIALS: Final = {
    Special.NAN: Reason.MEASUREMENT_FAILED,
    Special.NRES: Reason.OUT_OF_RANGE,
    Special.POSITIVE_INFINITY: Reason.OUT_OF_RANGE,
    Special.NEGATIVE_INFINITY: Reason.OUT_OF_RANGE,
    Special.RESERVED: Reason.MEASUREMENT_FAILED,
}


def numbered(
    parameter: Parameter, number: Number, *reasons: Reason, unit: Unit | None = None, zero_is_missing: bool = False
) -> Value:
    """The value that `number` is; `reasons` stay with it either way."""
    if isinstance(number, Special):
        return missing_value(parameter, _SPECIALS[number], *reasons)
    if zero_is_missing and number == 0:
        return missing_value(parameter, Reason.MEASUREMENT_FAILED, *reasons)
    return measured_value(parameter, Decimal(number), *reasons, unit=unit)
