"""`bedside config show|check`, for people and for machines."""

import json
from pathlib import Path

import pytest

from bedside.exits import Exit
from tests.bedside.command_line import started, typed

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text("x" * 40)
    path = tmp_path / "hub.toml"
    path.write_text(
        f'database_url = "sqlite+aiosqlite:///{tmp_path}/r.sqlite3"\nredis_url = "redis://:hidden@localhost:6379/0"\n'
        f'[auth]\nsecret_file = "{tmp_path}/secret"\n'
    )
    return path


@pytest.fixture
def gateway(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.toml"
    path.write_text('gateway_id = "gw-1"\nstate_dir = "/var/lib/bedside"\n')
    return path


def test_what_is_right_is_said_to_be_ok(capsys, hub, gateway):
    for words in (("--hub", hub), ("--gateway", gateway)):
        assert typed(capsys, "config", "check", *words).out == "ok\n"
        said = typed(capsys, "config", "check", *words, "--json")
        assert (said.code, json.loads(said.out)) == (Exit.OK, {"ok": True, "problems": []})


def test_all_that_is_wrong_is_said_at_once(capsys, hub):
    hub.write_text("registry_file = '/none'\nrules_file = '/none'\n" + hub.read_text())
    said = typed(capsys, "config", "check", "--hub", hub)
    assert (said.code, said.out) == (Exit.CONFIGURATION, "")
    assert [line.split(": ")[1] for line in said.err.splitlines()] == ["rules_file", "registry_file"]
    told = json.loads(typed(capsys, "config", "check", "--hub", hub, "--json").out)
    assert (told["ok"], told["problems"]) == (False, said.err.splitlines())


def test_a_gateways_files_that_are_not_there_are_told_as_the_hubs_are(capsys, hub, gateway, tmp_path):
    files = f'[mqtt]\nusername = "u"\npassword_file = "{tmp_path}/none"\ntls = true\nca_file = "{tmp_path}/none.pem"\n'
    for kind, path in (("--hub", hub), ("--gateway", gateway)):
        path.write_text(path.read_text() + files)
        said = typed(capsys, "config", "check", kind, path)
        assert (said.code, said.out) == (Exit.CONFIGURATION, "")
        assert said.err.splitlines() == [
            f"{path}: mqtt.password_file: can't read {tmp_path}/none: No such file or directory",
            f"{path}: mqtt.ca_file: can't read {tmp_path}/none.pem: No such file or directory",
        ]


def test_no_table_of_tokens_is_answered_like_an_empty_one(capsys, hub):
    text = hub.read_text().partition("[auth]")[0]
    for written in (text, f"{text}[auth]\n"):
        hub.write_text(written)
        assert typed(capsys, "config", "check", "--hub", hub).err == (
            f"{hub}: auth: no key is said; write secret_file = … under [auth], or url = … or file = … under [auth.jwks]\n"
        )


@pytest.mark.parametrize("kind", ["--hub", "--gateway"])
def test_a_file_that_is_not_there_is_a_problem_like_any_other(capsys, tmp_path, kind):
    said = typed(capsys, "config", "check", kind, tmp_path / "none", "--json")
    assert said.code == Exit.CONFIGURATION
    assert json.loads(said.out)["problems"] == [f"{tmp_path}/none: can't be read: No such file or directory"]
    assert typed(capsys, "config", "show", kind, tmp_path / "none").code == Exit.CONFIGURATION


def test_every_key_is_shown_with_where_it_came_from_and_no_password(hub):
    said = started("config", "show", "--hub", hub, BEDSIDE_MQTT__HOST="broker")
    assert (said.code, "hidden" in said.out) == (Exit.OK, False)
    rows = {fields[0]: (fields[1], fields[-1]) for line in said.out.splitlines() if (fields := line.split())}
    assert rows["redis_url"] == ("redis://:…@localhost:6379/0", str(hub))
    assert rows["mqtt.host"] == ("broker", "BEDSIDE_MQTT__HOST")
    assert rows["mqtt.tls"] == ("false", "default")
    assert rows["registry_file"] == ("-", "default")


def test_machines_are_told_the_same(hub):
    said = started("config", "show", "--hub", hub, "--json", BEDSIDE_PORT="6000")
    told = json.loads(said.out)
    assert told["port"] == {"value": 6000, "from": "BEDSIDE_PORT"}
    assert told["mqtt.tls"] == {"value": False, "from": "default"}
    assert "hidden" not in said.out


def test_a_gateways_devices_are_shown(capsys, gateway):
    gateway.write_text(gateway.read_text() + '[[devices]]\ndevice_id = "x"\ndriver = "contec-v7"\nport = "/dev/x"\n')
    told = json.loads(typed(capsys, "config", "show", "--gateway", gateway, "--json").out)
    assert told["devices[0].port"] == {"value": "/dev/x", "from": str(gateway)}
    assert told["devices[0].zone"] == {"value": "UTC", "from": "default"}


def test_the_deployments_own_files_are_read_as_they_are():
    """What is wrong with them is only what a checkout can't have: files of the machine they are deployed to."""
    for kind, file in (("--hub", "deploy/hub/hub.toml"), ("--gateway", "deploy/gateway/gateway.toml")):
        said = started("config", "check", kind, CHECKOUT / file, BEDSIDE_DATABASE_URL="postgresql+psycopg://h/d")
        assert said.out or said.err
        assert all("No such file" in line for line in said.err.splitlines()), said.err
