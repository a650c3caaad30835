"""Keeps children running: starts them, starts again the ones that die, and ends all of them, whatever ends first.

One task a child: start, wait for its end, back off, again. All children are in the process group of a lifeline
(`bedside.up.lifeline`), so that a terminal's interrupt reaches the supervisor alone, and none of them outlives it.
"""

import asyncio
import logging
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

from bedside.services.process import Service, ServiceFailed, signals_held

log = logging.getLogger(__name__)

FIRST_WAIT_SECONDS: Final = 0.5
LONGEST_WAIT_SECONDS: Final = 15.0
SOUND_SECONDS: Final = 30.0
"""A child that ran so long died of something new: the waiting begins anew."""
LIFELINE: Final = Path(__file__).with_name("lifeline.py")
_MOST_THREADS: Final = 32
_LOOK_AGAIN_SECONDS: Final = 0.1

T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class Child:
    """One supervised program. `stop_seconds`: what it gets to end by itself before it is killed. It starts when `after` answers."""

    service: Service
    stop_seconds: float
    after: "Child | None" = None
    deaths: int = 0
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    task: "asyncio.Task[None] | None" = None

    @property
    def running(self) -> bool:
        return self.service.process is not None and self.service.process.poll() is None


class Supervisor:
    """An async context manager; leaving it ends every child."""

    def __init__(self) -> None:
        self._groups: list[Sequence[Child]] = []
        self._threads = ThreadPoolExecutor(_MOST_THREADS, "children")
        self._stopping = asyncio.Event()
        self._lifeline: subprocess.Popen[bytes] | None = None
        self._beginning = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        for children in reversed(self._groups):
            await asyncio.gather(*(_end(child) for child in children))
        if self._lifeline is not None and self._lifeline.stdin is not None:
            self._lifeline.stdin.close()
            await self._call(self._lifeline.wait)
        self._threads.shutdown()

    async def start(self, *groups: Sequence[Child]) -> None:
        """Start them all beside each other; returns when all answer. Raises ServiceFailed when one ends first.

        The groups are ended one after the other, the last first.
        """
        self._groups += groups
        children = [child for group in groups for child in group]
        for child in children:
            child.task = asyncio.create_task(self._keep(child), name=child.service.name)
        for child in children:
            await self._first_answer(child)

    @property
    def children(self) -> list[Child]:
        return [child for children in self._groups for child in children]

    async def _keep(self, child: Child) -> None:
        """Until it is told to stop. Raises ServiceFailed where the child has never answered."""
        loop = asyncio.get_running_loop()
        wait = FIRST_WAIT_SECONDS
        if child.after is not None:
            await self._first_answer(child.after)
        while not self._stopping.is_set():
            began = loop.time()
            try:
                child.service.process_group = await self._group()
                await self._call(child.service.start)
                child.answered.set()
                log.info("%s runs", child.service.name)
                await self._call(lambda: _ended(child))
            except (ServiceFailed, OSError) as error:
                if not child.answered.is_set():
                    raise ServiceFailed(str(error)) from error
                log.warning("%s", error)
            if self._stopping.is_set():
                return
            child.deaths += 1
            if loop.time() - began > SOUND_SECONDS:
                wait = FIRST_WAIT_SECONDS
            log.warning("%s has ended (%s); it is started again in %g s", child.service.name, _fate(child), wait)
            if await _happens(self._stopping, wait):
                return
            wait = min(2 * wait, LONGEST_WAIT_SECONDS)

    async def _first_answer(self, child: Child) -> None:
        """Return when it answers, or when all are told to stop. Raises ServiceFailed when it ends first."""
        waits = {asyncio.create_task(event.wait()) for event in (child.answered, self._stopping)}
        tasks = {child.task} if child.task is not None else set()
        try:
            await asyncio.wait(waits | tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if child.task is not None and child.task.done():
            child.task.result()

    async def _group(self) -> int:
        """The lifeline's process group; there is one lifeline, and another when that has ended."""
        async with self._beginning:
            if self._lifeline is None or self._lifeline.poll() is not None:
                self._lifeline = await self._call(_lifeline)
            return self._lifeline.pid

    async def _call(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _lifeline() -> subprocess.Popen[bytes]:
    with signals_held():  # for ever: a lifeline ignores them
        return subprocess.Popen([sys.executable, "-I", "-S", str(LIFELINE)], stdin=subprocess.PIPE, process_group=0)


def _ended(child: Child) -> None:
    if child.service.process is not None:
        child.service.process.wait()


def _fate(child: Child) -> str:
    process = child.service.process
    code = process.returncode if process else None
    if code is None:
        return "it did not start"
    return f"signal {-code}" if code < 0 else f"exit {code}; see {child.service.log}"


async def _end(child: Child) -> None:
    """Ask it once to end; kill it after its time. A child that is only being started is ended as soon as it is there."""
    task = child.task
    if task is None:
        return
    loop = asyncio.get_running_loop()
    deadline = loop.time() + child.stop_seconds
    asked: set[int] = set()
    while not task.done():
        process = child.service.process
        if process is not None and process.poll() is None:
            if loop.time() > deadline:
                log.warning("%s did not end within %g s; killed", child.service.name, child.stop_seconds)
                process.kill()
            elif process.pid not in asked:
                asked.add(process.pid)
                process.terminate()
        await asyncio.wait((task,), timeout=_LOOK_AGAIN_SECONDS)
    await asyncio.gather(task, return_exceptions=True)


async def _happens(event: asyncio.Event, seconds: float) -> bool:
    """Whether it happens within that time."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
