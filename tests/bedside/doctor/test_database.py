"""The record's database: SQLite and PostgreSQL, as they should be and in each way in which they should not. Nothing is changed."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from bedside.doctor.database import look
from bedside.doctor.findings import Finding, Outcome
from bedside.doctor.subject import Subject
from bedside.exits import Exit
from bedside.up.layout import Layout
from hub.record.record import Record
from hub.settings import AuthSettings, HubSettings

pytestmark = pytest.mark.slow


def at(url: str, subject: Subject | None = None) -> Finding:
    settings = HubSettings(database_url=url, auth=AuthSettings(secret_file=Path("x")))
    return look(settings, subject or Subject())


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database that is empty, or isn't there yet."""
    if request.param == "postgresql":
        address: str = request.getfixturevalue("postgres_url")
        return address
    return f"sqlite+aiosqlite:///{tmp_path}/a record?.sqlite3".replace("?", "%3F")


@pytest.fixture
async def record(url: str) -> str:
    """The address of a database with the present schema."""
    opened = await Record.open(url, clock=lambda: datetime.now(UTC))
    await opened.close()
    return url


def changed(url: str, *statements: str) -> None:
    address = make_url(url)
    if address.get_backend_name() == "sqlite":
        address = address.set(drivername="sqlite+pysqlite")
    engine = create_engine(address)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def test_what_the_hub_made_is_current(record):
    found = at(record)
    assert (found.outcome, found.code) == (Outcome.OK, Exit.OK)
    assert found.found.endswith(" is current")


def test_an_older_schema_is_brought_up_by_the_hub(record, monkeypatch):
    changed(record, "delete from alembic_version")
    found = at(record)
    assert (found.outcome, "start the hub" in found.advice) == (Outcome.WARNING, True)


def test_a_newer_schema_is_refused(record):
    changed(record, "update alembic_version set version_num = '9999'")
    found = at(record)
    assert (found.outcome, found.code) == (Outcome.FAILED, Exit.CONFIGURATION)
    assert "schema 9999 is of a newer version" in found.found


def test_a_column_that_is_gone_is_missed(record):
    changed(record, "alter table patients drop column status")
    found = at(record)
    assert (found.outcome, "lacks patients.status" in found.found) == (Outcome.FAILED, True)
    layout = Layout(Path("/demo"))
    assert "delete /demo" in at(record, Subject(layout=layout)).advice


def test_a_database_that_is_not_there_yet_is_the_hubs_to_make(tmp_path):
    found = at(f"sqlite+aiosqlite:///{tmp_path}/record")
    assert (found.outcome, found.advice) == (Outcome.WARNING, "start the hub, which makes it")
    assert not (tmp_path / "record").exists()
    nowhere = at(f"sqlite+aiosqlite:///{tmp_path}/none/record")
    assert (nowhere.code, "mkdir -p" in nowhere.advice) == (Exit.CONFIGURATION, True)


def test_an_empty_one_is_too(postgres_url):
    found = at(postgres_url)
    assert (found.outcome, "and empty" in found.found) == (Outcome.WARNING, True)


def test_a_file_that_is_no_database_is_said(tmp_path):
    (tmp_path / "record").write_bytes(b"no database" * 100)
    found = at(f"sqlite+aiosqlite:///{tmp_path}/record")
    assert (found.outcome, found.code) == (Outcome.FAILED, Exit.FAILED)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda url: url.set(password="wrong-password"), Exit.AUTHENTICATION),
        (lambda url: url.set(username="nobody", password="wrong-password"), Exit.AUTHENTICATION),
        (lambda url: url.set(database="none"), Exit.CONFIGURATION),
        (lambda url: url.set(port=1), Exit.UNREACHABLE),
        (lambda url: url.set(host="nowhere.invalid"), Exit.UNREACHABLE),
    ],
)
def test_each_refusal_of_a_server_has_its_code_and_repeats_no_password(postgres_url, change: Callable, code):
    address = make_url(postgres_url)
    found = at(change(address).render_as_string(hide_password=False))
    assert (found.outcome, found.code) == (Outcome.FAILED, code), found
    told = found.found + found.advice
    assert "wrong-password" not in told
    assert address.password not in told


def test_a_server_that_stands_still_is_given_up(silent_port):
    found = at(f"postgresql+psycopg://bedside:hidden@127.0.0.1:{silent_port}/bedside")
    assert (found.outcome, found.code) == (Outcome.FAILED, Exit.UNREACHABLE)
