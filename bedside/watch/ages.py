"""How old a value may be: limits with names, and ages in words.

A continuous value is a second old, or something is wrong with it. A spot check is what was measured when a person last measured it.
"""

from enum import StrEnum, unique
from typing import Final

from vitals.parameters import CONTINUOUS, Vital

STALE_CONTINUOUS_SECONDS: Final = 10
GONE_CONTINUOUS_SECONDS: Final = 60
STALE_SPOT_SECONDS: Final = 60 * 60
GONE_SPOT_SECONDS: Final = 24 * 60 * 60

_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR


@unique
class Freshness(StrEnum):
    """`stale` values are greyed; of those that are `gone` only the age is shown."""

    FRESH = "fresh"
    STALE = "stale"
    GONE = "gone"


def freshness(vital: Vital, age_seconds: float) -> Freshness:
    stale, gone = (
        (STALE_CONTINUOUS_SECONDS, GONE_CONTINUOUS_SECONDS)
        if vital in CONTINUOUS
        else (STALE_SPOT_SECONDS, GONE_SPOT_SECONDS)
    )
    if age_seconds > gone:
        return Freshness.GONE
    return Freshness.STALE if age_seconds > stale else Freshness.FRESH


def short(seconds: float) -> str:
    """At most four characters: `7s`, `12m`, `3h`, `2d`."""
    whole = int(max(0.0, seconds))
    for limit, length, unit in ((100, 1, "s"), (100 * _MINUTE, _MINUTE, "m"), (48 * _HOUR, _HOUR, "h")):
        if whole < limit:
            return f"{whole // length}{unit}"
    return f"{min(999, whole // _DAY)}d"


def spoken(seconds: float) -> str:
    """In a sentence: `12 s`, `5 min`, `3 h`."""
    text = short(seconds)
    unit = {"s": "s", "m": "min", "h": "h", "d": "days"}[text[-1]]
    return f"{text[:-1]} {unit}"
