"""Processes, as /proc tells of them: who they are, so that one is told from a later one of the same id, and which part of Bedside."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

OURS = {"hub", "agent", "simulate"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process by its id and when it started (clock ticks since boot). `component` is `hub`, `redis-server`, `lifeline.py` …"""

    pid: int
    started: int
    component: str

    @property
    def is_alive(self) -> bool:
        """Whether it still runs; a zombie does not."""
        return _started(self.pid) == self.started

    def kill(self) -> None:
        """End it at once, as a crash or the kernel would."""
        os.kill(self.pid, signal.SIGKILL)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """It hangs: nothing of it goes on, and nobody is told."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            if self.is_alive:
                os.kill(self.pid, signal.SIGCONT)


def children(pid: int) -> list[Process]:
    """Everything that a process has started."""
    return [process for child in _children(pid) for process in _process(child)]


def descendants(pid: int) -> list[Process]:
    """Everything that a process has started, and what these have."""
    return [process for child in _children(pid) for process in (*_process(child), *descendants(child))]


def component(pid: int, name: str) -> Process | None:
    """The child of a demo that is this component; None while it is not running."""
    return next((process for process in descendants(pid) if process.component == name), None)


def at_work_in(folder: Path) -> list[Process]:
    """Every process whose words or working folder name `folder`, whoever started it."""
    ids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [process for pid in ids if pid != os.getpid() and _names(pid, str(folder)) for process in _process(pid)]


def _names(pid: int, folder: str) -> bool:
    try:
        working = str(Path(f"/proc/{pid}/cwd").readlink())
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False
    return working.startswith(folder) or any(folder in word for word in _words(pid))


def _process(pid: int) -> Iterator[Process]:
    started, words = _started(pid), _words(pid)
    if started is not None and words:
        yield Process(pid=pid, started=started, component=_component(words))


def _component(words: list[str]) -> str:
    ours = [word for word in words if word in OURS]
    if ours and "bedside" in words:
        return ours[0]
    named = next((word for word in words if word.endswith(".py")), words[0].split()[0])
    return Path(named).name.replace("valkey", "redis")


def _children(pid: int) -> list[int]:
    try:
        lists = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(child) for listed in lists for child in listed.split()]


def _started(pid: int) -> int | None:
    """Field 22 of /proc/PID/stat (proc(5)); None for what has ended, waited for or not."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state in "ZX" else int(fields[18])


def _words(pid: int) -> list[str]:
    try:
        return [word for word in Path(f"/proc/{pid}/cmdline").read_text().split("\0") if word.strip()]
    except (FileNotFoundError, ProcessLookupError):
        return []
