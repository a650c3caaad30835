"""Asking a device that can take one request at a time: the next is put when the last was answered, or when that was given up."""

from collections import deque
from datetime import datetime, timedelta
from typing import Final, Generic, TypeVar

R = TypeVar("R")
PATIENCE: Final = timedelta(seconds=3)


class Questions(Generic[R]):
    """Requests in their order. `asked` is the one whose answer is awaited."""

    def __init__(self, patience: timedelta = PATIENCE) -> None:
        self._patience = patience
        self._waiting: deque[R] = deque()
        self._since: datetime | None = None
        self.asked: R | None = None

    def put(self, *requests: R) -> None:
        """Ask these after the others."""
        self._waiting.extend(requests)

    @property
    def idle(self) -> bool:
        """Nothing is asked, and nothing waits to be."""
        return self.asked is None and not self._waiting

    def next(self, at: datetime) -> R | None:
        """The request to send now, which is `asked` from here on; None while an answer is awaited."""
        if self.asked is not None or not self._waiting:
            return None
        self.asked, self._since = self._waiting.popleft(), at
        return self.asked

    def answered(self) -> R | None:
        """An answer has come: to which request."""
        answered, self.asked = self.asked, None
        return answered

    def overdue(self, at: datetime) -> R | None:
        """The request that has waited too long for its answer, and is given up."""
        if self._since is None or at - self._since < self._patience:
            return None
        return self.answered()
