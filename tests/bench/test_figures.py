"""Ratios are made within a round, and what is printed says the same as the JSON."""

import pytest

from bench.figures import Bound, Figure, Goal, Report, Unit, against, as_baseline, shown, table

HUB = Figure(what="hub", unit=Unit.MICROSECONDS, values=(100.0, 400.0, 90.0))
BASELINE = Figure(what="bare", unit=Unit.MICROSECONDS, values=(10.0, 80.0, 10.0))
AT_MOST_FIVE = Goal(bound=Bound.AT_MOST, limit=5)


def test_a_figure_is_the_median_of_its_rounds_with_their_spread():
    assert (HUB.median, HUB.spread) == (100, (90, 400))


def test_a_ratio_pairs_what_ran_in_the_same_round():
    """A slow second round slows both, so the ratio hardly moves."""
    ratio = against(HUB, BASELINE)
    assert ratio.values == (10, 5, 9)
    assert (ratio.unit, ratio.median, ratio.what) == (Unit.RATIO, 9, "against bare")


def test_a_ratio_of_unequal_rounds_is_refused():
    with pytest.raises(ValueError, match="shorter"):
        against(HUB, Figure(what="bare", unit=Unit.MICROSECONDS, values=(1.0,)))


@pytest.mark.parametrize(
    ("bound", "value", "met"),
    [(Bound.AT_MOST, 5, True), (Bound.AT_MOST, 5.1, False), (Bound.AT_LEAST, 5, True), (Bound.AT_LEAST, 4.9, False)],
)
def test_a_goal_is_a_bound_that_holds_at_its_limit(bound, value, met):
    assert Goal(bound=bound, limit=5).met(value) is met


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (4005.4, Unit.PER_SECOND, "4,005 /s"),
        (193.4, Unit.MICROSECONDS, "193 µs"),
        (5.834, Unit.MICROSECONDS, "5.83 µs"),
        (0.0176, Unit.RATIO, "0.0176 ×"),
        (145.4, Unit.RATIO, "145 ×"),
        (0.044, Unit.SHARE, "4.4 %"),
    ],
)
def test_a_value_is_shown_with_three_figures_and_its_unit(value, unit, text):
    assert shown(value, unit) == text


def test_the_table_has_a_line_a_figure_and_says_whether_a_goal_is_met():
    report = Report(name="ingest", figures=[HUB, against(HUB, BASELINE, AT_MOST_FIVE)], notes=["checked"])
    head, hub, ratio, note = table([report]).splitlines()
    assert head.split() == ["ingest", "median", "spread", "goal"]
    assert hub.split() == ["hub", "100", "µs", "90", "–", "400"]
    assert ratio.split() == ["against", "bare", "9", "×", "5", "–", "10", "≤", "5", "×:", "not", "met"]
    assert note == "  checked"


def test_json_keeps_every_round_and_the_goal():
    figure, ratio = Report(
        name="ingest", figures=[as_baseline(BASELINE), against(HUB, BASELINE, AT_MOST_FIVE)]
    ).as_json()["figures"]
    assert (figure["what"], figure["rounds"], figure["goal"]) == ("baseline: bare", [10, 80, 10], None)
    assert ratio["goal"] == {"bound": "≤", "limit": 5, "met": False}
