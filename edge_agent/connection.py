"""The life of a device's connection, as one table.

A device that sleeps between measurements ends its connections itself: that is IDLE, not a loss. `mermaid` draws the table.
"""

from collections.abc import Mapping
from enum import StrEnum, unique
from typing import Final

from edge_agent.errors import IllegalTransition


@unique
class State(StrEnum):
    """Where a connection stands."""

    ABSENT = "absent"  # not seen (yet)
    CONNECTING = "connecting"
    TALKING = "talking"  # the link stands; no reading has come over it yet
    LIVE = "live"
    IDLE = "idle"  # it has said what it had to say, and sleeps
    BACKING_OFF = "backing_off"


@unique
class Occurrence(StrEnum):
    """What can happen to it."""

    SIGHTED = "sighted"  # it advertises, or its port is there
    CONNECTED = "connected"
    READING = "reading"
    ENDED = "ended"  # as expected: a sleeping device, or the driver had what it came for
    LOST = "lost"
    FAILED = "failed"  # no link came to stand
    RETRY = "retry"


TRANSITIONS: Final[Mapping[tuple[State, Occurrence], State]] = {
    (State.ABSENT, Occurrence.SIGHTED): State.CONNECTING,
    (State.ABSENT, Occurrence.FAILED): State.BACKING_OFF,
    (State.CONNECTING, Occurrence.CONNECTED): State.TALKING,
    (State.CONNECTING, Occurrence.FAILED): State.BACKING_OFF,
    (State.TALKING, Occurrence.READING): State.LIVE,
    (State.TALKING, Occurrence.ENDED): State.IDLE,
    (State.TALKING, Occurrence.LOST): State.BACKING_OFF,
    (State.LIVE, Occurrence.READING): State.LIVE,
    (State.LIVE, Occurrence.ENDED): State.IDLE,
    (State.LIVE, Occurrence.LOST): State.BACKING_OFF,
    (State.IDLE, Occurrence.SIGHTED): State.CONNECTING,
    (State.IDLE, Occurrence.FAILED): State.BACKING_OFF,
    (State.BACKING_OFF, Occurrence.RETRY): State.ABSENT,
}


def transition(state: State, occurrence: Occurrence) -> State:
    """The state after `occurrence`. Raises IllegalTransition: a bug, never the device's fault."""
    try:
        return TRANSITIONS[state, occurrence]
    except KeyError:
        raise IllegalTransition(state, occurrence) from None


def mermaid() -> str:
    """The table as a Mermaid state diagram."""
    lines = [f"    {before} --> {after}: {occurrence}" for (before, occurrence), after in TRANSITIONS.items()]
    return "\n".join(["stateDiagram-v2", f"    [*] --> {State.ABSENT}", *lines, ""])
