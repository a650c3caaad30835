"""Findings: how several of one check are told as one, and which exit code they have together."""

import itertools

import pytest

from bedside.doctor.findings import (
    WORST_FIRST,
    Checked,
    Outcome,
    exit_code,
    failed,
    not_applicable,
    ok,
    together,
    warning,
)
from bedside.exits import Exit


def checked(*findings) -> list[Checked]:
    return [Checked(name=str(place), finding=finding) for place, finding in enumerate(findings)]


def test_warnings_and_what_does_not_apply_are_no_failure():
    assert exit_code(checked(ok("a"), not_applicable("b"), warning("c", "d"))) == Exit.OK


@pytest.mark.parametrize(("worse", "better"), list(itertools.combinations(WORST_FIRST, 2)))
def test_of_two_failures_the_one_that_explains_the_other_counts(worse, better):
    both = [failed("a", "b", better), failed("c", "d", worse)]
    assert exit_code(checked(*both)) == worse
    assert exit_code(checked(*reversed(both))) == worse


def test_every_code_of_a_failure_has_its_place_in_the_order():
    assert set(WORST_FIRST) == set(Exit) - {Exit.OK, Exit.USAGE}


def test_several_findings_are_told_as_the_worst_of_them():
    found = together([ok("fine"), warning("low", "fill"), warning("old", "renew"), warning("low", "fill")])
    assert (found.outcome, found.found, found.advice, found.code) == (
        Outcome.WARNING,
        "low; old",
        "fill; renew",
        Exit.OK,
    )


def test_failures_told_as_one_have_the_worst_code_of_them():
    found = together([failed("a", "b", Exit.FAILED), failed("c", "d", Exit.CONFIGURATION), warning("e", "f")])
    assert (found.found, found.code) == ("a; c", Exit.CONFIGURATION)
