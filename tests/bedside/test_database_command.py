"""`bedside database restored`, as someone would type it after a restore."""

import asyncio
import json
from pathlib import Path

import pytest

from bedside.exits import Exit
from bedside.main import main
from hub.auth.tokens import new_secret
from hub.record.engine import Engine
from hub.record.sole import alone_with


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    secret = tmp_path / "secret"
    secret.write_bytes(new_secret())
    file = tmp_path / "hub.toml"
    file.write_text(
        f'database_url = "sqlite+aiosqlite:///{tmp_path}/record.sqlite3"\n[auth]\nsecret_file = "{secret}"\n'
    )
    return file


def test_a_new_record_epoch_is_begun_and_said(configuration: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["database", "restored", "--config", str(configuration), "--json"]) == Exit.OK
    said = json.loads(capsys.readouterr().out)
    assert said["before"] == 1
    assert said["after"] > 1
    assert main(["database", "restored", "--config", str(configuration)]) == Exit.OK
    assert "start the hubs" in capsys.readouterr().out


async def test_it_is_refused_while_a_hub_runs_on_the_file(
    configuration: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    engine = Engine(f"sqlite+aiosqlite:///{tmp_path}/record.sqlite3")
    with alone_with(engine):
        assert await _main(["database", "restored", "--config", str(configuration)]) == Exit.CONFIGURATION
    await engine.close()
    assert "another hub runs" in capsys.readouterr().err


async def _main(arguments: list[str]) -> int:
    return await asyncio.to_thread(main, arguments)
