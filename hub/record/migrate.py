"""Brings a database to the current schema. Forward only by itself; a database that is newer than the program is refused."""

from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, insert, select

from hub.errors import ConfigurationError
from hub.record.engine import Engine
from hub.record.schema import record_meta

FIRST_RECORD_EPOCH = 1


async def migrate(engine: Engine) -> None:
    """Run what is missing, in one transaction. Raises ConfigurationError for a database made by a newer program."""
    async with engine.writing_alone() as connection:
        await connection.run_sync(_upgrade)
        if (await connection.execute(select(record_meta.c.record_epoch))).scalar_one_or_none() is None:
            await connection.execute(insert(record_meta).values(only_row=1, record_epoch=FIRST_RECORD_EPOCH))


def configuration(connection: Connection) -> Config:
    """Alembic's configuration for a connection."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """What schema a database has (None: none yet), which one this program brings, and which it knows."""

    current: str | None
    newest: str | None
    known: frozenset[str]

    @property
    def is_foreign(self) -> bool:
        """Whether a newer program made it."""
        return self.current is not None and self.current not in self.known


def schema(connection: Connection) -> Schema:
    """The schema of the database; changes nothing."""
    scripts = ScriptDirectory.from_config(configuration(connection))
    return Schema(
        current=MigrationContext.configure(connection).get_current_revision(),
        newest=scripts.get_current_head(),
        known=frozenset(script.revision for script in scripts.walk_revisions()),
    )


def _upgrade(connection: Connection) -> None:
    found = schema(connection)
    if found.is_foreign:
        raise ConfigurationError(
            f"database_url: the database is at schema {found.current}, which this version of Bedside does not know; run a newer one"
        )
    command.upgrade(configuration(connection), "head")
