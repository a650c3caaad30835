"""The table of a connection's life."""

import pytest

from edge_agent.connection import TRANSITIONS, Occurrence, State, mermaid, transition
from edge_agent.errors import IllegalTransition


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("occurrence", Occurrence)
def test_a_pair_outside_the_table_raises(state: State, occurrence: Occurrence):
    if (state, occurrence) in TRANSITIONS:
        assert transition(state, occurrence) is TRANSITIONS[state, occurrence]
    else:
        with pytest.raises(IllegalTransition):
            transition(state, occurrence)


def test_every_state_can_be_left_and_reached():
    assert {before for before, _ in TRANSITIONS} == set(State)
    assert set(TRANSITIONS.values()) == set(State)


def test_the_diagram_has_a_line_for_each_transition():
    assert len([line for line in mermaid().splitlines() if ": " in line]) == len(TRANSITIONS)
