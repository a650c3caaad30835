"""The supervisor with real programs: one lifeline, new lives, who waits for whom, and an end in time."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bedside.services import process
from bedside.services.locate import Program
from bedside.services.process import Service, ServiceFailed
from bedside.up.supervisor import Child, Supervisor
from tests.support.processes import children
from tests.support.waiting import eventually

SLEEP = "import time; time.sleep(600)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(600)"
LAST_WORDS = """
import signal, time
def end(*_):
    with open({folder!r} + "/ended", "a") as file:
        file.write({name!r})
    raise SystemExit
signal.signal(signal.SIGTERM, end)
print(flush=True)
time.sleep(600)
"""
STOP_SECONDS = 0.5
SECONDS = 10


@pytest.fixture
def child(tmp_path: Path) -> Callable[..., Child]:
    """Makes children that run some Python; one answers when `answers` says so, else as soon as it runs."""

    def make(
        name: str, code: str = SLEEP, *, after: Child | None = None, answers: Callable[[], bool] | None = None
    ) -> Child:
        service = Service(
            name=name,
            program=Program(path=Path(sys.executable), environment=dict(os.environ)),
            arguments=["-I", "-S", "-c", code],
            log=tmp_path / f"{name}.log",
            answers=lambda: False,
        )
        made = Child(service=service, stop_seconds=STOP_SECONDS, after=after)
        service.answers = answers or (lambda: made.running)
        return made

    return make


def has_spoken(folder: Path, name: str) -> Callable[[], bool]:
    """Whether that child has said something: its signal handlers are there."""
    log = folder / f"{name}.log"
    return lambda: log.exists() and log.stat().st_size > 0


def struck(prepare: Callable[[], None]) -> Callable[[], None]:
    """What a child does before `exec`, hung up on at its beginning."""

    def prepared() -> None:
        os.kill(os.getpid(), signal.SIGHUP)
        prepare()

    return prepared


def pid_of(child: Child) -> int:
    assert child.service.process is not None
    return child.service.process.pid


async def test_children_started_together_hang_on_one_lifeline(child: Callable[..., Child]):
    together = [child(name) for name in "abcdefgh"]
    async with Supervisor() as supervisor:
        await supervisor.start(together)
        lifelines = [process.pid for process in children(os.getpid()) if process.component == "lifeline.py"]
        assert len(lifelines) == 1
        assert {os.getpgid(pid_of(each)) for each in together} == set(lifelines)


async def test_a_child_that_dies_lives_again_and_the_others_do_not_notice(child: Callable[..., Child]):
    mortal, other = child("mortal"), child("other")
    async with Supervisor() as supervisor:
        await supervisor.start([mortal, other])
        first, beside, group = pid_of(mortal), pid_of(other), os.getpgid(pid_of(mortal))
        mortal.service.kill()
        await eventually(lambda: mortal.running and pid_of(mortal) != first, seconds=SECONDS)
        assert os.getpgid(pid_of(mortal)) == group
        assert (mortal.deaths, other.deaths, pid_of(other)) == (1, 0, beside)


async def test_who_comes_after_starts_when_the_other_answers(child: Callable[..., Child], tmp_path: Path):
    word = tmp_path / "word"
    first = child("first", answers=word.exists)
    second = child("second", after=first)
    async with Supervisor() as supervisor:
        starting = asyncio.create_task(supervisor.start([first], [second]))
        await eventually(lambda: first.running)
        assert second.service.process is None
        word.touch()
        await starting
        assert second.running


async def test_a_child_that_fails_at_first_fails_the_start_and_who_waits_for_it(child: Callable[..., Child]):
    failing = child("failing", "raise SystemExit(3)", answers=lambda: False)
    waiting = child("waiting", after=failing)
    async with Supervisor() as supervisor:
        with pytest.raises(ServiceFailed, match="failing ended with 3"):
            await supervisor.start([failing], [waiting])
    assert waiting.service.process is None


async def test_groups_are_ended_one_after_the_other_the_last_first(child: Callable[..., Child], tmp_path: Path):
    first, second, third = (
        child(name, LAST_WORDS.format(folder=str(tmp_path), name=name), answers=has_spoken(tmp_path, name))
        for name in ("1", "2", "3")
    )
    first.stop_seconds = second.stop_seconds = third.stop_seconds = SECONDS
    async with Supervisor() as supervisor:
        await supervisor.start([first])
        await supervisor.start([second], [third])
    assert (tmp_path / "ended").read_text() == "321"


async def test_leaving_does_not_wait_for_who_never_answered(child: Callable[..., Child]):
    silent = child("silent", answers=lambda: False)
    waiting = child("waiting", after=silent)
    began = time.monotonic()
    async with Supervisor() as supervisor:
        starting = asyncio.create_task(supervisor.start([silent], [waiting]))
        await eventually(lambda: silent.service.process is not None)
    await asyncio.gather(starting, return_exceptions=True)
    assert time.monotonic() - began < SECONDS
    assert waiting.service.process is None
    assert not silent.running


async def test_a_child_that_does_not_listen_is_killed_in_its_time(child: Callable[..., Child], tmp_path: Path):
    deaf = child("deaf", DEAF, answers=has_spoken(tmp_path, "deaf"))
    async with Supervisor() as supervisor:
        await supervisor.start([deaf])
        began = time.monotonic()
    assert STOP_SECONDS <= time.monotonic() - began < SECONDS
    assert not deaf.running


async def test_a_signal_that_finds_a_child_before_its_exec_is_told_to_nobody_twice(
    child: Callable[..., Child], monkeypatch: pytest.MonkeyPatch
):
    heard: list[str] = []
    die_with, loop = process.die_with, asyncio.get_running_loop()
    monkeypatch.setattr(process, "die_with", lambda *given: struck(die_with(*given)))
    loop.add_signal_handler(signal.SIGHUP, heard.append, "hung up")
    try:
        async with Supervisor() as supervisor:
            await supervisor.start([each := child("struck")])
            assert each.running
            os.kill(os.getpid(), signal.SIGHUP)
            await eventually(lambda: heard)
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
    assert heard == ["hung up"]
    assert each.deaths == 0
