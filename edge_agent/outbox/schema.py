"""The outbox database: one SQLite file in WAL mode with `synchronous=FULL`, so that a commit that returned survives a power cut.

An entry's id is its outbox epoch's number and its sequence in one integer: ids increase in the order in which readings were
committed, over all epochs. Entries that were evicted are ranges in `tombstones`; a range never spans two epochs.
"""

import sqlite3
from pathlib import Path
from typing import Final

SCHEMA_VERSION: Final = 1
SEQUENCE_BITS: Final = 40
SEQUENCE_MASK: Final = (1 << SEQUENCE_BITS) - 1
PAGE_BYTES: Final = 4096
WAL_PAGES: Final = 1000
"""Pages in the write-ahead log before it is folded into the database."""

_SCHEMA: Final = """
CREATE TABLE epochs (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE entries (
    id INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,
    state INTEGER NOT NULL,
    record_epoch INTEGER NOT NULL,
    committed INTEGER NOT NULL,
    reason TEXT,
    body BLOB NOT NULL
);
CREATE INDEX entries_by_state ON entries (state, kind);
CREATE TABLE tombstones (
    first INTEGER PRIMARY KEY,
    last INTEGER NOT NULL,
    state INTEGER NOT NULL,
    record_epoch INTEGER NOT NULL,
    evicted INTEGER NOT NULL,
    reason TEXT NOT NULL
);
CREATE INDEX tombstones_by_state ON tombstones (state);
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO counters VALUES ('record_epoch', 0), ('session', 0);
"""


def entry_id(epoch_number: int, sequence: int) -> int:
    """The id under which an entry is kept."""
    return epoch_number << SEQUENCE_BITS | sequence


def epoch_number(identity: int) -> int:
    return identity >> SEQUENCE_BITS


def sequence(identity: int) -> int:
    return identity & SEQUENCE_MASK


def connect(path: Path, *, max_pages: int) -> sqlite3.Connection:
    """The database at `path`, made when there is none. Raises sqlite3.Error."""
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        database.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
        database.execute(f"PRAGMA journal_size_limit = {WAL_PAGES * PAGE_BYTES}")
        _migrate(database)
        # SQLite refuses a cap below the present size by keeping the present size.
        database.execute(f"PRAGMA max_page_count = {max_pages}")
    except BaseException:
        database.close()
        raise
    return database


def _migrate(database: sqlite3.Connection) -> None:
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version == SCHEMA_VERSION:
        return
    if version > SCHEMA_VERSION:
        raise sqlite3.DatabaseError(f"made by a newer version (schema {version}); this one knows {SCHEMA_VERSION}")
    database.executescript(f"BEGIN;{_SCHEMA}PRAGMA user_version = {SCHEMA_VERSION};COMMIT;")
