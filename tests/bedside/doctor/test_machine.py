"""What is looked at on this machine alone: files' permissions, disks, programs."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bedside.doctor.findings import Finding, Outcome
from bedside.doctor.machine import Folder, disk, on_ram_disk, private_files, programs, readable_by_others
from bedside.exits import Exit
from tests.bedside.doctor.nobody import nobody


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter, as pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="bedside-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def written(path: Path, mode: int) -> Path:
    path.write_text("secret")
    path.chmod(mode)
    return path


@pytest.mark.parametrize(("mode", "exposed"), [(0o600, False), (0o640, False), (0o644, True), (0o604, True)])
def test_a_file_is_exposed_when_any_user_may_read_it(open_folder, mode, exposed):
    path = written(open_folder / "secret", mode)
    assert readable_by_others(path) is exposed
    found = private_files([path])
    assert found.outcome is (Outcome.FAILED if exposed else Outcome.OK)
    if exposed:
        assert (found.code, found.advice) == (Exit.CONFIGURATION, f"chmod o= {path}")


def test_a_private_folder_protects_what_lies_in_it(open_folder):
    path = written(open_folder / "secret", 0o644)
    open_folder.chmod(0o700)
    assert not readable_by_others(path)


def test_a_link_does_not_hide_where_the_file_lies(open_folder, tmp_path):
    written(open_folder / "secret", 0o644)
    (tmp_path / "link").symlink_to(open_folder / "secret")
    assert readable_by_others(tmp_path / "link")


def test_a_file_that_is_not_there_or_can_not_be_read_has_failed(open_folder):
    missing = private_files([open_folder / "none"])
    assert (missing.outcome, missing.code) == (Outcome.FAILED, Exit.CONFIGURATION)
    path = written(open_folder / "secret", 0o600 if os.geteuid() == 0 else 0)
    with nobody():
        unreadable = private_files([path])
    assert (unreadable.outcome, unreadable.found) == (Outcome.FAILED, f"{path}: Permission denied")


def test_without_secrets_there_is_nothing_to_protect():
    assert private_files([]).outcome is Outcome.NOT_APPLICABLE


def on_disk(path: Path, **wish: object) -> Finding:
    return disk([Folder(path=path, **wish)])


def test_a_folder_with_room_is_well_whether_it_is_there_yet_or_not(tmp_path):
    assert on_disk(tmp_path).outcome is Outcome.OK
    assert f"{tmp_path}/later/still: " in on_disk(tmp_path / "later" / "still").found


def test_a_folder_that_may_grow_beyond_its_disk_is_warned_of(tmp_path):
    found = on_disk(tmp_path, wanted_bytes=2**60)
    assert (found.outcome, "make room" in found.advice) == (Outcome.WARNING, True)


def test_a_folder_that_may_not_be_written_has_failed(open_folder):
    open_folder.chmod(0o555)
    with nobody():
        found = on_disk(open_folder)
    assert (found.outcome, found.code) == (Outcome.FAILED, Exit.CONFIGURATION)
    assert "may not write there" in found.found


def test_a_ram_disk_is_known_by_where_it_is_mounted(tmp_path):
    """Linux keeps one at /dev/shm; other systems don't tell."""
    shared = Path("/dev/shm/bedside/outbox")
    assert on_ram_disk(shared) is shared.parents[1].is_dir()
    assert not on_ram_disk(Path("/proc"))


def test_nothing_kept_here_is_nothing_to_look_at():
    assert disk([]).outcome is Outcome.NOT_APPLICABLE


def test_the_programs_of_a_set_up_are_here_where_the_tests_run():
    assert programs().outcome is Outcome.OK
