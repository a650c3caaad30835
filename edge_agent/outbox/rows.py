"""What the outbox keeps and tells, without SQLite."""

from enum import IntEnum, unique
from typing import TypeAlias

import msgspec

from edge_agent.outbox import schema

Range: TypeAlias = tuple[int, int]  # first and last, both included


@unique
class Kind(IntEnum):
    """Readings are evicted before anything else and travel on `readings`; the rest travels on `events`."""

    READING = 0
    EVENT = 1


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One entry: `body` is its JSON, `committed` the gateway's clock in milliseconds when it was given to the outbox."""

    id: int
    kind: Kind
    committed: int
    body: bytes

    @property
    def epoch_number(self) -> int:
        return schema.epoch_number(self.id)

    @property
    def sequence(self) -> int:
        return schema.sequence(self.id)


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """How many entries are in which state; `evicted` and `tombstones` count sequences."""

    unsent_readings: int = 0
    unsent_events: int = 0
    acknowledged: int = 0
    set_aside: int = 0
    tombstones: int = 0
    evicted: int = 0


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What a person wants to know of an outbox."""

    counts: Counts
    oldest_unsent: int | None
    used_bytes: int
    max_bytes: int
    set_aside_reasons: dict[str, int]


def ranges_of(identities: list[int]) -> list[Range]:
    """The fewest ranges that hold exactly these ids, which increase."""
    ranges: list[Range] = []
    for identity in identities:
        if ranges and ranges[-1][1] == identity - 1:
            ranges[-1] = (ranges[-1][0], identity)
        else:
            ranges.append((identity, identity))
    return ranges


def subtract(whole: Range, part: Range) -> list[Range]:
    """What is left of `whole` without `part`."""
    pieces = [(whole[0], min(whole[1], part[0] - 1)), (max(whole[0], part[1] + 1), whole[1])]
    return [(first, last) for first, last in pieces if first <= last]
