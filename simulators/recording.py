"""A recording: what was charted of one stay. How it is played is in `replay`."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

from simulators.errors import InvalidRecording

WARD: Final = Path(__file__).parent / "recordings" / "ward.csv"
HOLD_SECONDS: Final = 60.0


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
    """The rows of one stay, in order of time; at least two."""

    stay: str
    rows: tuple[Charted, ...]

    @property
    def seconds(self) -> float:
        """How long one pass takes in recorded time: the last row is held for a while, then it begins again."""
        return self.rows[-1].position_seconds + HOLD_SECONDS


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
