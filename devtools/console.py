"""What `./dev` says while it works: on stderr, so that a command's own output stays clean."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

NOT_INSTALLED = 4
"""Exit status where something must be installed by hand first."""


class Failed(Exception):
    """Work that `./dev` did itself failed; the message says what to do."""

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


def say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def missing(program: str, hint: str) -> NoReturn:
    raise Failed(f"{program} is missing: {hint}", NOT_INSTALLED)


def tail(lines: Sequence[str], count: int = 15) -> str:
    """The last lines of a program's output, for a message."""
    return "\n".join(line.rstrip() for line in lines[-count:])


def output_of(command: Sequence[object], folder: Path) -> Iterator[str]:
    """The lines that a program writes, as it writes them. Raises Failed where it fails."""
    words = [str(word) for word in command]
    with subprocess.Popen(
        words, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        written = []
        for line in process.stdout or ():
            written.append(line)
            yield line
    if process.returncode:
        raise Failed(f"{' '.join(words[:4])} … failed:\n{tail(written)}")
