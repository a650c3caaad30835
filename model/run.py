#!/usr/bin/env python3
"""Model-checks the delivery protocol with spin. Arguments pick checks by a part of their names; exit status 0: all as expected.

The run of a check that fails is written to `model/traces/`, so that one can read how.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from checks import Check, Property, checks

HERE: Final = Path(__file__).resolve().parent
TRACES: Final = HERE / "traces"
_AT_ONCE: Final = 2
_CHECK_SECONDS: Final = 150
_MEMORY_MIB: Final = 9000
_COMPILE: Final = {Property.SAFE: ["-DSAFETY"], Property.PROGRESS: ["-DNP"], Property.FORMULA: []}
_SEARCH: Final = {Property.SAFE: [], Property.PROGRESS: ["-l"], Property.FORMULA: ["-a", "-f"]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`holds` is None where the search did not finish: out of time, memory or depth."""

    check: Check
    holds: bool | None
    states: int
    seconds: float
    reason: str

    @property
    def is_expected(self) -> bool:
        return self.holds == self.check.holds

    def __str__(self) -> str:
        word = {True: "holds", False: "fails", None: "UNFINISHED"}[self.holds]
        line = f"{'ok ' if self.is_expected else 'BAD'} {self.check.name:58} {word:10} {self.states:>10,} states {self.seconds:5.1f} s"
        return f"{line}  {self.reason[:90]}".rstrip()


def run(check: Check, workshop: Path) -> Outcome:
    """Build the checker of one model and search it."""
    started = time.monotonic()
    folder = Path(tempfile.mkdtemp(dir=workshop))
    shutil.copy(HERE / f"{check.model}.pml", folder)
    _build(check, folder)
    written = _written_by(["timeout", str(_CHECK_SECONDS), "./pan", "-m100000", *_SEARCH[check.looks_for]], folder)
    errors = re.search(r"errors: (\d+)", written)
    states = re.search(r"(\S+) states, stored", written)
    finished = errors and "max search depth" not in written and "out of memory" not in written
    reason = re.search(r"pan:1: (.*)", written)
    if errors and int(errors[1]):
        _keep_trace(check, reason[1] if reason else "", _written_by(["./pan", "-r"], folder))
    return Outcome(
        check=check,
        holds=int(errors[1]) == 0 if finished else None,
        states=int(float(states[1])) if states else 0,
        seconds=time.monotonic() - started,
        reason=reason[1] if reason else "",
    )


def _build(check: Check, folder: Path) -> None:
    bounds = [f"-D{name}={value}" for name, value in check.bounds.items()]
    subprocess.run(["spin", "-a", *bounds, f"{check.model}.pml"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    optimised = "-O2" if check.holds else "-O1"  # a search that fails ends early: quicker compiled, quicker done
    options = [optimised, "-w", f"-DMEMLIM={_MEMORY_MIB}", *_COMPILE[check.looks_for]]
    subprocess.run(["gcc", *options, "-o", "pan", "pan.c"], cwd=folder, check=True)


def _written_by(command: Sequence[str], folder: Path) -> str:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout


def _keep_trace(check: Check, reason: str, replay: str) -> None:
    """What the models print on the way to the failure; spin's own lines are left out."""
    steps = [line for line in replay.splitlines() if line.strip() and "proc " not in line and "\t" not in line]
    name = re.sub(r"\W+", "_", check.name)
    (TRACES / f"{name}.txt").write_text("\n".join([reason, *steps]) + "\n", encoding="utf-8")


def main(parts: Sequence[str]) -> int:
    chosen = [check for check in checks() if not parts or any(part in check.name for part in parts)]
    if not chosen:
        print(f"no check's name holds {' or '.join(parts)}", file=sys.stderr)
        return 2
    TRACES.mkdir(exist_ok=True)
    started = time.monotonic()
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="model-") as workshop, ThreadPoolExecutor(_AT_ONCE) as pool:
        for outcome in pool.map(partial(run, workshop=Path(workshop)), chosen):
            outcomes.append(outcome)
            print(outcome, flush=True)
    states = sum(outcome.states for outcome in outcomes if outcome.check.holds)
    unexpected = sum(not outcome.is_expected for outcome in outcomes)
    print(
        f"{len(outcomes)} checks, {states:,} states in those that hold, {unexpected} not as expected, "
        f"{time.monotonic() - started:.0f} s"
    )
    return 1 if unexpected else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
