"""Units as UCUM codes, and exact conversion to the unit that a parameter is recorded in."""

from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal
from enum import StrEnum, unique
from typing import Final


@unique
class Unit(StrEnum):
    """UCUM case-sensitive codes (unitsofmeasure.org), as FHIR vital signs use them."""

    MMHG = "mm[Hg]"
    KILOPASCAL = "kPa"
    PER_MINUTE = "/min"
    PERCENT = "%"
    CELSIUS = "Cel"
    FAHRENHEIT = "[degF]"
    KELVIN = "K"
    KILOGRAM = "kg"
    POUND = "[lb_av]"
    MILLIGRAM_PER_DECILITRE = "mg/dL"
    MILLIMOLE_PER_LITRE = "mmol/L"


_EXACT: Final = Context(prec=28, rounding=ROUND_HALF_EVEN)
_PASCAL_PER_MMHG: Final = Decimal("133.322387415")  # conventional millimetre of mercury, ISO 80000-4
_KILOGRAM_PER_POUND: Final = Decimal("0.45359237")  # international avoirdupois pound, exact
_MG_DL_PER_MMOL_L_GLUCOSE: Final = Decimal("18.0156")  # molar mass of glucose, 180.156 g/mol

_CONVERSIONS: Final[Mapping[tuple[Unit, Unit], Callable[[Decimal], Decimal]]] = {
    (Unit.KILOPASCAL, Unit.MMHG): lambda x: _EXACT.divide(x * 1000, _PASCAL_PER_MMHG),
    (Unit.FAHRENHEIT, Unit.CELSIUS): lambda x: _EXACT.divide((x - 32) * 5, Decimal(9)),
    (Unit.KELVIN, Unit.CELSIUS): lambda x: x - Decimal("273.15"),
    (Unit.POUND, Unit.KILOGRAM): lambda x: x * _KILOGRAM_PER_POUND,
    (Unit.MILLIMOLE_PER_LITRE, Unit.MILLIGRAM_PER_DECILITRE): lambda x: x * _MG_DL_PER_MMOL_L_GLUCOSE,
}


def convertible(source: Unit, target: Unit) -> bool:
    """Whether `convert` knows the way."""
    return source is target or (source, target) in _CONVERSIONS


def convert(number: Decimal, source: Unit, target: Unit, *, places: int) -> Decimal:
    """`number` in `target`, rounded half to even at `places` decimals; unchanged where the units are the same.

    Raises ValueError for a pair of units that measure different things.
    """
    if source is target:
        return number
    try:
        conversion = _CONVERSIONS[source, target]
    except KeyError:
        raise ValueError(f"{source} does not convert to {target}") from None
    return conversion(number).quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN)
