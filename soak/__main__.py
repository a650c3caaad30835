"""`python -m soak`: the recovery matrix for as many steps as one likes, on a Redis of its own."""

import argparse
import logging
import secrets
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from hypothesis import HealthCheck, settings
from hypothesis import seed as seeded
from hypothesis.errors import HypothesisException
from hypothesis.stateful import run_state_machine_as_test

from bedside.services.locate import ComponentMissing
from bedside.services.process import ServiceFailed
from bedside.services.redis import redis
from soak.recovery import Recovery
from soak.world import PromiseBroken

STEPS: Final = 100_000
_BAR: Final = 30
_EPILOG: Final = """Two serving nodes, a record and its owner, and subscribers who believe only what the contract promises, on a real
Redis that is trimmed, emptied, cut off and killed. A failure is said with the steps that led there; times are not
part of a seed, so what depends on them may need several runs to come again.

exit codes: 0 ok, 1 a promise was broken, 2 usage, 4 a program is missing or does not start

examples:
  ./dev soak                             10^5 steps, about a quarter of an hour
  ./dev soak --steps 5000 --seed 7       a short run, the same again"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until so many steps are done, or a promise is broken; the exit code."""
    parsed = _parser().parse_args(arguments)
    logging.getLogger("hub").setLevel(logging.CRITICAL)  # it says of each step here what went wrong
    first = secrets.randbelow(10**6) if parsed.seed is None else parsed.seed
    try:
        with tempfile.TemporaryDirectory(prefix="bedside-soak-") as folder:
            return _run(Path(folder), steps=parsed.steps, seed=first)
    except (ComponentMissing, ServiceFailed) as failure:
        print(f"soak: {failure}", file=sys.stderr)
        return 4
    except KeyboardInterrupt:
        return 130


def _run(folder: Path, *, steps: int, seed: int) -> int:
    service = redis(folder / "redis")
    service.start()
    Recovery.redis = service
    began = time.monotonic()
    try:
        while Recovery.steps < steps:
            _one_seed(seed)
            _say(steps, seed, time.monotonic() - began)
            seed += 1
    except (PromiseBroken, HypothesisException, ExceptionGroup):
        if not Recovery.broken:
            raise
        notes = "".join(traceback.format_exc(limit=0))
        print(f"\nsoak: seed {seed} broke a promise: {Recovery.broken[0]}\n{notes}", file=sys.stderr)
        return 1
    finally:
        Recovery.bury()
        service.stop()
    print(f"\n{Recovery.steps} steps, {Recovery.gaps} gaps told, none in silence, nothing twice, nothing in disorder")
    return 0


def _one_seed(seed: int) -> None:
    life = type("Life", (Recovery,), {})
    chosen = settings(
        max_examples=20,
        stateful_step_count=50,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    run_state_machine_as_test(seeded(seed)(life), settings=chosen)


def _say(steps: int, seed: int, seconds: float) -> None:
    done = min(1.0, Recovery.steps / steps)
    bar = "#" * round(done * _BAR)
    line = f"\r[{bar:<{_BAR}}] {Recovery.steps:>7} of {steps} steps, seed {seed}, {Recovery.gaps} gaps told, {seconds:.0f} s"
    print(line, end="", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="./dev soak",
        description=__doc__.partition(": ")[2],
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--steps", type=_positive, default=STEPS, help=f"steps to take ({STEPS})")
    parser.add_argument("--seed", type=int, help="the first seed; a random one where not said")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


if __name__ == "__main__":
    sys.exit(main())
