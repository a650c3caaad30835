"""The benchmarks' own C programs, compiled when first needed into `.bedside/bench/native`; the flags stand here and nowhere else."""

import hashlib
import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Final

from bedside.services.locate import ComponentMissing
from bench.errors import BenchFailed

SOURCES: Final = Path(__file__).parent / "native"
BUILT: Final = Path(__file__).parents[1] / ".bedside" / "bench" / "native"
FLAGS: Final = ("-std=gnu11", "-O2", "-Wall", "-Wextra")
PROGRAMS: Final = {"bare": ("bare.c",), "crowd": ("crowd.c", "inbound.c", "kept.c")}
COMPILER: Final = "gcc"


def program(name: str) -> Path:
    """The compiled program. Raises ComponentMissing without gcc, BenchFailed where it can't be compiled or this is not Linux."""
    if platform.system() != "Linux":
        raise BenchFailed("the fan-out's clients need Linux's epoll")
    built = BUILT / _made_from() / name
    if not built.exists():
        built.parent.mkdir(parents=True, exist_ok=True)
        compile_program(name, built)
    return built


def compile_program(name: str, built: Path, *options: str) -> None:
    """Compile into `built`, which appears whole. Raises ComponentMissing or BenchFailed."""
    if shutil.which(COMPILER) is None:
        raise ComponentMissing(COMPILER)
    draft = built.with_suffix(f".{os.getpid()}")
    sources = [str(SOURCES / source) for source in PROGRAMS[name]]
    command = [COMPILER, *FLAGS, *options, "-o", str(draft), *sources]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchFailed(f"{COMPILER} can't compile bench/native/{name}:\n{done.stderr}")
    draft.replace(built)


def _made_from() -> str:
    parts = [" ".join(FLAGS).encode(), *(path.read_bytes() for path in sorted(SOURCES.glob("*.[ch]")))]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
