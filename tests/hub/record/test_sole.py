"""A SQLite record has one process, and its successor waits for nobody; a PostgreSQL one may have many."""

import subprocess
import sys
from pathlib import Path

import pytest

from hub.errors import ConfigurationError
from hub.record.engine import Engine
from hub.record.ownership import Lease
from hub.record.record import Record
from hub.record.sole import SOLE_OWNER, alone_with

HOLDER = """
import sys
from hub.record.engine import Engine
from hub.record.sole import alone_with
with alone_with(Engine(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def address(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path / 'record.sqlite3'}"


def test_a_second_process_is_told_so_and_a_killed_one_holds_nothing(address: str):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    try:
        with (
            pytest.raises(ConfigurationError, match=r"another hub runs on .*record\.sqlite3"),
            alone_with(Engine(address)),
        ):
            pass
    finally:
        holder.kill()
        holder.communicate()
    with alone_with(Engine(address)):
        pass


def test_a_lock_that_can_not_be_written_is_named(address: str, tmp_path: Path):
    (tmp_path / "record.sqlite3.lock").mkdir()
    with (
        pytest.raises(ConfigurationError, match=r"record\.sqlite3\.lock can't be written"),
        alone_with(Engine(address)),
    ):
        pass


def test_a_record_on_postgresql_may_be_shared():
    address = "postgresql+psycopg://nobody@127.0.0.1/none"
    with alone_with(Engine(address)), alone_with(Engine(address)):
        pass


async def test_the_successor_of_a_killed_owner_takes_its_lease_at_once_and_fences_it_out(record: Record):
    killed, successor = (Lease(record.engine, "h1", owner=SOLE_OWNER, seconds=60) for _ in range(2))
    assert await killed.take()
    assert await successor.take()
    assert successor.fence.token == killed.fence.token + 1
