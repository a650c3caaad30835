"""Compares the clocks that must agree: this machine's, the hub's, the database's and Redis's.

Leases are measured by the database and checked by Redis, tokens and ages by the hub. Who doesn't answer is left out: another check says so.
"""

import contextlib
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Final

from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from bedside.doctor import database, redis
from bedside.doctor.answers import address, trust
from bedside.doctor.findings import Finding, failed, not_applicable, ok, warning
from bedside.doctor.running import ASK_SECONDS, at_once
from bedside.doctor.subject import Subject
from bedside.exits import Exit
from bedside.hub_client import HubUnreachable, get
from hub.errors import HubError
from hub.settings import HubSettings

FAR_SECONDS: Final = 5.0
"""Half a lease: with clocks that differ by more, the rooms may refuse their owner."""
_DATE_SECONDS: Final = 2.0
"""What an HTTP date leaves open: it counts whole seconds, and a server says the same one for up to a second."""
_ADVICE: Final = "let all machines follow the same time server: timedatectl set-ntp true, or chrony"


def look(settings: HubSettings, _: Subject) -> Finding:
    asked = {"hub": _hub, "database": _database, "Redis": _redis}
    answers = at_once({name: partial(ask, settings) for name, ask in asked.items()}, seconds=ASK_SECONDS + 1)
    offsets = {name: offset for name, offset in answers.items() if offset is not None}
    if not offsets:
        return not_applicable("nobody answers with a time")
    return judged(offsets, margin_seconds=settings.limits.lease_margin_seconds)


def judged(offsets: Mapping[str, float], *, margin_seconds: float) -> Finding:
    """By how far the outermost two are apart; `offsets` are seconds before this machine's clock."""
    clocks = {"this machine": 0.0, **offsets}
    spread = max(clocks.values()) - min(clocks.values())
    told = ", ".join(f"{name} {offset:+.1f} s" for name, offset in offsets.items())
    if spread > FAR_SECONDS:
        return failed(f"against this machine: {told}", _ADVICE, Exit.FAILED)
    if spread > margin_seconds:
        return warning(f"against this machine: {told}; limits.lease_margin_seconds is {margin_seconds:g}", _ADVICE)
    return ok(f"{', '.join(clocks)} agree within {max(0.1, spread):.1f} s")


def _offset(ask: Callable[[], float]) -> float:
    """Theirs less ours, at the middle of asking."""
    before = time.time()
    theirs = ask()
    return theirs - (before + time.time()) / 2


def _hub(settings: HubSettings) -> float | None:
    """None also for what an HTTP date is too coarse to tell from agreement: it counts as none."""
    before = datetime.now(UTC)
    try:
        date = get(f"{address(settings)}/health/live", seconds=ASK_SECONDS, tls=trust(settings)).date
    except HubUnreachable:
        return None
    if date is None:
        return None
    earliest = (date - datetime.now(UTC)).total_seconds()
    latest = (date - before).total_seconds() + _DATE_SECONDS
    return earliest if earliest > 0 else min(latest, 0.0)


def _database(settings: HubSettings) -> float | None:
    """A server's; SQLite's is the hub's own."""
    if settings.database_url.startswith("sqlite"):
        return None
    engine = database.connect(settings)
    try:
        with engine.connect() as connection:
            query = text("select extract(epoch from clock_timestamp())")
            return _offset(lambda: float(connection.execute(query).scalar_one()))
    except SQLAlchemyError:
        return None
    finally:
        engine.dispose()


def _redis(settings: HubSettings) -> float | None:
    with contextlib.suppress(RedisError, OSError, HubError), redis.connect(settings) as client:
        client.ping()  # connects, which is not to be counted

        def asked() -> float:
            seconds, microseconds = client.time()
            return float(seconds) + float(microseconds) / 1_000_000

        return _offset(asked)
    return None
