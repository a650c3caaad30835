"""A database that takes every row and then refuses the COMMIT, as one whose disk fails at the last moment does."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from sqlalchemy import text

from hub.record.record import Record

# A constraint that is looked at only when the transaction commits, and never holds once an entry's fate has been written.
_SET: Final = {
    "sqlite": (
        "CREATE TABLE tripwire (missing TEXT REFERENCES hospitals (hospital_id) DEFERRABLE INITIALLY DEFERRED)",
        "CREATE TRIGGER on_insert AFTER INSERT ON outbox_fates BEGIN INSERT INTO tripwire VALUES ('none'); END",
        "CREATE TRIGGER on_update AFTER UPDATE ON outbox_fates BEGIN INSERT INTO tripwire VALUES ('none'); END",
    ),
    "postgresql": (
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''refused''; END'",
        """CREATE CONSTRAINT TRIGGER tripwire AFTER INSERT OR UPDATE ON outbox_fates INITIALLY DEFERRED
           FOR EACH ROW EXECUTE FUNCTION refuse()""",
    ),
}
_REMOVED: Final = {
    "sqlite": ("DROP TRIGGER on_insert", "DROP TRIGGER on_update", "DROP TABLE tripwire"),
    "postgresql": ("DROP TRIGGER tripwire ON outbox_fates", "DROP FUNCTION refuse"),
}


@asynccontextmanager
async def commits_refused(record: Record) -> AsyncIterator[None]:
    """While inside, no transaction that decides an entry can commit."""
    engine = record.engine.url.get_backend_name()
    await _run(record, _SET[engine])
    try:
        yield
    finally:
        await _run(record, _REMOVED[engine])


async def _run(record: Record, statements: Sequence[str]) -> None:
    async with record.engine.writing() as connection:
        for statement in statements:
            await connection.execute(text(statement))
