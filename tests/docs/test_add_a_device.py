"""Whoever follows "Add a device" gets a device that works: the walk is done again, in a copy that doesn't know it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.pure]

ROOT = Path(__file__).parents[2]
WALK = (ROOT / "docs/how-to/add-a-device.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"<!-- table: file:(\S+) -->\n\n```\w+\n(.*?)```\n", WALK, re.DOTALL))
NAMED_IN = {"device_drivers/registry.py": "MODULES", "simulators/models/registry.py": "_MODULES"}
NEEDED = (
    "device_drivers",
    "vitals",
    "simulators",
    "bedside",
    "edge_agent",
    "hub",
    "tests",
    "fuzz",
    "pyproject.toml",
    "conftest.py",
)
MODULE = "temp_sitter"
SECONDS = 120


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """A copy of the checkout in which nobody has added the device yet."""
    for name in NEEDED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy(source, tmp_path / name)
    for path in FILES:
        (tmp_path / path).unlink()
    for path in NAMED_IN:
        registry = tmp_path / path
        kept = [line for line in registry.read_text().splitlines() if line.strip() != f"{MODULE},"]
        text = "\n".join(kept) + "\n"
        registry.write_text(re.sub(rf"\b{MODULE}, |, {MODULE}\b", "", text))
        assert MODULE not in registry.read_text()
    published = tmp_path / "tests/device_drivers/examples/published.json"
    assert "temp-sitter" in published.read_text()
    return tmp_path


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(folder)}
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def decoded(folder: Path) -> subprocess.CompletedProcess[str]:
    return run(folder, "-m", "bedside", "decode", "--protocol", "temp-sitter", "aa0611003e0d0062", "--json")


def follow_the_walk(folder: Path) -> None:
    """Write each file that the page shows, and name the module where it says."""
    for path, text in FILES.items():
        (folder / path).write_text(text, encoding="utf-8")
    for path, table in NAMED_IN.items():
        registry = folder / path
        text = registry.read_text(encoding="utf-8")
        package = "simulators.models" if path.startswith("simulators") else "device_drivers.thermometers"
        text = text.replace("\n\n\nclass ", f"\nfrom {package} import {MODULE}\n\n\nclass ", 1)
        registry.write_text(re.sub(rf"^({table}: .*?= \()", rf"\1\n    {MODULE},", text, count=1, flags=re.MULTILINE))


def test_the_walk_makes_a_device_that_is_decoded_tested_and_met(before: Path):
    assert "there is no format" in decoded(before).stderr
    follow_the_walk(before)
    assert decoded(before).stdout == '{"temperature": 33.9}\n'
    tests = run(before, "-m", "pytest", "-q", "tests/device_drivers", "-k", "temp-sitter", "-p", "no:cacheprovider")
    assert tests.returncode == 0, tests.stdout[-4000:]
    assert int(re.search(r"(\d+) passed", tests.stdout)[1]) >= 20


def test_the_page_shows_all_that_is_to_be_written():
    assert len(FILES) == 4
    for path, table in NAMED_IN.items():
        assert f"In `{path}`, import `{MODULE}`" in WALK
        assert f"add it to `{table}`" in WALK
