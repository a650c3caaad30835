"""`python -m fuzz`: every target with so many inputs, several at once; what failed is said with its input and how to try it again."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from device_drivers.registry import DRIVERS, FORMATS
from fuzz.corpus import seeds
from fuzz.targets import FORMAT_PREFIX, SESSION_PREFIX

RUNS: Final = 1_000_000
TAIL_LINES: Final = 25
_EXAMPLES: Final = """examples:
  ./dev fuzz                                 10^6 inputs for each decoder and each session
  ./dev fuzz --runs 20000 nonin              only targets with that in their name
  ./dev fuzz --together --runs 200000        all targets in one process, sharing the inputs: the short form"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one process ended. `failure` is the end of what it said, `found` the input in hexadecimal digits."""

    name: str
    runs: int
    seconds: float
    failure: str | None = None
    found: str | None = None


def names() -> list[str]:
    """Every target."""
    return [f"{FORMAT_PREFIX}{key}" for key in FORMATS] + [f"{SESSION_PREFIX}{key}" for key in DRIVERS]


def fuzz(chosen: list[str], *, runs: int, seed: int) -> Outcome:
    """One process over these targets."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bedside-fuzz-") as folder:
        _write_corpus(Path(folder) / "corpus", chosen)
        done = subprocess.run(
            [sys.executable, "-m", "fuzz.one", str(runs), str(seed), folder, *chosen],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        inputs = sorted(Path(folder).glob("*-*"))
        found = inputs[0].read_bytes().hex() if inputs else None
    lines = [line for line in (done.stdout + done.stderr).splitlines() if not line.startswith("INFO: ")]
    said = "\n".join(lines[-TAIL_LINES:])
    name = chosen[0] if len(chosen) == 1 else f"{len(chosen)} targets together"
    failure = said if done.returncode else None
    return Outcome(name=name, runs=runs, seconds=round(time.monotonic() - began, 1), failure=failure, found=found)


def _write_corpus(folder: Path, chosen: list[str]) -> None:
    folder.mkdir()
    for place, name in enumerate(chosen):
        for number, seed in enumerate(seeds(name)):
            prefix = b"" if len(chosen) == 1 else bytes((place,))
            (folder / f"{place}.{number}").write_bytes(prefix + seed)


def _outcomes(groups: Iterable[list[str]], *, runs: int, seed: int) -> Iterator[Outcome]:
    """As they end; as many processes at once as there are processors."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        waiting = [pool.submit(fuzz, group, runs=runs, seed=seed) for group in groups]
        for ended in as_completed(waiting):
            yield ended.result()


def _say(outcome: Outcome, place: int, count: int) -> None:
    word = "FAILED" if outcome.failure else "ok"
    print(f"[{place}/{count}] {outcome.name:36} {outcome.runs:>9} inputs {outcome.seconds:7.1f} s  {word}", flush=True)
    if outcome.failure:
        print(outcome.failure)
        print(f"input: {outcome.found}\nagain: ./dev fuzz --runs {outcome.runs} '{outcome.name}'")


def main() -> int:
    """0 where every input was read or refused, 1 where one was neither, 2 for wrong usage."""
    parser = argparse.ArgumentParser(
        prog="./dev fuzz", description=__doc__, epilog=_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="a part of a target's name; all if not said")
    parser.add_argument("--runs", type=int, default=RUNS, help="inputs for each target (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of all chance (%(default)s)")
    parser.add_argument("--together", action="store_true", help="all targets in one process, sharing the inputs")
    parser.add_argument("--list", action="store_true", help="show the targets")
    parser.add_argument("--json", action="store_true", help="one JSON object a process")
    arguments = parser.parse_args()
    chosen = [name for name in names() if not arguments.names or any(part in name for part in arguments.names)]
    if arguments.list or not chosen:
        print("\n".join(names()))
        return 0 if chosen else 2
    groups = [chosen] if arguments.together else [[name] for name in chosen]
    failed = 0
    for place, outcome in enumerate(_outcomes(groups, runs=arguments.runs, seed=arguments.seed), 1):
        failed += outcome.failure is not None
        if arguments.json:
            print(json.dumps(asdict(outcome)), flush=True)
        else:
            _say(outcome, place, len(groups))
    if not arguments.json:
        print(f"{failed} of {len(groups)} failed" if failed else f"{len(chosen)} targets: 0 undeclared errors")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
