"""A command on a terminal of its own (a PTY), and what it has shown there."""

import asyncio
import contextlib
import fcntl
import os
import pty
import re
import struct
import termios
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

from tests.support.waiting import eventually

_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
TITLE = "\x1b[H"  # where a screen begins to be drawn again


@dataclass(kw_only=True)
class Terminal:
    """`raw` is everything that was written to it, with its escape sequences."""

    process: asyncio.subprocess.Process
    raw: bytearray = field(default_factory=bytearray)

    @property
    def text(self) -> str:
        return self.raw.decode("utf-8", "replace")

    @property
    def screen(self) -> str:
        """The screen that was drawn last and whole, without styles."""
        drawn = self.text.split(TITLE)
        return _ESCAPE.sub("", drawn[-2] if len(drawn) > 2 else drawn[-1])

    async def shows(self, *words: str, seconds: float = 30) -> str:
        """The first screen on which all of the words stand. Fails after `seconds`."""
        try:
            return await eventually(lambda: self._with(words), seconds=seconds)
        except AssertionError:
            raise AssertionError(f"{words} not within {seconds} s on\n{self.screen}") from None

    def _with(self, words: Sequence[str]) -> str:
        screen = self.screen
        return screen if all(word in screen for word in words) else ""


@contextlib.asynccontextmanager
async def terminal(
    *command: str, columns: int = 80, lines: int = 24, environment: Mapping[str, str] | None = None
) -> AsyncIterator[Terminal]:
    """Run a command on it; what still runs at the end is killed."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    told = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=told | {"TERM": "xterm-256color"} | dict(environment or {}),
        start_new_session=True,
    )
    os.close(theirs)
    shown = Terminal(process=process)
    loop = asyncio.get_running_loop()
    loop.add_reader(ours, _read, ours, shown.raw, loop)
    try:
        yield shown
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        loop.remove_reader(ours)
        os.close(ours)


def _read(descriptor: int, into: bytearray, loop: asyncio.AbstractEventLoop) -> None:
    try:
        into += os.read(descriptor, 65536)
    except OSError:  # the other end is closed: the command has ended
        loop.remove_reader(descriptor)
