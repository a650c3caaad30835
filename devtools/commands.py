"""The commands of `./dev`: what each needs, and what it becomes."""

import fcntl
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, NoReturn

from devtools import locks, programs, rivals, web
from devtools.console import Failed, say
from devtools.environment import BELOW, CHECKOUT, PYTHON, VENV, ensure_environment, environment

PACKAGES: Final = (
    "vitals",
    "device_drivers",
    "edge_agent",
    "hub",
    "simulators",
    "bedside",
    "devtools",
    "fuzz",
    "bench",
    "soak",
)
_STATIC: Final = (
    ("format", ("ruff", "format", "--check", ".")),
    ("lint", ("ruff", "check", ".")),
    ("types", ("mypy", "--strict", *(word for package in PACKAGES for word in ("-p", package)))),
)
_FAST: Final = ("fast tests", ("pytest", "-q", "-n", "auto", "-m", "not slow", "--hypothesis-profile", "quick"))
_WHOLE: Final = (
    ("tests that share nothing", ("pytest", "-q", "-n", "auto", "-m", "not slow or pure")),
    ("tests on real services, one after the other", ("pytest", "-m", "slow and not pure")),
)


def demo(arguments: list[str]) -> int:
    """a ward of simulated devices, gateway, broker and hub on this machine; arguments as of `bedside demo`"""
    _prepare(programs.DEMO)
    _become(VENV / "bin" / "bedside", "demo", *arguments)


def bedside(arguments: list[str]) -> int:
    """the command line itself: ./dev bedside --help"""
    _prepare(())
    _become(VENV / "bin" / "bedside", *arguments)


def test(arguments: list[str]) -> int:
    """the whole test suite, on real services; arguments are pytest's"""
    _prepare(programs.TESTS)
    if arguments:
        _become(PYTHON, "-m", "pytest", *arguments)
    return _all_pass("test", _WHOLE)


def check(arguments: list[str]) -> int:
    """format, lint, types, architecture and the fast tests; --static leaves out the tests"""
    if arguments not in ([], ["--static"]):
        raise Failed("usage: ./dev check [--static]", 2)
    static = bool(arguments)
    _prepare(() if static else programs.TESTS)
    return _all_pass("check", (*_STATIC, *(() if static else (_FAST,))))


def bench(arguments: list[str]) -> int:
    """the benchmarks: ./dev bench --help"""
    _prepare(programs.DEMO)
    if not {"--help", "-h", "drivers", "ingest"} & {*arguments}:
        with _one_at_a_time():
            rivals.ensure_rivals()
    _become(PYTHON, "-m", "bench", *arguments)


def fuzz(arguments: list[str]) -> int:
    """fuzz every decoder and every conversation: ./dev fuzz --help"""
    _prepare(())
    if not any(VENV.glob("lib/python*/site-packages/atheris")):
        raise Failed("atheris has no wheel for this machine: fuzz on Linux, x86-64, Python 3.11 to 3.13", 4)
    _become(PYTHON, "-m", "fuzz", *arguments)


def soak(arguments: list[str]) -> int:
    """long runs against real services, as long as one likes: ./dev soak --help"""
    _prepare(programs.TESTS)
    _become(PYTHON, "-m", "soak", *arguments)


def model(arguments: list[str]) -> int:
    """model-check the delivery protocol; arguments pick checks by a part of their names"""
    programs.need("gcc", "install a C compiler (Debian: apt install gcc; macOS: xcode-select --install)")
    _prepare(programs.MODEL)
    _become(PYTHON, CHECKOUT / "model" / "run.py", *arguments)


def docs(arguments: list[str]) -> int:
    """write the documentation's tables, and the TypeScript client's catalogue, anew from the code"""
    _prepare(())
    _become(PYTHON, CHECKOUT / "docs", *arguments)


def web_(arguments: list[str]) -> int:
    """build the TypeScript client into .bedside/typescript/dist"""
    _prepare(())
    say(f"the TypeScript client is in {web.build().relative_to(CHECKOUT)}")
    return 0


def lock(arguments: list[str]) -> int:
    """remake requirements/*.txt from pyproject.toml; --upgrade takes the newest versions"""
    _prepare(())
    locks.lock(arguments)
    return 0


def setup(arguments: list[str]) -> int:
    """everything that the other commands would fetch, now: for working off line later"""
    _prepare((*programs.TESTS, *programs.MODEL))
    web.build()
    web.asyncapi_schemas()
    return 0


COMMANDS: Final[dict[str, Callable[[list[str]], int]]] = {
    command.__name__.rstrip("_"): command
    for command in (demo, bedside, test, check, bench, fuzz, soak, model, docs, web_, lock, setup)
}


def main(arguments: Sequence[str]) -> int:
    """Run one command. Returns the exit status; 4 says that something must be installed by hand first."""
    name, *rest = arguments or ["--help"]
    if name in ("--help", "-h", "help"):
        print(_help())
        return 0
    command = COMMANDS.get(name)
    if command is None:
        say(f"./dev has no command {name}\n\n{_help()}")
        return 2
    try:
        return command(rest)
    except Failed as error:
        say(str(error))
        return error.status
    except subprocess.CalledProcessError as error:
        say(f"{error.cmd[0]} ended with {error.returncode}")
        return 1
    except KeyboardInterrupt:
        return 130


def _help() -> str:
    lines = [f"  {name:8} {command.__doc__}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "usage: ./dev COMMAND [ARGUMENTS]",
            "",
            *lines,
            "",
            "Each command first makes ready what it needs, below .bedside/: a Python environment from requirements/dev.txt, and",
            "the programs that aren't on PATH, from Debian's packages. Removing .bedside/ removes all of it.",
        ]
    )


def _prepare(components: Sequence[str]) -> None:
    with _one_at_a_time():
        ensure_environment()
        programs.ensure_programs(components)


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Two `./dev` started together must not both fill the same folders."""
    BELOW.mkdir(exist_ok=True)
    with (BELOW / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another ./dev is preparing; waiting for it …")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _become(*command: object) -> NoReturn:
    """Turn this process into the command, so that signals and exit status are the command's own."""
    words = [str(word) for word in command]
    os.execve(words[0], words, environment())  # noqa: S606 - no shell is wanted


def _all_pass(what: str, commands: Sequence[tuple[str, Sequence[str]]]) -> int:
    """Run them all, whichever fail. 0 where none does."""
    failed = [name for name, command in commands if not _passes(f"{what}: {name}", command)]
    say(f"{what}: {', '.join(failed)} failed" if failed else f"{what}: all well")
    return 1 if failed else 0


def _passes(title: str, command: Sequence[str]) -> bool:
    say(title)
    done = subprocess.run(
        [PYTHON, "-m", *command], cwd=CHECKOUT, env=environment(), stdin=subprocess.DEVNULL, check=False
    )
    return done.returncode == 0
