"""`bedside secrets`: what it makes it names, and never shows. What the files hold is in tests/deploy/test_compose.py."""

import json

from bedside.exits import Exit
from tests.bedside.command_line import typed


def test_what_was_made_is_named_and_not_shown(capsys, tmp_path):
    folder = tmp_path / "secrets"
    said = typed(capsys, "secrets", folder, "--gateway", "gw-1")
    named = [line.removeprefix("made ") for line in said.out.splitlines()]
    assert said.code == Exit.OK
    assert sorted(named) == sorted(str(path) for path in folder.iterdir())
    assert not [path.name for path in folder.iterdir() if path.read_text().strip() in said.out]


def test_what_is_there_is_kept(capsys, tmp_path):
    typed(capsys, "secrets", tmp_path)
    before = {path.name: path.read_text() for path in tmp_path.iterdir()}
    said = typed(capsys, "secrets", tmp_path)
    assert said.out == "nothing to make: everything is there\n"
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == before


def test_machines_are_told_which_files_are_new(capsys, tmp_path):
    typed(capsys, "secrets", tmp_path)
    said = typed(capsys, "secrets", tmp_path, "--gateway", "gw-2", "--json")
    assert json.loads(said.out) == {
        "made": [str(tmp_path / "gateway-gw-2-password"), str(tmp_path / "mosquitto-passwords")]
    }


def test_a_gateways_name_must_be_an_id(capsys, tmp_path):
    said = typed(capsys, "secrets", tmp_path / "none", "--gateway", "a b")
    assert (said.code, said.err.count("\n")) == (Exit.USAGE, 1)
    assert not (tmp_path / "none").exists()


def test_a_folder_that_can_not_be_made_is_said(capsys, tmp_path):
    (tmp_path / "file").touch()
    said = typed(capsys, "secrets", tmp_path / "file" / "secrets")
    assert (said.code, said.err) == (Exit.FAILED, f"bedside: {tmp_path}/file/secrets: Not a directory\n")
