"""Debian's packages unpacked without root: the real apt, on a package that is small and seldom installed."""

import subprocess

import pytest

from devtools import debian
from devtools.console import NOT_INSTALLED, Failed


@pytest.mark.slow
def test_a_package_is_unpacked_and_its_program_runs(tmp_path):
    debian.fetch(["hello"], tmp_path / "tools")
    debian.wrap(tmp_path / "tools", ["hello"])
    done = subprocess.run(
        [tmp_path / "tools/programs/hello", "-g", "from a wrapper"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "from a wrapper\n"
    assert (tmp_path / "tools/packages").read_text().startswith("hello ")


@pytest.mark.slow
def test_what_is_unpacked_is_not_brought_again(tmp_path, monkeypatch):
    debian.fetch(["hello"], tmp_path / "tools")
    asked: list[dict[str, str]] = []
    monkeypatch.setattr(debian._Apt, "download", lambda self, wanted: asked.append(dict(wanted)))
    debian.fetch(["hello"], tmp_path / "tools")
    assert asked == [{}]


@pytest.mark.slow
def test_a_package_that_debian_lacks_is_named(tmp_path):
    with pytest.raises(Failed, match="no-such-package-anywhere") as caught:
        debian.fetch(["no-such-package-anywhere"], tmp_path / "tools")
    assert caught.value.status == NOT_INSTALLED


def test_the_answer_of_apt_is_read_with_and_without_an_installed_version():
    said = "Inst hello (2.10-3 Debian:12.0/stable [amd64])\nInst dbus [1.14.9-1] (1.14.10-1 Debian:12.0 [amd64]) []\nConf hello (2.10-3 x)\n"
    assert debian._INSTALLS.findall(said) == [("hello", "2.10-3"), ("dbus", "1.14.10-1")]


def test_a_wrapper_becomes_the_program_with_the_unpacked_libraries(tmp_path):
    """Same process id: the supervisor's signals reach the program itself. Blanks in the path are no trouble."""
    root = tmp_path / "a folder"
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/lib/x86_64-linux-gnu/inner").mkdir(parents=True)
    (root / "usr/lib/x86_64-linux-gnu/inner/libx.so.1").touch()
    program = root / "usr/bin/say"
    program.write_text('#!/bin/sh\necho "$$ $LD_LIBRARY_PATH $*"\n')
    program.chmod(0o755)
    debian.wrap(root, ["say"])
    with subprocess.Popen([root / "programs/say", "a b"], stdout=subprocess.PIPE, text=True) as process:
        said, _ = process.communicate(timeout=10)
    libraries = f"{root}/usr/lib/x86_64-linux-gnu:{root}/usr/lib/x86_64-linux-gnu/inner"
    assert said == f"{process.pid} {libraries} a b\n"


def test_a_program_that_no_package_held_is_named(tmp_path):
    with pytest.raises(Failed, match="hold no nothing"):
        debian.wrap(tmp_path, ["nothing"])
