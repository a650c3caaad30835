"""The table of an entry's life."""

import pytest

from edge_agent.errors import IllegalTransition
from edge_agent.outbox.states import TRANSITIONS, EntryEvent, EntryState, moves, transition


def test_every_state_but_the_evicted_can_be_evicted():
    assert {before for before, _ in moves(EntryEvent.EVICTION)} == {
        EntryState.UNSENT,
        EntryState.ACKNOWLEDGED,
        EntryState.SET_ASIDE,
    }


def test_a_newer_record_epoch_leaves_nothing_decided():
    after = {transition(before, EntryEvent.NEWER_RECORD_EPOCH) for before, _ in moves(EntryEvent.NEWER_RECORD_EPOCH)}
    assert after == {EntryState.UNSENT, EntryState.TOMBSTONE}


@pytest.mark.parametrize("state", EntryState)
@pytest.mark.parametrize("event", EntryEvent)
def test_a_pair_outside_the_table_raises(state: EntryState, event: EntryEvent):
    if (state, event) in TRANSITIONS:
        assert transition(state, event) is TRANSITIONS[state, event]
    else:
        with pytest.raises(IllegalTransition):
            transition(state, event)
