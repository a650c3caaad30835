from decimal import Decimal

import pytest

from vitals.units import Unit, convert, convertible


@pytest.mark.parametrize(
    ("number", "source", "target", "places", "expected"),
    [
        ("16.0", Unit.KILOPASCAL, Unit.MMHG, 0, "120"),
        ("17.6", Unit.KILOPASCAL, Unit.MMHG, 2, "132.01"),
        ("98.6", Unit.FAHRENHEIT, Unit.CELSIUS, 2, "37.00"),
        ("98.55", Unit.FAHRENHEIT, Unit.CELSIUS, 2, "36.97"),
        ("310.15", Unit.KELVIN, Unit.CELSIUS, 2, "37.00"),
        ("1", Unit.POUND, Unit.KILOGRAM, 3, "0.454"),
        ("5.5", Unit.MILLIMOLE_PER_LITRE, Unit.MILLIGRAM_PER_DECILITRE, 1, "99.1"),
    ],
)
def test_conversion_is_exact_at_the_stated_places(number, source, target, places, expected):
    assert convert(Decimal(number), source, target, places=places) == Decimal(expected)


def test_a_number_in_its_own_unit_is_untouched():
    assert str(convert(Decimal("36.60"), Unit.CELSIUS, Unit.CELSIUS, places=0)) == "36.60"


def test_units_of_different_things_do_not_convert():
    assert not convertible(Unit.KILOPASCAL, Unit.CELSIUS)
    with pytest.raises(ValueError, match="does not convert"):
        convert(Decimal(1), Unit.KILOPASCAL, Unit.CELSIUS, places=1)
