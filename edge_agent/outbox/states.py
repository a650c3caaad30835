"""The life of an outbox entry, as one table.

An entry is unsent until the hub says that it is committed (or set aside). Its content may be evicted for space; a tombstone
then stands in its place, to be sent if its fate at the hub isn't known. A newer record epoch (the hub's database was restored)
makes every fate that was learnt before it void. "Sent" is no state: a broker's word proves nothing.
"""

from collections.abc import Mapping
from enum import IntEnum, StrEnum, unique
from typing import Final

from edge_agent.errors import IllegalTransition


@unique
class EntryState(IntEnum):
    """As kept in the database."""

    UNSENT = 0
    ACKNOWLEDGED = 1
    SET_ASIDE = 2  # rejected by the hub; kept, visible, never sent again in this record epoch
    TOMBSTONE = 3  # evicted, and the hub doesn't know yet
    EVICTED = 4  # evicted, and nothing is owed


@unique
class EntryEvent(StrEnum):
    """What can happen to an entry."""

    COMMITTED = "committed"
    REJECTED = "rejected"
    EVICTION = "eviction"
    NEWER_RECORD_EPOCH = "newer_record_epoch"


TRANSITIONS: Final[Mapping[tuple[EntryState, EntryEvent], EntryState]] = {
    (EntryState.UNSENT, EntryEvent.COMMITTED): EntryState.ACKNOWLEDGED,
    (EntryState.UNSENT, EntryEvent.REJECTED): EntryState.SET_ASIDE,
    (EntryState.UNSENT, EntryEvent.EVICTION): EntryState.TOMBSTONE,
    (EntryState.ACKNOWLEDGED, EntryEvent.EVICTION): EntryState.EVICTED,
    (EntryState.ACKNOWLEDGED, EntryEvent.NEWER_RECORD_EPOCH): EntryState.UNSENT,
    (EntryState.SET_ASIDE, EntryEvent.EVICTION): EntryState.EVICTED,
    (EntryState.SET_ASIDE, EntryEvent.NEWER_RECORD_EPOCH): EntryState.UNSENT,
    # the first committed of reading, rejection and tombstone decides: the answer to a tombstone is whichever was first
    (EntryState.TOMBSTONE, EntryEvent.COMMITTED): EntryState.EVICTED,
    (EntryState.TOMBSTONE, EntryEvent.REJECTED): EntryState.EVICTED,
    (EntryState.EVICTED, EntryEvent.NEWER_RECORD_EPOCH): EntryState.TOMBSTONE,
}

WITH_CONTENT: Final = (EntryState.UNSENT, EntryState.ACKNOWLEDGED, EntryState.SET_ASIDE)
"""Kept as rows; the other states are ranges of sequences."""


def transition(state: EntryState, event: EntryEvent) -> EntryState:
    """The state after `event`. Raises IllegalTransition."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise IllegalTransition(state.name, event) from None


def moves(event: EntryEvent) -> tuple[tuple[EntryState, EntryState], ...]:
    """Every (before, after) that `event` makes; entries in other states stay as they are."""
    return tuple((before, after) for (before, which), after in TRANSITIONS.items() if which is event)
