"""Tasks that a hub process can't do without."""

import asyncio
import logging
import signal
from collections.abc import Coroutine

log = logging.getLogger(__name__)


def vital(work: Coroutine[object, object, None], *, name: str) -> "asyncio.Task[None]":
    """A task that never ends by itself: where it does, the process ends too, and its supervisor starts a sound one."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_ended)
    return task


def _ended(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical("%s has failed; the hub stops", task.get_name(), exc_info=error)
        signal.raise_signal(signal.SIGTERM)
