import pytest

from bedside.watch.ages import (
    GONE_CONTINUOUS_SECONDS,
    GONE_SPOT_SECONDS,
    STALE_CONTINUOUS_SECONDS,
    STALE_SPOT_SECONDS,
    Freshness,
    freshness,
    short,
    spoken,
)
from vitals.parameters import Vital


@pytest.mark.parametrize(
    ("vital", "stale", "gone"),
    [
        (Vital.SPO2, STALE_CONTINUOUS_SECONDS, GONE_CONTINUOUS_SECONDS),
        (Vital.TEMPERATURE, STALE_SPOT_SECONDS, GONE_SPOT_SECONDS),
    ],
)
def test_a_value_is_greyed_after_its_limit_and_then_not_shown(vital: Vital, stale: float, gone: float):
    assert freshness(vital, stale) is Freshness.FRESH
    assert freshness(vital, stale + 1) is Freshness.STALE
    assert freshness(vital, gone) is Freshness.STALE
    assert freshness(vital, gone + 1) is Freshness.GONE


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0s"), (0.9, "0s"), (99.9, "99s"), (100, "1m"), (5999, "99m"), (6000, "1h"), (172799, "47h"), (172800, "2d")],
)
def test_ages_in_a_column_are_short(seconds: float, text: str):
    assert short(seconds) == text


@pytest.mark.parametrize("seconds", [10**exponent for exponent in range(12)])
def test_an_age_never_needs_more_than_four_characters(seconds: int):
    assert len(short(seconds)) <= 4


def test_ages_in_a_sentence_have_their_unit_apart():
    assert [spoken(seconds) for seconds in (12, 300, 7200, 200_000)] == ["12 s", "5 min", "2 h", "2 days"]
