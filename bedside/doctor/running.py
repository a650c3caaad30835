"""Runs checks at once, each in a thread, and waits no longer than it said it would: a host that doesn't answer hangs nobody."""

import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final, TypeVar

from bedside.doctor.findings import Checked, Finding, failed
from bedside.exits import Exit

ASK_SECONDS: Final = 3.0
"""What a check should give a server to answer one question."""
LIMIT_SECONDS: Final = 7.0
"""What all checks get together; one that is not done by then has failed."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """`look` may block; it must end by itself, and is left behind where it doesn't."""

    name: str
    look: Callable[[], Finding]


def run(checks: Sequence[Check], *, seconds: float = LIMIT_SECONDS) -> list[Checked]:
    """All findings, in the order of the checks, after `seconds` at the latest."""
    found = at_once({check.name: partial(_looked, check) for check in checks}, seconds=seconds)
    return [Checked(name=check.name, finding=found.get(check.name) or _silent(seconds)) for check in checks]


def at_once(calls: Mapping[str, Callable[[], T]], *, seconds: float) -> dict[str, T]:
    """What each call gave that was done in time, in the order of the calls, which must not raise."""
    answers: SimpleQueue[tuple[str, T]] = SimpleQueue()
    for name, call in calls.items():
        # not an executor: its threads would be waited for at the end
        threading.Thread(target=_answer, args=(name, call, answers), name=name, daemon=True).start()
    deadline = time.monotonic() + seconds
    answered: dict[str, T] = {}
    while len(answered) < len(calls):
        try:
            name, answer = answers.get(timeout=max(0, deadline - time.monotonic()))
        except Empty:
            break
        answered[name] = answer
    return {name: answered[name] for name in calls if name in answered}


def _answer(name: str, call: Callable[[], T], answers: "SimpleQueue[tuple[str, T]]") -> None:
    answers.put((name, call()))


def _looked(check: Check) -> Finding:
    try:
        return check.look()
    except Exception as error:  # noqa: BLE001 - a bug in one check must not hide what the others found
        return _bug(error)


def _silent(seconds: float) -> Finding:
    return failed(f"no answer within {seconds:g} s", "is its host up, and is a firewall between?", Exit.UNREACHABLE)


def _bug(error: Exception) -> Finding:
    """Where it happened and of what kind: an unforeseen error's text might hold anything."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    found = f"this check has a bug: {type(error).__name__} in {Path(frame.filename).name}, line {frame.lineno}"
    return failed(found, "report it with this line, please", Exit.FAILED)
