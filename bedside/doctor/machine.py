"""Checks of this machine that need no other program to answer: programs, files' permissions, disks."""

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bedside.doctor.findings import Finding, failed, not_applicable, ok, together, warning
from bedside.exits import Exit
from bedside.services.locate import ComponentMissing, locate

_MIB: Final = 1024 * 1024
LEAST_FREE: Final = 100 * _MIB
SCARCE: Final = 1024 * _MIB
_NEEDED: Final = ("mosquitto", "mosquitto_passwd", "redis-server")
_IN_CONTAINERS: Final = Path("/run/secrets")
"""Where Docker mounts secrets, readable to all inside: there the container is the border."""
_RAM_DISKS: Final = frozenset({"tmpfs", "ramfs"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A folder that must have room: `wanted_bytes` more may be written. `durable`: it must survive a power cut."""

    path: Path
    wanted_bytes: int = 0
    durable: bool = False


def programs() -> Finding:
    """What an embedded set-up starts. Without D-Bus its serial half runs."""
    findings = [_program(name) for name in _NEEDED]
    if sys.platform == "linux":
        try:
            locate("dbus-daemon")
        except ComponentMissing as error:
            findings.append(
                warning(f"{error.name} isn't installed", f"no simulated Bluetooth without it: {_hint(error)}")
            )
    bad = [finding for finding in findings if finding.advice]
    return together(bad) if bad else ok("mosquitto, redis-server and dbus-daemon are here")


def private_files(paths: Iterable[Path]) -> Finding:
    """Files that hold secrets: there, readable to us, and to nobody else on this machine."""
    findings = [_private(path) for path in dict.fromkeys(paths)]
    if not findings:
        return not_applicable("no secrets are named")
    bad = [finding for finding in findings if finding.advice]
    return together(bad) if bad else ok(f"{len(findings)} files, private")


def disk(folders: Sequence[Folder]) -> Finding:
    """Room, permission and kind of disk of state folders."""
    if not folders:
        return not_applicable("nothing is kept on this machine")
    return together([_folder(folder) for folder in folders])


def readable_by_others(path: Path) -> bool:
    """Whether any user of this machine can open it: its own permissions and those of all folders above it."""
    resolved = path.resolve()
    return bool(resolved.stat().st_mode & 0o004) and all(parent.stat().st_mode & 0o001 for parent in resolved.parents)


def _program(name: str) -> Finding:
    try:
        return ok(str(locate(name).path))
    except ComponentMissing as error:
        return failed(f"{error.name} isn't installed", _hint(error), Exit.UNREACHABLE)


def _hint(error: ComponentMissing) -> str:
    return str(error).partition(": ")[2]


def _private(path: Path) -> Finding:
    try:
        with path.open("rb"):
            exposed = readable_by_others(path) and not path.is_relative_to(_IN_CONTAINERS)
    except OSError as error:
        advice = f"put it there and let {_user()} read it (or ask as the user that runs the service: sudo -u …)"
        return failed(f"{path}: {error.strerror}", advice, Exit.CONFIGURATION)
    if exposed:
        return failed(f"{path} can be read by every user of this machine", f"chmod o= {path}", Exit.CONFIGURATION)
    return ok(str(path))


def _user() -> str:
    return os.environ.get("USER") or str(os.geteuid())


def _folder(folder: Folder) -> Finding:
    there = next(path for path in (folder.path, *folder.path.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    has = f"{folder.path}: {_size(free)} free"
    if not os.access(there, os.W_OK | os.X_OK):
        advice = f"chown {_user()} {there} (or ask as the user that runs the service: sudo -u …)"
        return failed(f"{there}: {_user()} may not write there", advice, Exit.CONFIGURATION)
    if free < LEAST_FREE:
        return failed(has, "make room: readings are refused when it is full", Exit.FAILED)
    if free < max(SCARCE, folder.wanted_bytes):
        return warning(has, f"make room: up to {_size(max(SCARCE, folder.wanted_bytes))} may be wanted")
    if folder.durable and on_ram_disk(there):
        return warning(f"{folder.path} is on a RAM disk", "name a folder on a disk: a power cut loses what is there")
    return ok(has)


def _size(count: int) -> str:
    return f"{count / 1024**3:.1f} GiB" if count >= 1024**3 else f"{count / _MIB:.0f} MiB"


def on_ram_disk(path: Path) -> bool:
    """By the longest mount point above it; where the system doesn't tell, no."""
    mounts = Path("/proc/mounts")
    if not mounts.exists():
        return False
    kinds = {fields[1]: fields[2] for line in mounts.read_text().splitlines() if len(fields := line.split(" ")) > 2}
    above = (str(parent) for parent in (path.resolve(), *path.resolve().parents))
    return next((kinds[place] for place in above if place in kinds), "") in _RAM_DISKS
