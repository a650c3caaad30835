"""Waiting longer after each failure, with jitter, so that a ward's gateways don't come back all at once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

MOST_DOUBLINGS: Final = 30


@dataclass(slots=True, kw_only=True)
class Backoff:
    """Exponential, half of it jitter: the n-th wait is between half and all of `first_seconds` × 2ⁿ, at most `most_seconds`.

    `random` gives numbers from 0 up to 1.
    """

    random: Callable[[], float]
    first_seconds: float = 0.5
    most_seconds: float = 30.0
    failures: int = 0

    def next_seconds(self) -> float:
        """How long to wait after one more failure."""
        wait: float = min(self.most_seconds, self.first_seconds * 2.0 ** min(self.failures, MOST_DOUBLINGS))
        self.failures += 1
        return wait * (0.5 + self.random() / 2)

    def reset(self) -> None:
        self.failures = 0
