"""The benchmarks' rivals are installed once, again when their lock changes, and what can't be had stops nothing."""

import pytest

from devtools import rivals
from devtools.console import Failed


@pytest.fixture
def installs(monkeypatch, tmp_path):
    """What is installed, with a folder and locks of this test's own."""
    done: list[str] = []
    monkeypatch.setattr(rivals, "FOLDER", tmp_path / "bench")
    monkeypatch.setattr(rivals, "LOCK", tmp_path / "bench.txt")
    monkeypatch.setattr(rivals, "NODE_SOURCES", tmp_path)
    for name in ("bench.txt", *rivals._NODE_FILES):
        (tmp_path / name).write_text("one")
    for name in ("python", "node", "nchan"):
        monkeypatch.setattr(rivals, f"_install_{name}", lambda folder: done.append(folder.name))
    return done


def test_a_second_run_installs_nothing(installs):
    rivals.ensure_rivals()
    assert installs == ["python", "node", "nchan"]
    rivals.ensure_rivals()
    assert len(installs) == 3


def test_a_changed_lock_is_installed_afresh(installs, tmp_path):
    rivals.ensure_rivals()
    (tmp_path / "bench/node/left over").touch()
    (tmp_path / "package-lock.json").write_text("two")
    rivals.ensure_rivals()
    assert installs[3:] == ["node"]
    assert not (tmp_path / "bench/node/left over").exists()


def test_what_cannot_be_had_is_said_and_tried_again(installs, monkeypatch, capsys):
    def refuse(folder):
        raise Failed("no way to it")

    monkeypatch.setattr(rivals, "_install_node", refuse)
    rivals.ensure_rivals()
    said = capsys.readouterr().err
    assert "no way to it" in said
    assert "without the baselines of node" in said
    monkeypatch.setattr(rivals, "_install_node", lambda folder: installs.append("node at last"))
    rivals.ensure_rivals()
    assert installs == ["python", "nchan", "node at last"]


def test_nchan_keeps_bodies_below_its_prefix(tmp_path):
    module = tmp_path / "module.so"
    module.write_bytes(b"\1/var/lib/nginx/body\0\2")
    rivals._move_temporary_files(module)
    assert module.read_bytes() == b"\1nginx-body-of-nchan\0\2"
    with pytest.raises(Failed, match="elsewhere"):
        rivals._move_temporary_files(module)
