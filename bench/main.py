"""The command line of the benchmarks."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final

from bedside.services.locate import ComponentMissing
from bedside.services.process import ServiceFailed
from bench import drivers, fanout, ingest, waveforms
from bench.errors import BenchFailed
from bench.figures import Report, table
from bench.machine import Cores, allow_many_files, choose_cores, described

Say = Callable[[str], None]
MOST_ROUNDS: Final = 50
_EPILOG: Final = """Everything runs on this machine, on loopback, in a folder that is removed afterwards: a real broker, Redis and hub, with
authentication, alert rules and full durability on. Rounds are interleaved, so that what is compared ran side by side;
ratios count, absolute figures drift on a machine that others share. docs/explanation/performance.md says how to read them.

exit codes: 0 ok, 1 a check failed, 2 usage, 4 a program is missing or does not start

examples:
  ./dev bench                     all benchmarks, about five minutes
  ./dev bench ingest --rounds 10
  ./dev bench fanout --only delivery --against nchan socket.io --plot picture.svg
  ./dev bench --quick --json      small and fast: whether it works, not how fast it is"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for; the exit code."""
    parsed = _parsed(arguments)
    cores = choose_cores()
    cores.settle()
    allow_many_files()
    say = _sayer()
    try:
        reports = {name: _BENCHES[name](parsed, cores, say) for name in _chosen(parsed)}
    except BenchFailed as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 1
    except (ComponentMissing, ServiceFailed) as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 4
    except KeyboardInterrupt:
        return 130
    print(_json(reports, cores) if parsed.json else _text(reports, cores))
    if parsed.plot:
        parsed.plot.write_text("".join(report.picture for report in reports.values()), encoding="utf-8")
    return 0


def _drivers(arguments: argparse.Namespace, cores: Cores, say: Say) -> Report:
    plan = drivers.QUICK if arguments.quick else drivers.FULL
    return drivers.run(replace(plan, rounds=arguments.rounds or plan.rounds), cores, say)


def _ingest(arguments: argparse.Namespace, cores: Cores, say: Say) -> Report:
    plan = ingest.QUICK if arguments.quick else ingest.FULL
    return ingest.run(replace(plan, rounds=arguments.rounds or plan.rounds), cores, say)


def _fanout(arguments: argparse.Namespace, cores: Cores, say: Say) -> Report:
    plan = fanout.QUICK if arguments.quick else fanout.FULL
    chosen = replace(
        plan, rounds=arguments.rounds or plan.rounds, only=arguments.only or (), against=arguments.against or ()
    )
    return fanout.run(chosen, cores, say)


def _waveforms(arguments: argparse.Namespace, cores: Cores, say: Say) -> Report:
    plan = waveforms.QUICK if arguments.quick else waveforms.FULL
    return waveforms.run(replace(plan, rounds=arguments.rounds or plan.rounds), cores, say)


_BENCHES: Final[Mapping[str, Callable[[argparse.Namespace, Cores, Say], Report]]] = MappingProxyType(
    {"drivers": _drivers, "ingest": _ingest, "fanout": _fanout, "waveforms": _waveforms}
)


def _chosen(parsed: argparse.Namespace) -> Sequence[str]:
    return (parsed.bench,) if parsed.bench else tuple(_BENCHES)


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = _parser()
    parsed = parser.parse_args(arguments)
    if parsed.plot and (parsed.bench not in (None, "fanout") or "delivery" not in (parsed.only or ["delivery"])):
        parser.error("--plot draws the fan-out's delivery, which is left out here")
    return parsed


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="./dev bench",
        description="Measure what drivers decode, and what the hub takes in and delivers, beside named baselines.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("bench", nargs="?", choices=[*_BENCHES], help="one of them; all where not said")
    parser.add_argument("--rounds", type=_rounds, metavar="N", help="rounds of each benchmark (5)")
    parser.add_argument("--quick", action="store_true", help="one small round, to see that it works")
    parser.add_argument("--json", action="store_true", help="print one line of JSON instead of a table")
    parser.add_argument("--only", nargs="+", choices=[*fanout.PARTS], help="these parts of the fan-out")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write the fan-out's picture, an SVG")
    parser.add_argument("--against", nargs="+", choices=fanout.RIVAL_NAMES, help="these rivals beside bare send()")
    return parser


def _rounds(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MOST_ROUNDS:
        raise argparse.ArgumentTypeError(f"{text!r} is not between 1 and {MOST_ROUNDS}")
    return int(text)


def _sayer() -> Callable[[str], None]:
    """Says what is done now, and when in the run."""
    began = time.monotonic()
    return lambda text: print(f"{time.monotonic() - began:5.0f} s  {text}", file=sys.stderr, flush=True)


def _text(reports: Mapping[str, Report], cores: Cores) -> str:
    machine = described()
    head = f"{_now()}  {machine['processor']}, {machine['cores']} cores, Python {machine['python']}, load {machine['load']}"
    return f"{head}\n{cores}\n\n{table([*reports.values()])}"


def _json(reports: Mapping[str, Report], cores: Cores) -> str:
    return json.dumps(
        {
            "at": _now(),
            "machine": described() | {"pinned": cores.server is not None},
            "benches": {name: report.as_json() for name, report in reports.items()},
        },
        ensure_ascii=False,
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
