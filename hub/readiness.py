"""Whether a node can do its work: every part that it needs is asked, all at once and within a bounded time."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from hub.errors import HubError, RestoreUntold
from hub.realtime.live import Live

CHECK_SECONDS: Final = 2.0
"""What each part gets to answer; load balancers ask every few seconds and wait no longer than some."""
OK: Final = "ok"

_ADVICE: Final[Mapping[str, str]] = {
    "live_rooms": "live messages don't arrive from Redis; the hub follows the rooms again by itself once `redis` is ok",
    "record": "see that the database of database_url runs and lets the hub in",
    "redis": "see that Redis runs and lets the hub in; clients are told redis_lost meanwhile, and nothing recorded is lost",
    "record_epoch": "the database is older than what was published from it: stop every hub and run `bedside database restored`",
    "node": "the node stops; send clients to another",
}
_OTHER: Final = "see the hub's log"
_UNTOLD: Final = "can't be told while `record` or `redis` does not answer; see to them"


async def readiness(live: Live, checks: Mapping[str, Callable[[], Awaitable[None]]]) -> dict[str, str]:
    """`ok`, or what is wrong, by the part's name. A node that stops is not ready."""
    answers = await asyncio.gather(*(_answer(check) for check in checks.values()))
    states = {"live_rooms": OK if live.feed.healthy else "not followed"} | dict(zip(checks, answers, strict=True))
    return states | {"node": "draining"} if live.clients.draining else states


def advice(states: Mapping[str, str]) -> dict[str, str]:
    """What to do about each part that isn't ok."""
    return {name: _advice(name, state) for name, state in states.items() if state != OK}


def _advice(name: str, state: str) -> str:
    """That a restore has to be told is said only where it is known: who does so for nothing begins all rooms anew."""
    return _UNTOLD if name == "record_epoch" and state != RestoreUntold.__name__ else _ADVICE.get(name, _OTHER)


async def _answer(check: Callable[[], Awaitable[None]]) -> str:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await check()
    except TimeoutError:
        return f"no answer within {CHECK_SECONDS:g} s"
    except HubError as error:
        return type(error).__name__
    return OK
