"""Counts of what was taken and what was refused, by reason; logged once for each gateway and reason, never with content."""

import logging
from collections import Counter

log = logging.getLogger(__name__)


class Counters:
    """Figures since the start of this process."""

    def __init__(self) -> None:
        self.taken: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self._logged: set[tuple[str, str]] = set()

    def take(self, what: str, count: int = 1) -> None:
        self.taken[what] += count

    def refuse(self, gateway_id: str, reason: str, count: int = 1) -> None:
        """Count a refusal; the first of a kind from a gateway is logged."""
        self.refused[reason] += count
        if (gateway_id, reason) not in self._logged and len(self._logged) < 10_000:
            self._logged.add((gateway_id, reason))
            log.warning(
                "gateway %s: a message was refused: %s (counted from now on, not logged again)", gateway_id, reason
            )
