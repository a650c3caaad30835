"""Brings a database to the current schema. Forward only by itself; a database that is newer than the program is refused."""

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
    async with engine.writing() as connection:
        await connection.run_sync(_upgrade)
        if (await connection.execute(select(record_meta.c.record_epoch))).scalar_one_or_none() is None:
            await connection.execute(insert(record_meta).values(only_row=1, record_epoch=FIRST_RECORD_EPOCH))


def configuration(connection: Connection) -> Config:
    """Alembic's configuration for a connection."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def _upgrade(connection: Connection) -> None:
    config = configuration(connection)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and current not in known:
        raise ConfigurationError(
            f"database_url: the database is at schema {current}, which this version of Bedside does not know; run a newer one"
        )
    command.upgrade(config, "head")
