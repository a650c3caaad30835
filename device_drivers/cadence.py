"""From 60 to 100 frames a second to one reading a second.

A frame decides the second in which it arrives: the first of a new second is delivered, at once. Whatever changes the reading's
quality (a finger gone, a search begun) does not wait for the next second; nor
does a clock that was set back make anything wait for the time that it had before.
"""

from datetime import datetime, timedelta
from typing import Final

PERIOD: Final = timedelta(seconds=1)


class Cadence:
    """Says which frames become readings. `state` is anything that is equal while nothing of note changes."""

    def __init__(self) -> None:
        self._due: datetime | None = None
        self._state: object = None

    def decides(self, at: datetime, state: object) -> bool:
        """Whether the frame that came at `at` is to be delivered."""
        if self._due is not None and self._due - PERIOD <= at < self._due and state == self._state:
            return False
        on_time = self._due is not None and self._due <= at < self._due + PERIOD and state == self._state
        self._due = (self._due if on_time and self._due else at) + PERIOD
        self._state = state
        return True
