"""A recording on an accelerated clock."""

from datetime import UTC, datetime, timedelta

import pytest

from edge_agent.settings import ReplaySettings
from simulators.errors import InvalidRecording
from simulators.recording import HOLD_SECONDS, Charted, Recording
from simulators.replay import Replay

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
ROWS = (
    Charted(position_seconds=600, spo2=97, systolic=120),
    Charted(position_seconds=1200, spo2=95),
    Charted(position_seconds=1800, systolic=150),
)
RECORDING = Recording(stay="1", rows=ROWS)
PASS = 1800 + HOLD_SECONDS


def replay(position: float = 0.0) -> Replay:
    return Replay(recording=RECORDING, started=NOON, speed=60.0, position_seconds=position)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


@pytest.mark.parametrize(("seconds", "spo2"), [(9.99, None), (10, 97), (19.99, 97), (20, 95), (30.5, 95)])
def test_the_last_charted_value_stands(seconds, spo2):
    assert replay().latest("spo2", after(seconds)) == spo2


def test_nothing_stands_when_the_recording_begins_again():
    assert replay().latest("spo2", after(PASS / 60 + 1)) is None
    assert replay().latest("spo2", after(PASS / 60 + 10)) == 97


def test_it_begins_where_it_is_told():
    assert replay(1200).latest("spo2", NOON) == 95


def test_each_charted_row_is_due_once_a_pass_over_all_passes():
    place, due = 0.0, []
    for _ in range(4):
        place, row = replay().next_after("systolic", place)
        due.append((place, row.systolic))
    assert due == [(600, 120), (1800, 150), (PASS + 600, 120), (PASS + 1800, 150)]


def test_a_row_is_not_due_again_at_its_own_place():
    """A sleep that ends a hair early must not measure the same row twice."""
    assert replay().next_after("systolic", 600)[0] == 1800


def test_how_long_until_a_place():
    assert replay().seconds_until(1800, after(10)) == pytest.approx(20)
    assert replay().seconds_until(600, after(20)) == pytest.approx(-10)


def test_the_last_row_stands_until_the_end_of_the_pass():
    row = replay().last_charted("systolic", PASS - 1)
    assert row is not None
    assert row.systolic == 150
    assert replay().next_pass(PASS - 1) == PASS
    assert replay().next_pass(PASS) == 2 * PASS


def test_a_recording_that_never_has_a_value_says_so():
    with pytest.raises(InvalidRecording, match="no temperature"):
        replay().next_after("temperature", 0)


def test_the_gateway_says_the_same_place():
    settings = ReplaySettings(recording="1", started=NOON, speed=60.0, position_seconds=1200.0)
    moment = after(123.456)
    assert settings.at(moment).position_seconds == pytest.approx(replay(1200).place(moment), abs=0.001)
