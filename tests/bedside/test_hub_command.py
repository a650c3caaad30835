"""`bedside hub`, typed: what keeps a hub from starting is one line, with the exit code of its kind."""

import socket
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from bedside.exits import Exit
from bedside.up.toml import toml
from tests.bedside.command_line import started
from tests.bedside.running_hub import configuration
from tests.support.net import free_port

pytestmark = pytest.mark.slow


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text("x" * 40)
    path = tmp_path / "hub.toml"
    path.write_text(toml(settings(tmp_path)))
    return path


def settings(folder: Path) -> dict[str, object]:
    return {
        "database_url": f"sqlite+aiosqlite:///{folder}/record.sqlite3",
        "redis_url": "redis://127.0.0.1:1/0",
        "auth": {"secret_file": f"{folder}/secret"},
    }


def test_a_taken_port_is_said_before_anything_is_opened(file):
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        said = started("hub", "--config", file, "--port", port)
    wanted = f"bedside: 127.0.0.1:{port} can't be listened on: Address already in use; is another hub running?\n"
    assert (said.code, said.err) == (Exit.CONFIGURATION, wanted)
    assert not (file.parent / "record.sqlite3").exists()


def test_an_address_that_is_none_of_ours_is_said(file):
    said = started("hub", "--config", file, "--host", "192.0.2.1", "--port", free_port())
    assert said.code == Exit.CONFIGURATION
    assert "can't be listened on: Cannot assign requested address" in said.err


def test_a_wrong_option_is_wrong_usage_and_a_wrong_setting_is_not(file):
    assert started("hub", "--config", file, "--port", "70000").code == Exit.USAGE
    assert started("hub", "--config", file, BEDSIDE_PORT="70000").code == Exit.CONFIGURATION


def test_a_database_that_does_not_answer_is_exit_4_without_a_stack(file):
    url = "postgresql+psycopg://bedside:hidden@127.0.0.1:1/bedside"
    said = started("hub", "--config", file, BEDSIDE_PORT=str(free_port()), BEDSIDE_DATABASE_URL=url)
    assert said.code == Exit.UNREACHABLE, said.err
    assert said.err.splitlines()[-1].startswith("bedside: the database")
    assert said.err.endswith(f"for more: bedside doctor --config {file}\n")
    assert "Traceback" not in said.err
    assert "hidden" not in said.err


def test_a_schema_of_a_newer_version_is_exit_3(tmp_path, postgres_url, redis_server, mosquitto_server):
    engine = create_engine(postgres_url)
    with engine.begin() as connection:
        connection.execute(text("create table alembic_version (version_num varchar(32) primary key)"))
        connection.execute(text("insert into alembic_version values ('9999')"))
    engine.dispose()
    file = configuration(tmp_path, redis_server, mosquitto_server, database_url=postgres_url)
    said = started("hub", "--config", file, "--port", free_port())
    assert said.code == Exit.CONFIGURATION
    assert "the database is at schema 9999, which this version of Bedside does not know" in said.err.splitlines()[-1]
