"""The simulators' ledger: every reading that a device made, and whether anybody was there to hear it.

It is the oracle of the fault tests: what it says was made and heard must be in the record, once. A line is written before the
bytes go out, and a second one when they were heard, so that a kill in between leaves the truth.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TextIO

import msgspec


class Made(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="made"):
    """A device measured: `numbers` by the names of `vitals.parameters.Parameter`."""

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
        self._file: TextIO = path.open("a", encoding="utf-8", buffering=1)
        self._entries = 0

    def made(self, device_id: str, at: datetime, numbers: Mapping[str, float]) -> int:
        """Note a measurement; the number of its entry."""
        self._entries += 1
        self._write(Made(entry=self._entries, device_id=device_id, at=at, numbers=dict(numbers)))
        return self._entries

    def heard(self, entry: int, at: datetime) -> None:
        self._write(Heard(entry=entry, at=at))

    def close(self) -> None:
        self._file.close()

    def _write(self, line: Made | Heard) -> None:
        self._file.write(_encode(line).decode() + "\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of the entries that were heard; `unheard` were said to nobody."""

    delivered: int
    duplicates: int
    lost: tuple[Made, ...]
    unheard: int


def read(path: Path) -> tuple[list[Made], dict[int, datetime]]:
    """The entries of a ledger, and when which were heard. A last line that was cut off by a kill is passed over."""
    made: list[Made] = []
    heard: dict[int, datetime] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            entry = _decode(line.encode())
        except msgspec.DecodeError:
            continue
        if isinstance(entry, Made):
            made.append(entry)
        else:
            heard[entry.entry] = entry.at
    return made, heard


def compare(
    made: Iterable[Made], heard: Mapping[int, datetime], recorded: Iterable[tuple[str, Mapping[str, float]]]
) -> Verdict:
    """Match what was heard with what is recorded, by device and numbers (devices under test make each combination once)."""
    found = Counter((device_id, _key(numbers)) for device_id, numbers in recorded)
    entries = list(made)
    heard_entries = [entry for entry in entries if entry.entry in heard]
    lost = tuple(entry for entry in heard_entries if not found[entry.device_id, _key(entry.numbers)])
    duplicates = sum(
        count - 1
        for (device_id, numbers), count in found.items()
        if count > sum(entry.device_id == device_id and _key(entry.numbers) == numbers for entry in entries)
    )
    return Verdict(
        delivered=len(heard_entries) - len(lost),
        duplicates=duplicates,
        lost=lost,
        unheard=len(entries) - len(heard_entries),
    )


def _key(numbers: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    return tuple(sorted((name, float(number)) for name, number in numbers.items()))
