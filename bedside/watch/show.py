"""The four ways in which a ward is shown: a live screen, lines, JSON Lines, and one picture."""

import asyncio
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import msgspec
from rich.console import Console
from rich.control import Control
from rich.live import Live

from bedside.exits import CommandFailed, Exit
from bedside.watch.bell import Bell
from bedside.watch.happenings import Happening, LinkLive, LinkLost, Missed, ReadingsRead, Received
from bedside.watch.hub import Follower, Target
from bedside.watch.lines import Lines
from bedside.watch.messages import Event, Subscribed
from bedside.watch.picture import Picture
from bedside.watch.screen import screen, whole, zone_of
from bedside.watch.ward import Ward

REFRESH_SECONDS: Final = 1.0
LEAST_REFRESH_SECONDS: Final = 0.2
ONCE_SECONDS: Final = 10.0
ONCE_COLUMNS: Final = 100
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode


def now() -> datetime:
    return datetime.now(UTC)


async def live_screen(target: Target, console: Console, *, bell: bool) -> None:
    """Fill the terminal, until cancelled. Ages go on every second; what happens is drawn at most five times a second."""
    ward, stirred = Ward(now()), asyncio.Event()

    def take(happening: Happening) -> None:
        ward.take(happening, now())
        stirred.set()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(Follower(target, take, random=random.random).run(), name="watch-hub")
        await _draw(ward, console, stirred, bell=Bell() if bell else None)


async def _draw(ward: Ward, console: Console, stirred: asyncio.Event, *, bell: Bell | None) -> None:
    with Live(console=console, screen=True, auto_refresh=False, transient=True) as live:
        while True:
            picture = ward.picture(now())
            width, height = console.size
            live.update(screen(picture, width=width, height=height), refresh=True)
            if bell is not None and bell.rings(picture, time.monotonic()):
                console.control(Control.bell())
            await asyncio.sleep(LEAST_REFRESH_SECONDS)
            stirred.clear()
            await _within(REFRESH_SECONDS - LEAST_REFRESH_SECONDS, stirred)


async def _within(seconds: float, event: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return


async def lines(target: Target, say: Callable[[str], None]) -> None:
    """A line for each message, until cancelled."""
    ward = Ward(now())
    made = Lines(ward)

    def take(happening: Happening) -> None:
        ward.take(happening, now())
        for line in made.of(happening, now(), zone_of(ward.zone)):
            say(line)

    await Follower(target, take, random=random.random).run()


async def json_lines(target: Target, say: Callable[[str], None]) -> None:
    """Each event and each answer to a subscription as the hub sent it, and lines of our own of type `link` and `missed`."""

    def take(happening: Happening) -> None:
        if (line := json_line(happening, now())) is not None:
            say(line)

    await Follower(target, take, random=random.random).run()


def json_line(happening: Happening, at: datetime) -> str | None:
    """One happening as a line of JSON; None for what is no event."""
    own: dict[str, object]
    match happening:
        case Received(text=text, message=Event() | Subscribed()):
            return text.replace("\n", " ")
        case LinkLive():
            own = {"type": "link", "status": "live"}
        case LinkLost(problem=problem):
            own = {"type": "link", "status": "lost", "problem": problem}
        case Missed(what=what):
            own = {"type": "missed", "what": what}
        case _:
            return None
    return _encode(own | {"timestamp": at}).decode()


async def once(target: Target) -> Picture:
    """The picture as soon as it is whole. Raises CommandFailed, exit 4, where it is not within ONCE_SECONDS."""
    ward, complete = Ward(now()), asyncio.Event()
    problem = "no answer"

    def take(happening: Happening) -> None:
        nonlocal problem
        ward.take(happening, now())
        if isinstance(happening, LinkLost):
            problem = happening.problem
        if isinstance(happening, ReadingsRead):
            complete.set()

    following = asyncio.create_task(Follower(target, take, random=random.random).run(), name="watch-hub")
    waiting = asyncio.create_task(complete.wait(), name="watch-complete")
    try:
        await asyncio.wait((following, waiting), timeout=ONCE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if following.done():
            following.result()
        if not complete.is_set():
            raise CommandFailed(
                f"{target.url}: no whole picture within {ONCE_SECONDS:g} s: {problem}", Exit.UNREACHABLE
            )
    finally:
        following.cancel()
        waiting.cancel()
        await asyncio.gather(following, waiting, return_exceptions=True)
    return ward.picture(now())


def picture_json(picture: Picture) -> str:
    """One object; numbers as numbers."""
    return _encode(picture).decode()


def picture_text(picture: Picture, console: Console) -> None:
    """Print it, in the terminal's width or, into a file or pipe, in ONCE_COLUMNS."""
    width = console.width if console.is_terminal else ONCE_COLUMNS
    console.print(whole(picture, width=width), soft_wrap=True)
