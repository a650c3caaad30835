"""The simulators' ledger: every reading that a device made, and whether anybody was there to hear it.

It is the oracle of the fault tests: what it says was made and heard must be in the record, once. A line is written before the
bytes go out, and a second one when they were heard, so that a kill in between leaves the truth. A ledger that exists is continued.

For a cuff and a thermometer *heard* means that the central confirmed the indication; what was not confirmed is said again. A
serial oximeter says everything once: *heard* means that the port was open, and what lay in a killed reader's port is gone, as on a real
line, unless the time is declared as a gap.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, TextIO

import msgspec

WINDOW: Final = (timedelta(seconds=-2), timedelta(seconds=90))
"""A recorded measured time may lie so far from when the ledger says it was made: devices' clocks have whole seconds, and what
arrives within a minute counts as measured at its arrival."""
AT_ONCE: Final = (timedelta(seconds=-0.5), timedelta(seconds=0.5))
"""What arrived live was measured, by the gateway's word, when it was heard: so of equal measurements the right one is missed."""


class Made(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="made"):
    """A device measured: `numbers` by the names of `vitals.parameters.Parameter`, without those that it could not measure."""

    entry: int
    device_id: str
    at: datetime
    numbers: dict[str, float]


class Heard(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="heard"):
    """The entry went out while somebody listened; for a cuff: the central confirmed it."""

    entry: int
    at: datetime


_decode = msgspec.json.Decoder(Made | Heard).decode
_encode = msgspec.json.Encoder().encode


class Ledger:
    """Appends lines to a file."""

    def __init__(self, path: Path) -> None:
        self._entries = max((line.entry for line in _lines(path)), default=0) if path.exists() else 0
        self._file: TextIO = path.open("a", encoding="utf-8", buffering=1)
        if self._file.tell() and not path.read_bytes().endswith(b"\n"):
            self._file.write("\n")  # a kill cut the last line

    def made(self, device_id: str, at: datetime, numbers: Mapping[str, float]) -> int:
        """Note a measurement; the number of its entry."""
        self._entries += 1
        self._write(Made(entry=self._entries, device_id=device_id, at=at, numbers=dict(numbers)))
        return self._entries

    def heard(self, entry: int, at: datetime) -> None:
        """Note that an entry was heard."""
        self._write(Heard(entry=entry, at=at))

    def close(self) -> None:
        self._file.close()

    def _write(self, line: Made | Heard) -> None:
        self._file.write(_encode(line).decode() + "\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A reading in the record: the numbers that it has, without missing ones."""

    device_id: str
    measured: datetime
    numbers: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A time for which the road itself says that what was heard then is missing; of one device, or of all."""

    since: datetime
    until: datetime
    device_id: str | None = None

    def holds(self, entry: Made, heard_at: datetime) -> bool:
        """Whether an entry that was heard `heard_at` fell into it: what a cuff kept for a while counts when it was said."""
        return self.device_id in (None, entry.device_id) and self.since <= heard_at <= self.until


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of the entries. `duplicates` are recorded readings that no measurement is left for; `lost` were heard, are not
    recorded, and lie in no declared gap; `unheard` were said to nobody."""

    delivered: int
    duplicates: tuple[Recorded, ...]
    declared_gaps: int
    lost: tuple[Made, ...]
    unheard: int


def read(path: Path) -> tuple[list[Made], dict[int, datetime]]:
    """The entries of a ledger, and when which were heard. A line that was cut off by a kill is passed over."""
    lines = list(_lines(path))
    made = [line for line in lines if isinstance(line, Made)]
    return made, {line.entry: line.at for line in lines if isinstance(line, Heard)}


def compare(
    made: Iterable[Made], heard: Mapping[int, datetime], recorded: Iterable[Recorded], gaps: Iterable[Gap] = ()
) -> Verdict:
    """Match entries and recorded readings one to one, by device, numbers and time: what was heard by when it was heard, then by
    when it was made; then what was not heard.

    Devices that the ledger doesn't know are not judged.
    """
    entries = sorted(made, key=lambda entry: entry.at)
    known = {entry.device_id for entry in entries}
    rows = sorted((row for row in recorded if row.device_id in known), key=lambda row: row.measured)
    said = [entry for entry in entries if entry.entry in heard]
    silent = [entry for entry in entries if entry.entry not in heard]
    left, rows = _matched(said, rows, at=lambda entry: heard[entry.entry], window=AT_ONCE)
    lost, rows = _matched(left, rows, at=_made_at, window=WINDOW)
    unheard, duplicates = _matched(silent, rows, at=_made_at, window=WINDOW)
    declared = list(gaps)
    undeclared = tuple(entry for entry in lost if not any(gap.holds(entry, heard[entry.entry]) for gap in declared))
    return Verdict(
        delivered=len(entries) - len(lost) - len(unheard),
        duplicates=tuple(duplicates),
        declared_gaps=len(lost) - len(undeclared),
        lost=undeclared,
        unheard=len(unheard),
    )


def _made_at(entry: Made) -> datetime:
    return entry.at


def _matched(
    entries: list[Made], rows: list[Recorded], *, at: Callable[[Made], datetime], window: tuple[timedelta, timedelta]
) -> tuple[list[Made], list[Recorded]]:
    """The entries that no row is left for, and the rows that no entry is left for; both in order of time, as given.

    Each row takes the earliest entry in whose window around `at` it lies: as all windows are equally long, no other choice
    matches more.
    """
    waiting: dict[_Key, list[Made]] = defaultdict(list)
    for entry in entries:
        waiting[_key(entry.device_id, entry.numbers)].append(entry)
    matched: set[int] = set()
    left = []
    for row in rows:
        candidates = waiting[_key(row.device_id, row.numbers)]
        found = next((entry for entry in candidates if window[0] <= row.measured - at(entry) <= window[1]), None)
        if found is None:
            left.append(row)
            continue
        candidates.remove(found)
        matched.add(found.entry)
    return [entry for entry in entries if entry.entry not in matched], left


_Key = tuple[str, tuple[tuple[str, float], ...]]


def _key(device_id: str, numbers: Mapping[str, float]) -> _Key:
    return device_id, tuple(sorted((name, float(number)) for name, number in numbers.items()))


def _lines(path: Path) -> Iterator[Made | Heard]:
    for line in path.read_bytes().splitlines():
        try:
            yield _decode(line)
        except msgspec.DecodeError:
            continue
