"""Migrations bring a database to exactly the tables, once, whoever else does the same."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, func, insert, inspect, select, text

from hub.errors import ConfigurationError
from hub.record.engine import Engine
from hub.record.migrate import FIRST_RECORD_EPOCH, migrate
from hub.record.record import Record
from hub.record.schema import hospitals, metadata, record_meta
from tests.hub.record.conftest import now


def differences(connection: Connection) -> list[Any]:
    options = {"compare_type": True, "compare_server_default": True}
    return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)


def described(connection: Connection) -> dict[str, Any]:
    """All that the database says of its tables, Alembic's own left out."""
    inspector = inspect(connection)
    return {
        table: {
            "columns": [(c["name"], str(c["type"]), c["nullable"], c["default"]) for c in inspector.get_columns(table)],
            "key": inspector.get_pk_constraint(table),
            "foreign": sorted(inspector.get_foreign_keys(table), key=str),
            "indexes": sorted(map(_as_text, inspector.get_indexes(table)), key=str),
            "unique": sorted(inspector.get_unique_constraints(table), key=str),
        }
        for table in inspector.get_table_names()
        if table != "alembic_version"
    }


def _as_text(index: Mapping[str, Any]) -> dict[str, Any]:
    """A partial index's condition is an expression, which equals nothing but itself."""
    options = {name: str(value) for name, value in index.get("dialect_options", {}).items()}
    return {**index, "dialect_options": options}


async def test_migrations_bring_an_empty_database_to_exactly_the_tables(engine: Engine):
    await migrate(engine)
    async with engine.writing() as connection:
        assert await connection.run_sync(differences) == []


async def test_migrations_leave_what_the_tables_themselves_would_be(engine: Engine):
    """Also where Alembic does not compare: keys, the order of columns, names of constraints."""
    await migrate(engine)
    async with engine.writing() as connection:
        migrated = await connection.run_sync(described)
        await connection.run_sync(metadata.drop_all)
        await connection.run_sync(metadata.create_all)
        assert migrated == await connection.run_sync(described)
        assert migrated.keys() == metadata.tables.keys()


async def test_a_record_begins_in_its_first_epoch_and_keeps_what_it_has(engine: Engine):
    """Delivery rule 5: the record epoch is there from the start."""
    await migrate(engine)
    async with engine.writing() as connection:
        assert await connection.scalar(select(record_meta.c.record_epoch)) == FIRST_RECORD_EPOCH
        await connection.execute(record_meta.update().values(record_epoch=7))
        await connection.execute(insert(hospitals).values(hospital_id="h1", name="One", zone="UTC"))
    await migrate(engine)
    async with engine.reading() as connection:
        assert await connection.scalar(select(record_meta.c.record_epoch)) == 7
        assert await connection.scalar(select(hospitals.c.name)) == "One"


async def test_a_database_of_a_newer_program_is_refused_and_left_alone(record: Record, database_url: str):
    async with record.engine.writing() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigurationError, match="schema 9999"):
        await Record.open(database_url, clock=now)
    async with record.engine.reading() as connection:
        assert await connection.scalar(text("SELECT version_num FROM alembic_version")) == "9999"


async def test_processes_that_open_an_empty_database_together_all_have_it(database_url: str):
    records = await asyncio.gather(*(Record.open(database_url, clock=now) for _ in range(4)))
    async with records[0].engine.reading() as connection:
        assert await connection.scalar(select(func.count()).select_from(record_meta)) == 1
    for record in records:
        await record.ping()
        await record.close()
