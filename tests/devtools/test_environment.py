"""The Python environment is made from the lock, again when the lock changes, and not otherwise."""

import pytest

from devtools import environment
from devtools.console import Failed, output_of


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """The arguments of each run of pip, with an environment of this test's own."""
    runs: list[list[str]] = []
    folder = tmp_path / "venv"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin/python").touch()
    lock = tmp_path / "dev.txt"
    lock.write_text("one==1 \\\n    --hash=sha256:00\ntwo==2 ; sys_platform == 'linux'\n")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    for name, value in {"VENV": folder, "PYTHON": folder / "bin/python", "LOCK": lock, "CHECKOUT": tmp_path}.items():
        monkeypatch.setattr(environment, name, value)
    monkeypatch.setattr(environment, "_install", lambda arguments, *, expected: runs.append(list(arguments)))
    return runs


def test_a_second_run_installs_nothing(installed):
    environment.ensure_environment()
    assert len(installed) == 2
    environment.ensure_environment()
    assert len(installed) == 2


def test_packages_come_only_with_a_known_hash_and_are_never_built(installed):
    environment.ensure_environment()
    packages, project = installed
    assert {"--require-hashes", "--only-binary=:all:"} <= set(packages)
    assert {"--no-deps", "--no-build-isolation", "--no-index"} <= set(project)


def test_a_changed_lock_is_installed(installed, tmp_path):
    environment.ensure_environment()
    (tmp_path / "dev.txt").write_text("one==2 --hash=sha256:11\n")
    environment.ensure_environment()
    assert len(installed) == 3


def test_a_failed_installation_is_tried_again(installed, monkeypatch):
    def fail(arguments, *, expected):
        raise Failed("pip failed")

    with monkeypatch.context() as patched:
        patched.setattr(environment, "_install", fail)
        with pytest.raises(Failed):
            environment.ensure_environment()
    environment.ensure_environment()
    assert len(installed) == 2


def test_a_programs_failure_shows_the_end_of_what_it_said(tmp_path):
    with pytest.raises(Failed, match=r"(?s)failed:\nfirst\nlast$"):
        list(output_of(["sh", "-c", "echo first; echo last >&2; exit 3"], tmp_path))
