"""Clocks: what is near enough, what is warned of, what has failed."""

import pytest

from bedside.doctor.clocks import judged
from bedside.doctor.findings import Outcome


@pytest.mark.parametrize(
    ("offsets", "outcome"),
    [
        ({"hub": 0.0, "Redis": 0.01}, Outcome.OK),
        ({"database": 0.3, "Redis": -0.1}, Outcome.OK),
        ({"database": 0.3, "Redis": -0.3}, Outcome.WARNING),
        ({"hub": -3.0}, Outcome.WARNING),
        ({"hub": 3600.0}, Outcome.FAILED),
        ({"database": 3.0, "Redis": -3.0}, Outcome.FAILED),
    ],
)
def test_the_outermost_two_are_compared(offsets, outcome):
    found = judged(offsets, margin_seconds=0.5)
    assert found.outcome is outcome
    assert all(name in found.found for name in offsets)


def test_the_margin_is_the_hubs_own():
    assert judged({"Redis": 1.0}, margin_seconds=2).outcome is Outcome.OK
