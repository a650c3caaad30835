"""When a terminal rings: what a person must hear of even when they look elsewhere. Pure."""

from typing import Final

from bedside.watch.alerts import rank
from bedside.watch.picture import LinkState, Picture

AGAIN_SECONDS: Final = 60.0
"""How often a lost link rings for as long as it is lost."""
LOST_SECONDS: Final = 3.0
"""A link that comes back within so long does not ring."""


class Bell:
    """Rings at a loss that lasts, again while it lasts, and once for each critical alert or emergency."""

    def __init__(self) -> None:
        self._rung_at: float | None = None
        self._heard: frozenset[str] = frozenset()

    def rings(self, picture: Picture, now_seconds: float) -> bool:
        """Whether to ring for this picture; `now_seconds` is a clock that never jumps."""
        critical = frozenset(alert.message for alert in picture.alerts if alert.recent and rank(alert.severity) <= 0)
        fresh, self._heard = critical - self._heard, critical
        return self._loss_rings(picture, now_seconds) or bool(fresh)

    def _loss_rings(self, picture: Picture, now_seconds: float) -> bool:
        if not is_lost(picture):
            self._rung_at = None
            return False
        if self._rung_at is not None and now_seconds - self._rung_at < AGAIN_SECONDS:
            return False
        self._rung_at = now_seconds
        return True


def is_lost(picture: Picture) -> bool:
    """Whether values can't come: no link to the hub, or none from the hub to what feeds it."""
    if picture.link.state is LinkState.LOST:
        return picture.link.seconds >= LOST_SECONDS
    return picture.silent or picture.link.broken_behind
