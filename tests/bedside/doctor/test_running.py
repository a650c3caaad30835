"""Checks run at once, none waits for another, and none can hang the doctor or hide what the others found."""

import threading
import time

from bedside.doctor.findings import Outcome, ok
from bedside.doctor.running import ASK_SECONDS, LIMIT_SECONDS, Check, run
from bedside.exits import Exit

FOR_EVER = threading.Event()


def test_findings_come_in_the_order_of_the_checks_and_not_in_that_of_their_answers():
    second_is_done = threading.Event()

    def first():
        assert second_is_done.wait(5)  # would never be, were they run one after the other
        return ok("first")

    def second():
        second_is_done.set()
        return ok("second")

    found = run([Check(name="1", look=first), Check(name="2", look=second)])
    assert [(checked.name, checked.finding.found) for checked in found] == [("1", "first"), ("2", "second")]


def test_who_does_not_answer_is_left_behind_and_has_failed():
    began = time.monotonic()
    found = run(
        [Check(name="1", look=lambda: FOR_EVER.wait() or ok("")), Check(name="2", look=lambda: ok("2"))], seconds=0.2
    )
    assert time.monotonic() - began < 2
    assert (found[0].finding.outcome, found[0].finding.code) == (Outcome.FAILED, Exit.UNREACHABLE)
    assert found[0].finding.found == "no answer within 0.2 s"
    assert found[1].finding.outcome is Outcome.OK


def test_a_bug_in_a_check_is_told_by_its_place_and_never_by_its_words():
    def look():
        raise KeyError("a password, perhaps")

    (found,) = run([Check(name="1", look=look)])
    assert (found.finding.outcome, found.finding.code) == (Outcome.FAILED, Exit.FAILED)
    assert found.finding.found.startswith("this check has a bug: KeyError in test_running.py, line ")
    assert "password" not in found.finding.found


def test_no_checks_are_no_findings():
    assert run([]) == []


def test_the_time_that_all_get_is_enough_to_ask_twice_and_ends_within_ten_seconds():
    assert 2 * ASK_SECONDS <= LIMIT_SECONDS < 10
