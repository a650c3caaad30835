"""Typing a command in a test: in this process, or as a process of its own."""

import os
import subprocess
import sys
from dataclasses import dataclass

import pytest

from bedside.main import main

WAIT_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str


def typed(capsys: pytest.CaptureFixture[str], *words: object) -> Said:
    """`bedside WORDS` in this process."""
    try:
        code = main([str(word) for word in words])
    except SystemExit as ended:
        code = int(ended.code or 0)
    out, err = capsys.readouterr()
    return Said(code=int(code), out=out, err=err)


def started(*words: object, **environment: str) -> Said:
    """`bedside WORDS` as a process, whose settings come from `environment` alone."""
    done = subprocess.run(
        [sys.executable, "-m", "bedside", *map(str, words)],
        env=without_settings() | environment,
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
        check=False,
    )
    return Said(code=done.returncode, out=done.stdout, err=done.stderr)


def without_settings() -> dict[str, str]:
    """Our environment without the settings in it."""
    return {name: value for name, value in os.environ.items() if not name.startswith("BEDSIDE_")} | {
        name: os.environ[name] for name in ("BEDSIDE_TOOLS", "BEDSIDE_STATE") if name in os.environ
    }
