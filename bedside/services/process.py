"""A child process that dies with its parent, and a service made of one.

On Linux the kernel ends the child when its parent dies (PR_SET_PDEATHSIG). It is asked before `exec`, and the child ends itself
where the parent was gone by then. What the kernel watches is the thread that starts the child: start services from one that lives
as long as they do (the main thread, or an event loop's executor while the loop runs).
"""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bedside.services.locate import Program

START_SECONDS: Final = 20.0
STOP_SECONDS: Final = 10.0
_POLL_SECONDS: Final = 0.02
_PR_SET_PDEATHSIG: Final = 1
_ENDINGS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_libc: Final = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class ServiceFailed(Exception):
    """A service ended, or did not answer in time; the message names its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The user and group a service runs as, where it may not run as ours."""

    uid: int
    gid: int


@dataclass(slots=True, kw_only=True)
class Service:
    """One running program. `kill` and `restart` keep port, configuration and data, as a crash and a restart would.

    `process_group` None: the one of who starts it, so that a terminal's interrupt reaches both.
    """

    name: str
    program: Program
    arguments: Sequence[str]
    log: Path
    answers: Callable[[], bool]
    identity: Identity | None = None
    process_group: int | None = None
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> None:
        """Start it, and return when it answers. Raises ServiceFailed."""
        if self.answers():
            raise ServiceFailed(f"{self.name} can't start: another program answers in its place already")
        with self.log.open("ab") as log, signals_held():
            self.process = subprocess.Popen(
                [self.program.path, *self.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.program.environment,
                process_group=self.process_group,
                preexec_fn=die_with(os.getpid(), self.identity),  # noqa: PLW1509 - no threads touch it before exec
            )
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if self.process.poll() is not None:
                raise ServiceFailed(f"{self.name} ended with {self.process.returncode}; see {self.log}")
            if time.monotonic() > deadline:
                self.kill()
                raise ServiceFailed(f"{self.name} did not answer within {START_SECONDS:.0f} s; see {self.log}")
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """End it as an administrator would; after a while as `kill` does."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it at once (SIGKILL)."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def restart(self) -> None:
        """Start it again where it is not running."""
        self.stop()
        self.start()


def die_with(parent: int, identity: Identity | None = None) -> Callable[[], None]:
    """What a child of `parent` does before `exec`, so that it never outlives it."""

    def prepare() -> None:
        if identity is not None:
            os.setgroups([])
            os.setgid(identity.gid)
            os.setuid(identity.uid)
        _forget_signals()
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)

    return prepare


@contextlib.contextmanager
def signals_held() -> Iterator[None]:
    """Signals that end wait meanwhile, for this thread and for what it forks.

    Until `exec` a child has our handlers, and the socket by which they wake our event loop: an interrupt of the whole group that
    found the child there would be told to us twice, and the second one means at once.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDINGS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _forget_signals() -> None:
    """In a forked child: drop what has waited since `signals_held`, for it was said to the parent's group, and hear what comes."""
    for number in _ENDINGS:
        was_ignored = signal.getsignal(number) is signal.SIG_IGN
        signal.signal(number, signal.SIG_IGN)
        if not was_ignored:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDINGS)


def free_port() -> int:
    """A TCP port of the loopback address that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listens(port: int) -> bool:
    """Whether something accepts connections on that port of the loopback address."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def accepts(path: Path) -> bool:
    """Whether something accepts connections on that Unix socket; a killed program leaves its socket behind."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        probe.connect(str(path))
        return True
    return False


def write_private(path: Path, text: str) -> Path:
    """Write a file that only its owner can read, whatever was there before."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    return path
