"""The Python environment in `.bedside/venv`, filled from the locks in `requirements/` and from nothing else.

A stamp beside it holds a hash of what it was made from, so that an environment that is up to date costs two small reads.
"""

import hashlib
import importlib.util
import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

from devtools import debian
from devtools.console import Failed, missing, output_of, say

CHECKOUT = Path(__file__).resolve().parents[1]
BELOW = CHECKOUT / ".bedside"
VENV = BELOW / "venv"
PYTHON = VENV / "bin" / "python"
LOCK = CHECKOUT / "requirements" / "dev.txt"
TOOLS = BELOW / "debian"


def ensure_environment() -> None:
    """Make the environment, or bring it up to date. Raises Failed."""
    if not PYTHON.exists():
        _make()
    packages = VENV / "packages.stamp"
    made_from = _digest(LOCK.read_bytes())
    if _read(packages) != made_from:
        _install(["--require-hashes", "--only-binary=:all:", "-r", str(LOCK)], expected=_pinned(LOCK))
        packages.write_text(made_from)
    project = VENV / "project.stamp"
    made_from = _digest((CHECKOUT / "pyproject.toml").read_bytes(), str(CHECKOUT).encode())
    if _read(project) != made_from:
        _install(["--no-deps", "--no-build-isolation", "--no-index", "--editable", str(CHECKOUT)], expected=1)
        project.write_text(made_from)


def environment() -> dict[str, str]:
    """The variables that the project's own programs run with."""
    path = os.pathsep.join([str(VENV / "bin"), os.environ.get("PATH", os.defpath), str(TOOLS / "programs")])
    return os.environ | {
        "PATH": path,
        "VIRTUAL_ENV": str(VENV),
        "BEDSIDE_TOOLS": str(TOOLS),
        "BEDSIDE_STATE": os.environ.get("BEDSIDE_STATE", str(BELOW / "demo")),
    }


def _make() -> None:
    say(f"Python {sys.version.split()[0]}: making {VENV.relative_to(CHECKOUT)} …")
    if importlib.util.find_spec("ensurepip") is not None:
        venv.create(VENV, with_pip=True, symlinks=True, clear=True)
        return
    make_without_ensurepip(VENV)


def make_without_ensurepip(folder: Path) -> None:
    """An environment with the pip of Debian's python3-pip-whl: a Debian without python3-venv has no ensurepip."""
    if not debian.available():
        missing("Python's ensurepip", "install your system's package for Python's venv module")
    wheels = BELOW / "pip"
    debian.fetch(["python3-pip-whl"], wheels)
    wheel = next(wheels.glob("usr/share/python-wheels/pip-*.whl"), None)
    if wheel is None:
        raise Failed("python3-pip-whl holds no pip; install python3-venv")
    venv.create(folder, with_pip=False, symlinks=True, clear=True)
    command = [str(folder / "bin" / "python"), f"{wheel}/pip", "install", "-q", "--no-index", str(wheel)]
    subprocess.run(command, check=True)


def _install(arguments: Sequence[str], *, expected: int) -> None:
    """Run pip, saying each package as it comes."""
    what = "the project" if expected == 1 else f"up to {expected} packages"
    say(f"Python: installing {what} …")
    command = [PYTHON, "-m", "pip", "install", "--no-input", "--disable-pip-version-check", *arguments]
    collected = 0
    for line in output_of(command, CHECKOUT):
        if line.startswith("Collecting "):
            collected += 1
            say(f"Python: {collected} of at most {expected}  {line.split()[1]}")


def _pinned(lock: Path) -> int:
    return sum("==" in line for line in lock.read_text().splitlines() if not line.startswith((" ", "#")))


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _read(path: Path) -> str | None:
    return path.read_text() if path.exists() else None
