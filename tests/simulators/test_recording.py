"""The ward's recording: what it holds, what it leaves out, and what it says of itself."""

import pytest

from simulators.errors import InvalidRecording
from simulators.recording import WARD, load, stays
from simulators.recordings.make import COLUMNS, rows

HEADER = "recorded_dttm,t_s,heart_rate,nibp_dia,nibp_mean,nibp_sys,spo2,temp_c\n"


def made(tmp_path, *lines: str) -> list[dict[str, str]]:
    (tmp_path / "1.csv").write_text(HEADER + "\n".join(lines))
    return list(rows(tmp_path, "1"))


def test_there_are_at_least_five_stays():
    assert len(stays()) >= 5


def test_the_guides_patient_has_two_hundred_high_pressures():
    pressures = [(row.systolic, row.diastolic) for row in load("27411876").rows if row.systolic and row.diastolic]
    assert sum(systolic > 140 or diastolic > 90 for systolic, diastolic in pressures) == 200


def test_one_stay_has_a_single_high_pressure():
    pressures = [(row.systolic, row.diastolic) for row in load("21027282").rows if row.systolic and row.diastolic]
    assert sum(systolic > 140 or diastolic > 90 for systolic, diastolic in pressures) == 1


def test_some_stays_have_low_saturation_fast_hearts_and_fever():
    recordings = [load(stay) for stay in stays()]
    assert min(row.spo2 for recording in recordings for row in recording.rows if row.spo2) < 90
    assert max(row.heart_rate for recording in recordings for row in recording.rows if row.heart_rate) > 131
    assert max(row.temperature for recording in recordings for row in recording.rows if row.temperature) > 38


@pytest.mark.parametrize("stay", stays())
def test_rows_are_in_order_and_within_what_devices_say(stay):
    recording = load(stay)
    places = [row.position_seconds for row in recording.rows]
    assert places == sorted(set(places))
    for row in recording.rows:
        for name, (_, low, high) in COLUMNS.items():
            value = getattr(row, name)
            assert value is None or low <= value <= high


def test_the_file_stays_small():
    assert WARD.stat().st_size <= 150_000


def test_fahrenheit_charted_as_celsius_is_left_out(tmp_path):
    assert made(tmp_path, "x,0,80,,,,97,99.0")[0]["temperature"] == ""


def test_a_heart_rate_of_zero_and_absurd_means_are_left_out(tmp_path):
    (row,) = made(tmp_path, "x,0,0,70,801,120,97,")
    assert (row["heart_rate"], row["mean"], row["systolic"], row["diastolic"]) == ("", "", "120", "70")


def test_half_a_pressure_is_left_out(tmp_path):
    assert made(tmp_path, "x,0,,,90,120,,") == []


def test_a_row_of_nothing_that_we_measure_is_left_out(tmp_path):
    assert made(tmp_path, "x,0,,,,,,") == []


def test_an_unknown_stay_is_named():
    with pytest.raises(InvalidRecording, match="no stay 42"):
        load("42")


def test_the_licence_and_the_attribution_are_said():
    text = WARD.with_name("README.md").read_text(encoding="utf-8")
    for said in ("Open Database License 1.0", "10.13026/dp1f-ex47", "Goldberger", "What was changed"):
        assert said in text
