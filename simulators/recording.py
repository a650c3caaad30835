"""A recording: what was charted of one stay, and where in it a replay stands."""

import bisect
import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Final

from simulators.errors import InvalidRecording

WARD: Final = Path(__file__).parent / "recordings" / "ward.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Charted:
    """One charted time; what was not charted is None. mmHg, /min, %, °C."""

    position_seconds: float
    systolic: int | None = None
    diastolic: int | None = None
    mean: int | None = None
    heart_rate: int | None = None
    spo2: int | None = None
    temperature: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """The rows of one stay, in order of time."""

    stay: str
    rows: tuple[Charted, ...]

    @property
    def seconds(self) -> float:
        """From the first row to the last."""
        return self.rows[-1].position_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A recording on an accelerated clock: at `started` it stood at `position_seconds`; `speed` recorded seconds a second.

    At its end it begins again; its place goes on counting, so that the pass can be told.
    """

    recording: Recording
    started: datetime
    speed: float
    position_seconds: float = 0.0

    def place(self, at: datetime) -> float:
        """Where it stands at `at`, over all passes."""
        return self.position_seconds + (at - self.started).total_seconds() * self.speed

    def latest(self, name: str, at: datetime) -> int | None:
        """The last charted number under `name`; None where none was charted yet in this pass."""
        rows = self.recording.rows
        end = bisect.bisect_right(rows, self.place(at) % self.recording.seconds, key=lambda row: row.position_seconds)
        return next((value for row in reversed(rows[:end]) if (value := getattr(row, name)) is not None), None)

    def next_after(self, name: str, at: datetime) -> tuple[float, Charted]:
        """Seconds from `at` until the next row that has `name`, and that row. Raises InvalidRecording where none ever has."""
        rows = [row for row in self.recording.rows if getattr(row, name) is not None]
        if not rows:
            raise InvalidRecording(f"stay {self.recording.stay} has no {name}")
        place = self.place(at)
        within = place % self.recording.seconds
        found = next((row for row in rows if row.position_seconds > within), None)
        ahead = found.position_seconds - within if found else self.recording.seconds - within + rows[0].position_seconds
        return ahead / self.speed, found or rows[0]


def load(stay: str, path: Path = WARD) -> Recording:
    """One stay of a recording's file. Raises InvalidRecording."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = [_charted(row) for row in csv.DictReader(file) if row["stay"] == stay]
    if len(rows) < 2:
        raise InvalidRecording(f"{path.name} has no stay {stay}")
    return Recording(stay=stay, rows=tuple(rows))


def stays(path: Path = WARD) -> Sequence[str]:
    """The stays that a file has, in its order."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(dict.fromkeys(row["stay"] for row in csv.DictReader(file)))


def _charted(row: dict[str, str]) -> Charted:
    numbers = {
        name: int(row[name]) if row[name] else None for name in ("systolic", "diastolic", "mean", "heart_rate", "spo2")
    }
    temperature = Decimal(row["temperature"]) if row["temperature"] else None
    return Charted(position_seconds=float(row["position_seconds"]), temperature=temperature, **numbers)
