"""The machine: one core for what is measured, another for everything else, and the CPU time of other processes."""

import os
import platform
import resource
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_IS_LINUX: Final = platform.system() == "Linux"
_PROCESS_CLOCK: Final = 2
"""CPUCLOCK_SCHED: the clock of a process's CPU time, all threads together (Linux, clock_getcpuclockid)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cores:
    """`server` is for the process that is measured, `clients` for all others; None where nothing can be pinned."""

    server: int | None = None
    clients: int | None = None

    def settle(self) -> None:
        """Put this thread, and all that it starts from here on, on the clients' core."""
        _pin(self.clients)

    @contextmanager
    def serving(self) -> Iterator[None]:
        """What is started, or done by this thread, within the block runs on the server's core."""
        _pin(self.server)
        try:
            yield
        finally:
            _pin(self.clients)

    def __str__(self) -> str:
        if self.server is None:
            return "not pinned: server and clients share the cores, so ratios are worth less"
        return f"what is measured on core {self.server}; clients, broker and Redis on core {self.clients}"


def choose_cores() -> Cores:
    """The last of our cores for the server, the first for the clients; none with one core, or without sched_setaffinity."""
    if not _IS_LINUX:
        return Cores()
    ours = sorted(os.sched_getaffinity(0))
    return Cores(server=ours[-1], clients=ours[0]) if len(ours) > 1 else Cores()


def cpu_seconds(pid: int) -> float:
    """CPU time that a living process has taken, all its threads together; to the nanosecond on Linux, else as `ps` says it."""
    if _IS_LINUX:
        return time.clock_gettime((~pid << 3) | _PROCESS_CLOCK)
    said = subprocess.run(["ps", "-o", "time=", "-p", str(pid)], capture_output=True, text=True, check=True).stdout
    return seconds_of(said)


def resident_bytes(pid: int) -> int:
    """Memory of a living process that is in use and in RAM (Linux)."""
    pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def allow_many_files() -> None:
    """As many open files as the system lets this process and those that it starts have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def seconds_of(said: str) -> float:
    """What `ps` writes as `[[days-]hours:]minutes:seconds[.hundredths]`."""
    days, _, clock = said.strip().rpartition("-")
    seconds = 0.0
    for part in clock.split(":"):
        seconds = seconds * 60 + float(part)
    return int(days or 0) * 86_400 + seconds


def described() -> dict[str, object]:
    """What a figure must be read with."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
    }


def _processor() -> str:
    if _IS_LINUX:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123 - no file of ours
            named = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
        return named[0] if named else platform.machine()
    return platform.processor() or platform.machine()


def _pin(core: int | None) -> None:
    if core is not None:
        os.sched_setaffinity(0, {core})
