"""What people and machines are told."""

import json

from bedside.doctor.findings import Checked, failed, not_applicable, ok, warning
from bedside.doctor.report import as_json, as_text
from bedside.exits import Exit

CHECKS = [
    Checked(name="hub", finding=failed("does not answer", "start it", Exit.UNREACHABLE)),
    Checked(name="disk", finding=ok("78 GiB free")),
    Checked(name="clocks", finding=warning("2 s apart", "follow one")),
    Checked(name="Bluetooth", finding=not_applicable("none is configured")),
]


def test_people_read_the_worst_last_each_with_what_to_do_below_it():
    assert as_text(CHECKS, colour=False) == (
        "ok       disk       78 GiB free\n"
        "-        Bluetooth  none is configured\n"
        "warning  clocks     2 s apart\n"
        "                    → follow one\n"
        "FAILED   hub        does not answer\n"
        "                    → start it\n"
        "\n"
        "4 checks: 1 ok, 1 not applicable, 1 warning, 1 failed"
    )


def test_colours_stand_where_they_are_wanted_and_nowhere_else():
    assert "\033[1;31mFAILED   \033[0m" in as_text(CHECKS, colour=True)
    assert "\033" not in as_text(CHECKS, colour=False)


def test_machines_read_one_line_in_the_order_of_the_checks():
    told = as_json(CHECKS, {"hub": "/etc/bedside/hub.toml"})
    assert "\n" not in told
    content = json.loads(told)
    assert (content["ok"], content["exit_code"], content["subject"]) == (False, 4, {"hub": "/etc/bedside/hub.toml"})
    assert [row["check"] for row in content["checks"]] == ["hub", "disk", "clocks", "Bluetooth"]
    assert content["checks"][0] == {
        "check": "hub",
        "outcome": "failed",
        "found": "does not answer",
        "advice": "start it",
    }
    assert content["checks"][1]["advice"] is None


def test_all_well_is_said_to_be_so():
    content = json.loads(as_json(CHECKS[1:], {}))
    assert (content["ok"], content["exit_code"]) == (True, 0)
