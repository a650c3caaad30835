"""A recording on an accelerated clock: given a moment, which values stand and when the next is due. Pure.

A *place* is recorded seconds since the recording's beginning. At its end a recording begins again while its place goes on counting, so
that the pass can be told. The gateway says a reading's place by the same arithmetic from its own configuration (`ReplaySettings`).
"""

import bisect
from dataclasses import dataclass
from datetime import datetime

from simulators.errors import InvalidRecording
from simulators.recording import Charted, Recording


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """At `started` it stood at `position_seconds`; `speed` is recorded seconds a second."""

    recording: Recording
    started: datetime
    speed: float
    position_seconds: float = 0.0

    def place(self, at: datetime) -> float:
        """Where it stands at `at`, over all passes."""
        return self.position_seconds + (at - self.started).total_seconds() * self.speed

    def seconds_until(self, place: float, at: datetime) -> float:
        """Real seconds from `at` until it stands at `place`; negative where it has passed."""
        return (place - self.place(at)) / self.speed

    def next_pass(self, place: float) -> float:
        """The place where the recording next begins again."""
        return (place // self.recording.seconds + 1) * self.recording.seconds

    def last_charted(self, name: str, place: float) -> Charted | None:
        """The row at or before `place` that has `name`; None where this pass had none yet."""
        rows = self.recording.rows
        end = bisect.bisect_right(rows, place % self.recording.seconds, key=lambda row: row.position_seconds)
        return next((rows[at] for at in range(end - 1, -1, -1) if getattr(rows[at], name) is not None), None)

    def latest(self, name: str, at: datetime) -> int | None:
        """The number last charted under `name`; None where this pass had none yet."""
        row = self.last_charted(name, self.place(at))
        return None if row is None else getattr(row, name)

    def next_after(self, name: str, place: float) -> tuple[float, Charted]:
        """The first row after `place` that has `name`, and its place. Raises InvalidRecording where the recording has none."""
        rows = [row for row in self.recording.rows if getattr(row, name) is not None]
        if not rows:
            raise InvalidRecording(f"stay {self.recording.stay} has no {name}")
        begun = place // self.recording.seconds * self.recording.seconds
        found = next((row for row in rows if begun + row.position_seconds > place), None)
        if found is not None:
            return begun + found.position_seconds, found
        return begun + self.recording.seconds + rows[0].position_seconds, rows[0]
