"""The link's life as a table, what a close code asks for, and how long to wait before another try. Pure."""

from collections.abc import Callable, Mapping
from enum import StrEnum, unique
from types import MappingProxyType
from typing import Final

import msgspec


class Timings(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds. Try `n` waits between 0 and `first_wait · 2^n`, at most `longest_wait`; a link that stood for `stable` starts again at 0.

    A token that is about to end as soon as it was given is asked for again only after `refresh_wait`.
    """

    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 30.0
    busy_wait_seconds: float = 4.0
    stable_seconds: float = 10.0
    open_seconds: float = 10.0
    ping_seconds: float = 20.0
    silence_seconds: float = 60.0
    retry_seconds: float = 1.0
    refresh_wait_seconds: float = 5.0


@unique
class Link(StrEnum):
    """`asking`: for a token. `waiting`: before the next try."""

    IDLE = "idle"
    ASKING = "asking"
    OPENING = "opening"
    OPEN = "open"
    WAITING = "waiting"
    ENDED = "ended"


@unique
class Step(StrEnum):
    STARTED = "started"
    TOKEN_GIVEN = "token given"  # noqa: S105 - a step's name
    OPENED = "opened"
    LOST = "lost"
    TOKEN_REFUSED = "token refused"  # noqa: S105
    DUE = "due"
    ENDED = "ended"


TRANSITIONS: Final[Mapping[tuple[Link, Step], Link]] = MappingProxyType(
    {
        (Link.IDLE, Step.STARTED): Link.ASKING,
        (Link.ASKING, Step.TOKEN_GIVEN): Link.OPENING,
        (Link.ASKING, Step.LOST): Link.WAITING,
        (Link.OPENING, Step.OPENED): Link.OPEN,
        (Link.OPENING, Step.LOST): Link.WAITING,
        (Link.OPENING, Step.TOKEN_REFUSED): Link.ASKING,
        (Link.OPEN, Step.LOST): Link.WAITING,
        (Link.OPEN, Step.TOKEN_REFUSED): Link.ASKING,
        (Link.WAITING, Step.DUE): Link.ASKING,
    }
    | {(link, Step.ENDED): Link.ENDED for link in Link}
)


class IllegalTransition(AssertionError):
    """A bug of ours, never the hub's fault."""


def transition(link: Link, step: Step) -> Link:
    """The state after `step`. Raises IllegalTransition."""
    try:
        return TRANSITIONS[link, step]
    except KeyError:
        raise IllegalTransition(f"{step} while {link}") from None


@unique
class Verdict(StrEnum):
    RETRY = "retry"
    NEW_TOKEN = "new token"  # noqa: S105 - a verdict's name
    END = "end"


UNAUTHENTICATED: Final = 401
FORBIDDEN: Final = 403
BROKEN: Final = 1006
TRY_AGAIN_LATER: Final = 1013
RATE_LIMITED: Final = 4429
DO_NOT_RETURN: Final = 4500
TOKEN_EXPIRED: Final = 4501
_BUSY: Final = frozenset({429, TRY_AGAIN_LATER, RATE_LIMITED})


def verdict(code: int) -> Verdict:
    """What a close code, or the HTTP status of a refused handshake, asks for."""
    if code in (UNAUTHENTICATED, TOKEN_EXPIRED):
        return Verdict.NEW_TOKEN
    return Verdict.END if code == FORBIDDEN or code >= DO_NOT_RETURN else Verdict.RETRY


class BackOff:
    """Full jitter, so that a ward's screens don't come back all at once. `random` gives numbers from 0 up to 1."""

    def __init__(self, timings: Timings, random: Callable[[], float]) -> None:
        self._timings = timings
        self._random = random
        self.attempts = 0

    def next_wait(self, code: int) -> float:
        """Seconds before the next try, after a link that ended with `code`; where the hub has too many of us, the first wait is longer."""
        timings = self._timings
        first = timings.busy_wait_seconds if code in _BUSY else timings.first_wait_seconds
        doublings = min(self.attempts, 32)
        self.attempts += 1
        return self._random() * min(timings.longest_wait_seconds, first * 2.0**doublings)

    def settled(self) -> None:
        """A link has held."""
        self.attempts = 0
