"""The one command, on real services: it ends by itself, checks what it measured, and leaves nothing behind."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
BENCH_SECONDS = 300


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=BENCH_SECONDS)


@pytest.mark.slow
def test_a_quick_run_gives_checked_figures_with_their_baselines():
    before = set(Path(tempfile.gettempdir()).glob("bedside-bench-*"))
    done = bench("--quick", "--json")
    assert done.returncode == 0, done.stderr
    assert set(Path(tempfile.gettempdir()).glob("bedside-bench-*")) <= before
    (line,) = done.stdout.splitlines()
    said = json.loads(line)
    assert set(said["benches"]) == {"drivers", "ingest", "fanout", "waveforms"}
    for report in said["benches"].values():
        figures = {(figure["what"], figure["unit"]): figure for figure in report["figures"]}
        assert all(len(figure["rounds"]) == 1 for figure in figures.values())
        measured = [figure["median"] for (what, unit), figure in figures.items() if unit == "/s" or "baseline" in what]
        assert min(measured) > 0
        assert any(what.startswith("baseline: ") for what, _ in figures)
        assert any(unit == "×" for _, unit in figures)
        assert any("checked" in note for note in report["notes"])


@pytest.mark.slow
def test_what_it_can_do_is_said_and_what_it_cannot_is_refused():
    assert "--quick" in bench("--help").stdout
    refused = bench("--rounds", "0")
    assert refused.returncode == 2
    assert "'0' is not between 1 and 50" in refused.stderr
    refused = bench("fanout", "--only", "memory", "--plot", "picture.svg")
    assert (refused.returncode, "which is left out here" in refused.stderr) == (2, True)
