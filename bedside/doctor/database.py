"""Looks at the record's database without changing it: does it answer, and is its schema what this version brings."""

from pathlib import Path
from typing import Final
from urllib.parse import quote

from sqlalchemy import Connection, create_engine, inspect, make_url, text
from sqlalchemy.engine import URL, Engine
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from bedside.doctor.findings import Finding, failed, ok, warning
from bedside.doctor.running import ASK_SECONDS
from bedside.doctor.subject import Subject
from bedside.exits import Exit
from hub.record.migrate import schema
from hub.record.schema import metadata
from hub.settings import HubSettings

_REFUSALS: Final = ("authentication failed", "no pg_hba.conf entry", "no password supplied", "permission denied")
"""libpq says no code for a connection that is refused, only these words."""
MOST_NAMED: Final = 3
_NO_DATABASE: Final = "does not exist"


def sqlite_file(settings: HubSettings) -> Path | None:
    """The database's file; None where it is a server's."""
    url = make_url(settings.database_url)
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def connect(settings: HubSettings) -> Engine:
    """A blocking engine that only reads SQLite, and gives a server ASK_SECONDS. The caller disposes of it."""
    file, url = sqlite_file(settings), make_url(settings.database_url)
    if file is not None:
        # `immutable` is not said: the hub may be writing
        read_only = URL.create(
            "sqlite+pysqlite", database=f"file:{quote(str(file.absolute()))}", query={"mode": "ro", "uri": "true"}
        )
        return create_engine(read_only, hide_parameters=True, connect_args={"timeout": ASK_SECONDS})
    return create_engine(url, hide_parameters=True, connect_args={"connect_timeout": int(ASK_SECONDS)})


def look(settings: HubSettings, subject: Subject) -> Finding:
    file = sqlite_file(settings)
    if file is not None and not file.exists():
        return _not_yet(file)
    engine = connect(settings)
    try:
        with engine.connect() as connection:
            return _schema(connection, subject)
    except OperationalError as error:
        return _refused(_where(settings), str(error.orig).strip().splitlines()[-1], subject)
    except SQLAlchemyError as error:
        return failed(f"{_where(settings)}: {type(error).__name__}", "is it a database of Bedside's?", Exit.FAILED)
    finally:
        engine.dispose()


def _not_yet(file: Path) -> Finding:
    if not file.absolute().parent.is_dir():
        advice = f"mkdir -p {file.absolute().parent}, owned by the hub's user"
        return failed(f"{file}: its folder isn't there", advice, Exit.CONFIGURATION)
    return warning(f"{file} isn't there yet", "start the hub, which makes it")


def _schema(connection: Connection, subject: Subject) -> Finding:
    found, server = schema(connection), _version(connection)
    if found.current == found.newest:
        if lacking := _lacking(connection):
            said = f"{server} says that it has schema {found.current}, but lacks {', '.join(lacking[:MOST_NAMED])}"
            return failed(said, f"restore a backup, or begin with an empty database{_of_a_demo(subject)}", Exit.FAILED)
        return ok(f"{server}, schema {found.current} is current")
    if found.is_foreign:
        advice = "install that newer version of Bedside, or restore an older backup"
        return failed(f"{server}, schema {found.current} is of a newer version", advice, Exit.CONFIGURATION)
    if found.current is None:
        return warning(f"{server}, and empty", "start the hub, which makes its tables")
    advice = "make a backup and restart the hub, which brings it up to date"
    return warning(f"{server}, schema {found.current}; this version brings {found.newest}", advice)


def _lacking(connection: Connection) -> list[str]:
    """Tables and columns that the schema has and the database hasn't: somebody changed it by hand, or an unreleased version made it."""
    present = {
        (table, column["name"])
        for (_, table), columns in inspect(connection).get_multi_columns().items()
        for column in columns
    }
    wanted = [(table.name, column.name) for table in metadata.sorted_tables for column in table.columns]
    return [f"{table}.{column}" for table, column in wanted if (table, column) not in present]


def _of_a_demo(subject: Subject) -> str:
    return f": stop the set-up and delete {subject.layout.state}" if subject.layout is not None else ""


def _version(connection: Connection) -> str:
    if connection.dialect.name == "sqlite":
        return f"SQLite {connection.execute(text('select sqlite_version()')).scalar_one()}"
    return f"PostgreSQL {connection.execute(text('show server_version')).scalar_one()}"


def _refused(where: str, said: str, subject: Subject) -> Finding:
    reason = said.partition("FATAL:")[2].strip() or said
    if any(word in reason for word in _REFUSALS):
        return failed(
            f"{where}: {reason}", "give database_url the user and password that it has there", Exit.AUTHENTICATION
        )
    if _NO_DATABASE in reason:
        return failed(f"{where}: {reason}", "create it and its owner: createuser, createdb", Exit.CONFIGURATION)
    return failed(f"{where}: {reason}", subject.see("hub", "postgresql"), Exit.UNREACHABLE)


def _where(settings: HubSettings) -> str:
    url = make_url(settings.database_url)
    file = sqlite_file(settings)
    return str(file) if file is not None else f"{url.host or 'localhost'}:{url.port or 5432}/{url.database}"
