"""Counts of what was taken and what was refused, by gateway and reason; logged once for each, never with content."""

import logging
from collections import Counter, defaultdict
from typing import Final

log = logging.getLogger(__name__)

MAX_GATEWAYS: Final = 10_000
"""Names beyond are counted together: whoever invents names must not fill our memory with them."""
OTHERS: Final = "others"


class Counters:
    """Figures since the start of this process. `refused_from` is by gateway, then by reason."""

    def __init__(self) -> None:
        self.taken: Counter[str] = Counter()
        self.refused_from: defaultdict[str, Counter[str]] = defaultdict(Counter)

    @property
    def refused(self) -> Counter[str]:
        """By reason, of all gateways together."""
        return sum(self.refused_from.values(), Counter())

    def take(self, what: str, count: int = 1) -> None:
        self.taken[what] += count

    def refuse(self, gateway_id: str, reason: str, count: int = 1) -> None:
        """Count a refusal; the first of a kind from a gateway is logged."""
        known = gateway_id in self.refused_from or len(self.refused_from) < MAX_GATEWAYS
        reasons = self.refused_from[gateway_id if known else OTHERS]
        if reason not in reasons:
            log.warning(
                "gateway %s: a message was refused: %s (counted from now on, not logged again)", gateway_id, reason
            )
        reasons[reason] += count
