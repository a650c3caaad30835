"""The link's table, what codes ask for, and how long is waited."""

import random

import pytest

from bedside.client.link import (
    TRANSITIONS,
    BackOff,
    IllegalTransition,
    Link,
    Step,
    Timings,
    Verdict,
    transition,
    verdict,
)


def test_every_state_can_be_reached_and_ended():
    reached = {Link.IDLE} | set(TRANSITIONS.values())
    assert reached == set(Link)
    assert all(transition(link, Step.ENDED) is Link.ENDED for link in Link)


def test_a_connection_is_opened_only_with_a_token():
    assert {step for (_, step), link in TRANSITIONS.items() if link is Link.OPENING} == {Step.TOKEN_GIVEN}


def test_what_the_table_does_not_have_is_a_bug():
    with pytest.raises(IllegalTransition):
        transition(Link.WAITING, Step.OPENED)


@pytest.mark.parametrize("code", [1000, 1001, 1006, 1011, 1013, 4000, 4408, 4429, 4490, 4499, 404, 429, 500, 503])
def test_codes_below_4500_are_tried_again(code):
    assert verdict(code) is Verdict.RETRY


@pytest.mark.parametrize("code", [403, 4500, 4502, 4503, 4999])
def test_from_4500_on_and_forbidden_is_the_end(code):
    assert verdict(code) is Verdict.END


@pytest.mark.parametrize("code", [401, 4501])
def test_a_token_that_is_no_longer_believed_asks_for_another(code):
    assert verdict(code) is Verdict.NEW_TOKEN


def test_waits_double_up_to_the_longest():
    back_off = BackOff(Timings(), lambda: 1.0)
    assert [back_off.next_wait(1006) for _ in range(9)] == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_waits_are_spread_over_the_whole_range():
    draw = random.Random(5)
    waits = [BackOff(Timings(first_wait_seconds=8), draw.random).next_wait(1001) for _ in range(400)]
    assert min(waits) < 0.5
    assert max(waits) > 7.5
    assert 3.5 < sum(waits) / len(waits) < 4.5


def test_a_hub_that_has_too_many_of_us_is_left_alone_for_longer():
    assert BackOff(Timings(), lambda: 1.0).next_wait(1013) == 4


def test_a_link_that_held_begins_again_with_the_shortest_wait():
    back_off = BackOff(Timings(), lambda: 1.0)
    for _ in range(5):
        back_off.next_wait(1006)
    back_off.settled()
    assert back_off.next_wait(1006) == 0.5
