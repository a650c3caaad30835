"""What stands on the screen, at the width of an old terminal and of a wide one."""

import io
from typing import Literal

import pytest
from rich.console import Console

from bedside.watch.answers import Bed
from bedside.watch.happenings import LinkLost
from bedside.watch.screen import FOOTER, screen, whole
from bedside.watch.ward import Ward
from tests.bedside.watch.samples import (
    CUFF,
    NOON,
    OXIMETER,
    REPLAYED,
    alert,
    at,
    disconnected,
    event,
    status,
    view,
    vitals,
    ward,
)

PRESSURE = {"systolic": 150, "diastolic": 95, "mean": 113}
MANY = tuple(Bed(ward_id="icu", bed=str(number), patient_id=f"p{number}") for number in range(1, 41))


def drawn(made: Ward, *, seconds: float = 0.0, width: int = 80, height: int = 24, colour: bool = False) -> list[str]:
    """The lines of a screen."""
    file = io.StringIO()
    system: Literal["standard"] | None = "standard" if colour else None
    console = Console(file=file, width=width, height=height, force_terminal=colour, color_system=system)
    console.print(screen(made.picture(at(seconds)), width=width, height=height))
    return file.getvalue().splitlines()


def row(lines: list[str], bed: str) -> str:
    return next(line for line in lines if line.startswith(f" {bed} "))


def below(lines: list[str], bed: str) -> list[str]:
    """What stands under a bed's values."""
    return [line for line in lines[lines.index(row(lines, bed)) + 1 :] if line.strip()]


def full_ward() -> Ward:
    return ward(
        vitals(spo2=97, heart_rate=88, source="pulse", replayed=REPLAYED),
        vitals(device=CUFF, blood_pressure=PRESSURE),
        vitals(temperature=38, seconds=-200),
        alert("High blood pressure detected: 150/95", repeat=7),
    )


@pytest.mark.parametrize(("width", "height"), [(80, 24), (140, 45), (60, 10), (200, 100), (30, 5)])
def test_a_screen_fills_exactly_its_terminal(width: int, height: int):
    lines = drawn(full_ward(), width=width, height=height)
    assert len(lines) == height
    assert max(map(len, lines)) <= width


def test_every_value_stands_with_its_age_below_its_name_and_unit():
    lines = drawn(full_ward(), seconds=3)
    heading, bed = next(line for line in lines if line.startswith(" Bed  ")), row(lines, "101")
    assert bed.split() == ["101", "97", "3s", "88", "3s", "!150/95", "3s", "38.0", "3m", "●ox", "○bp"]
    for title, value in (("SpO2 %", "97"), ("HR /min", "88"), ("BP mmHg", "150/95"), ("Temp °C", "38.0")):
        assert heading.index(title) <= bed.index(value) <= heading.index(title) + len(title), title


def test_a_missing_value_is_two_dashes_and_below_stands_why():
    quality = {name: {"status": "missing", "reasons": ["no_finger"]} for name in ("spo2", "heart_rate")}
    lines = drawn(ward(vitals(spo2=None, heart_rate=None, quality=quality)), seconds=8)
    assert row(lines, "101").split()[:5] == ["101", "--", "8s", "--", "8s"]
    assert [line.strip() for line in below(lines, "101")][:1] == ["no SpO2, HR: no finger 8 s"]


def test_a_pressure_that_is_missing_by_half_shows_the_other_half():
    lines = drawn(ward(vitals(device=CUFF, blood_pressure={"systolic": 150, "diastolic": None})))
    assert "150/--" in row(lines, "101")


def test_an_old_value_is_greyed_and_a_very_old_one_not_shown():
    made = ward(vitals(spo2=97))
    assert "97 0s" in row(drawn(made), "101")
    assert "\x1b[1m 97" in "".join(drawn(made, colour=True))
    assert "\x1b[2m 97" in "".join(drawn(made, seconds=11, colour=True))
    assert row(drawn(made, seconds=90), "101").split()[:3] == ["101", "--", "90s"]


def test_a_doubtful_value_has_a_question_mark():
    made = ward(vitals(spo2=97, quality={"spo2": {"status": "questionable", "reasons": ["motion"]}}))
    assert "?97" in row(drawn(made), "101")


def test_an_empty_bed_is_empty():
    assert row(drawn(ward()), "103").split() == ["103", "empty"]


def test_alerts_stand_with_time_bed_severity_and_count():
    lines = drawn(full_ward(), seconds=5)
    assert " 12:00:00   5s  101 warning  High blood pressure detected: 150/95  ×7" in lines


def test_a_lost_link_is_told_on_top_and_greys_everything():
    made = full_ward()
    made.take(LinkLost(problem="Connection refused"), at(0))
    lines = drawn(made, seconds=4, colour=True)
    plain = drawn(made, seconds=4)
    assert "✕ HUB LOST" in plain[0]
    assert plain[2].strip() == "LINK TO THE HUB LOST for 4 s, nothing here is new: Connection refused"
    assert "\x1b[2m!150/95" in "".join(lines)


def test_a_long_warning_takes_further_lines():
    made = ward()
    made.take(LinkLost(problem="a reason " * 12 + "at last"), at(0))
    assert "at last" in "\n".join(drawn(made))


def test_a_replay_is_told_with_its_speed():
    assert drawn(full_ward())[1].strip() == (
        "REPLAY at 240× speed: recorded, de-identified stays; nobody lies in these beds"
    )
    assert "REPLAY" not in "\n".join(drawn(ward(vitals(spo2=97))))


@pytest.mark.parametrize("width", [80, 140])
def test_it_says_that_it_is_no_primary_alarm_and_how_to_end_it(width: int):
    last = drawn(full_ward(), width=width)[-1]
    assert FOOTER in last
    assert "Ctrl-C ends" in last


def test_a_wide_screen_names_devices_in_full():
    lines = drawn(full_ward(), width=140, height=45)
    assert "● oximeter  ○ cuff" in row(lines, "101")
    assert below(lines, "101")[0].strip() == "mean 113 · stay 27411876 at 2.0 h"


def test_each_state_of_a_device_has_its_own_mark():
    made = ward(status(OXIMETER, "offline"), disconnected(OXIMETER, "link_lost"), status(CUFF, "unknown"))
    assert "✕ox ·bp" in row(drawn(made), "101")


def test_beds_that_need_attention_are_shown_where_not_all_fit():
    made = ward(vitals("p40", spo2=97, quality={"spo2": {"status": "questionable", "reasons": ["motion"]}}), beds=MANY)
    lines = drawn(made)
    assert row(lines, "40")
    assert row(lines, "1")
    (hidden,) = [line for line in lines if "not shown" in line]
    shown = [line for line in lines if line[1:4].strip().isdigit()]
    assert hidden.strip() == f"… {40 - len(shown)} of 40 beds not shown: make the window larger, or use --ward"


def test_alerts_that_do_not_fit_are_counted():
    made = ward(*[alert(f"alert {number}", seconds=-number, episode=str(number)) for number in range(30)])
    lines = drawn(made)
    shown = [line for line in lines if " alert " in line and "warning" in line]
    assert f" … {30 - len(shown)} more" in lines


def test_text_of_messages_is_text_and_no_markup():
    made = ward(alert("[bold red]/[/] :smile:"), event("system.alert", {"message": "[link=x]y[/link]"}))
    text = "\n".join(drawn(made))
    assert "[bold red]/[/] :smile:" in text
    assert "[link=x]y[/link]" in text


def test_times_are_those_of_the_hospitals_wall():
    made = Ward(NOON)
    assert "12:00:00 UTC" in drawn(made)[0]
    from bedside.watch.happenings import BedsRead  # noqa: PLC0415 - one use

    made.take(BedsRead(view=view(zone="Asia/Tokyo")), NOON)
    assert "21:00:00 JST" in drawn(made)[0]
    made.take(BedsRead(view=view(zone="Nowhere/Atall")), NOON)
    assert "12:00:00 UTC" in drawn(made)[0]


def test_the_whole_picture_leaves_nothing_out():
    made = ward(*[alert(f"alert {number}", seconds=-number, episode=str(number)) for number in range(30)], beds=MANY)
    file = io.StringIO()
    Console(file=file, width=100).print(whole(made.picture(NOON), width=100))
    text = file.getvalue()
    assert all(f"alert {number}\n" in text for number in range(30))
    assert all(f"\n {number} " in text for number in range(1, 41))
    assert FOOTER in text
