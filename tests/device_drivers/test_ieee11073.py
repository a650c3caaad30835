"""11073 numbers: exact, both ways."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_drivers.ieee11073 import FLOAT, SFLOAT, Special


def test_every_sfloat_word_survives():
    for word in range(1 << 16):
        number = SFLOAT.decode(word.to_bytes(2, "little"))
        assert SFLOAT.decode(SFLOAT.encode(number)) == number


@given(mantissa=st.integers(-(1 << 23) + 3, (1 << 23) - 3), exponent=st.integers(-128, 127))
def test_every_float_survives(mantissa, exponent):
    number = Decimal(mantissa).scaleb(exponent)
    assert FLOAT.decode(FLOAT.encode(number)) == number


@pytest.mark.parametrize("special", Special)
@pytest.mark.parametrize("form", [SFLOAT, FLOAT], ids=["sfloat", "float"])
def test_specials_survive(form, special):
    assert form.decode(form.encode(special)) is special


def test_a_number_whose_word_is_special_is_refused():
    with pytest.raises(ValueError, match="NaN"):
        SFLOAT.encode(Decimal(2047))


@pytest.mark.parametrize("number", ["120.5", "36.6", "-0.1", "16.0", "2000"])
def test_decimals_stay_what_they_are(number):
    assert SFLOAT.decode(SFLOAT.encode(Decimal(number))) == Decimal(number)


@pytest.mark.parametrize("number", ["12345", "NaN", "1E+30"])
def test_numbers_that_do_not_fit_are_refused(number):
    with pytest.raises(ValueError, match=r"."):
        SFLOAT.encode(Decimal(number))
