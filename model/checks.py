"""What is checked: the whole protocol under bounded faults must hold, and without any one of its rules it must fail.

The rule numbers are those of the delivery protocol; OFFM is a bit mask of rules switched off. A check that is expected to fail is
what shows that the model would notice.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import combinations
from typing import Final


class Property(StrEnum):
    """What spin looks for."""

    SAFE = "no assertion fails and no state is stuck"
    PROGRESS = "no run goes on for ever without progress"
    FORMULA = "the temporal formula holds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One run of the checker on one model with these bounds."""

    name: str
    model: str
    holds: bool
    looks_for: Property = Property.SAFE
    bounds: Mapping[str, int] = field(default_factory=dict)


ROAD_FAULTS: Final = ("agent restart", "outbox restored", "broker crash", "owner paused", "node crash", "db restored")
STREAM_FAULTS: Final = ("takeover", "db restored", "redis back", "key lost", "listener")
_STARTS: Final = 2  # the first faults of the road start the agent anew and need one connection more

_CALM: Final = {"DISC": 0, "TRIMS": 0}
_BUSY: Final = {"NR": 2, "NC": 2, "FAULTS": 2, "DUPS": 1, "EVICTS": 0}
_RESTART: Final = {"NR": 2, "NC": 3, "FAULTS": 1, "DUPS": 0, "EVICTS": 0, "KINDS": 2}
_MIXED: Final = {"NR": 1, "NC": 1, "FAULTS": 2, "DUPS": 1, "EVICTS": 1}
_ROAD_WITHOUT: Final[dict[int, dict[str, int]]] = {
    1: _BUSY | {"KINDS": 72},
    2: _BUSY | {"KINDS": 8},
    3: _RESTART,
    4: _BUSY | {"KINDS": 40},
    5: _BUSY | {"KINDS": 36},
    6: _BUSY | {"KINDS": 32},
    7: _BUSY | {"KINDS": 36},
    8: _BUSY | {"KINDS": 72},
    9: _BUSY | {"KINDS": 16},
    10: {"NR": 1, "NC": 1, "FAULTS": 1, "DUPS": 0, "EVICTS": 1, "KINDS": 32},
    12: _BUSY | {"KINDS": 8},
    13: _BUSY | {"KINDS": 0},
    14: _RESTART,
    15: _BUSY | {"KINDS": 40},
}
_STREAM_WITHOUT: Final[dict[int, dict[str, int]]] = {
    1: {"G": 3, "FAULTS": 1, "KINDS": 2},
    2: {"G": 3, "FAULTS": 2, "KINDS": 12},
    3: {"G": 2, "FAULTS": 1, "KINDS": 8},
    4: {"G": 3, "FAULTS": 1, "KINDS": 4},
    5: {"G": 2, "FAULTS": 1, "KINDS": 8},
    6: {"G": 1, "FAULTS": 1, "KINDS": 8},
    7: {"G": 2, "FAULTS": 1, "KINDS": 8},
    8: {"G": 2, "FAULTS": 1, "KINDS": 16},
    9: {"G": 2, "FAULTS": 2, "KINDS": 24},
    10: {"G": 2, "FAULTS": 0},
    11: {"G": 1, "FAULTS": 0},
    12: {"G": 2, "FAULTS": 0},
    13: {"G": 2, "FAULTS": 1, "KINDS": 8, "DISC": 1},
    14: {"G": 2, "FAULTS": 0},
    15: {"G": 2, "FAULTS": 1, "KINDS": 4},
    16: {"G": 2, "FAULTS": 2, "KINDS": 6},
}
_REST_RULES: Final = range(1, 5)


def checks() -> tuple[Check, ...]:
    """All of them: first those that must hold, then those that must fail."""
    return (*_stream(), *_road(), *_small(), *_without_a_rule())


def _stream() -> Iterator[Check]:
    def holds(name: str, looks_for: Property = Property.SAFE, **bounds: int) -> Check:
        return Check(name=f"stream {name}", model="stream", holds=True, looks_for=looks_for, bounds=bounds)

    yield holds("1 fault + disconnect + trim", G=2, FAULTS=1, KINDS=31)
    for (a, first), (b, second) in combinations(enumerate(STREAM_FAULTS), 2):
        yield holds(
            f"{first} + {second}, no clock", G=2, FAULTS=2, KINDS=1 << a | 1 << b, STRICT=0, OFFM=1 << 16, **_CALM
        )
    for other in (2, 3):
        yield holds(
            f"db restored + {STREAM_FAULTS[other]}, lease end in the call", G=2, FAULTS=2, KINDS=2 | 1 << other, **_CALM
        )
    yield holds("own cursor", G=3, FAULTS=1, KINDS=4, OWNCUR=1, **_CALM)
    yield holds("3 messages, key lost", G=3, FAULTS=1, KINDS=8, **_CALM)
    yield holds("3 messages, db restored", G=3, FAULTS=1, KINDS=2, **_CALM)
    yield holds("no endless run", Property.PROGRESS, G=1, FAULTS=1, KINDS=31)


def _road() -> Iterator[Check]:
    def holds(name: str, looks_for: Property = Property.SAFE, **bounds: int) -> Check:
        return Check(name=f"road {name}", model="road", holds=True, looks_for=looks_for, bounds=bounds)

    yield holds("3 faults any kind", NR=1, NC=2, FAULTS=3, DUPS=0, EVICTS=0, KINDS=63)
    for (a, first), (b, second) in combinations(enumerate(ROAD_FAULTS), 2):
        connections = 3 if a < _STARTS else 2
        yield holds(f"{first} + {second}", NR=2, NC=connections, FAULTS=2, DUPS=0, EVICTS=0, KINDS=1 << a | 1 << b)
    yield holds("owner paused + db restored, evict, dup, unknown device", KINDS=104, **_MIXED)
    yield holds("broker + db restored, evict, dup, unknown device", KINDS=100, **_MIXED)
    yield holds("no endless run", Property.PROGRESS, NR=1, NC=2, FAULTS=1, DUPS=1, EVICTS=1, KINDS=127)


def _small() -> Iterator[Check]:
    yield Check(name="rest", model="rest", holds=True)
    yield Check(name="resend", model="resend", holds=True, looks_for=Property.FORMULA)


def _without_a_rule() -> Iterator[Check]:
    def fails(model: str, rule: int, looks_for: Property = Property.SAFE, **bounds: int) -> Check:
        switched_off = {"OFFM": 1 << rule}
        return Check(
            name=f"{model} without {rule}", model=model, holds=False, looks_for=looks_for, bounds=switched_off | bounds
        )

    for rule, bounds in _ROAD_WITHOUT.items():
        yield fails("road", rule, **bounds)
    yield fails("road", 11, Property.PROGRESS, NR=1, NC=1, FAULTS=1, DUPS=0, EVICTS=0, KINDS=4)
    for rule, bounds in _STREAM_WITHOUT.items():
        yield fails("stream", rule, **(_CALM | bounds))
    for rule in _REST_RULES:
        yield fails("rest", rule)
    yield Check(name="resend without age", model="resend", holds=False, looks_for=Property.FORMULA, bounds={"OFFM": 1})
