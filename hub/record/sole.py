"""A SQLite record belongs to one hub process at a time, which holds a lock on a file beside the database for as long as it lives.

So a lease that a killed process has left is known to be nobody's, and its successor takes it at once instead of waiting for its end.
"""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hub.errors import ConfigurationError
from hub.record.engine import Engine

SOLE_OWNER: Final = "the-only-hub"
"""The name under which the one process of a SQLite record owns hospitals, in every life of it."""


@contextlib.contextmanager
def alone_with(engine: Engine) -> Iterator[None]:
    """Hold the record alone where it is a SQLite file. Raises ConfigurationError where another process does."""
    if not engine.is_sqlite:
        yield
        return
    path = Path(f"{engine.url.database}.lock")
    try:
        file = path.open("a", encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"database_url: {path} can't be written: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigurationError(
                f"database_url: another hub runs on {engine.url.database}; SQLite takes one: stop it, or use PostgreSQL"
            ) from error
        yield
