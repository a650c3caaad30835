"""Debian's own packages, unpacked into a folder: no root, no system service started, nothing outside the folder changed.

apt is given private state and cache folders, so that any user may update its lists. It works out which packages the system lacks
for the ones that are wanted, downloads and verifies them; `dpkg -x` unpacks them. Each program then gets a wrapper in
`<root>/programs` that tells the loader where the unpacked libraries are. A wrapper is written last, so its presence says that the
program is complete.
"""

import os
import pwd
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from devtools.console import NOT_INSTALLED, Failed, output_of, say, tail

DPKG_STATUS = Path("/var/lib/dpkg/status")
_LISTS_KEPT_SECONDS = 6 * 3600
_SYSTEMS_OWN = frozenset({"libc6", "libc-bin", "dpkg", "init-system-helpers", "base-files", "systemd"})
"""Never unpacked: the loader must be the system's, and services are not for us to start."""
_INSTALLS = re.compile(r"^Inst (\S+) (?:\[[^]]*\] )?\((\S+)", re.MULTILINE)
_BINARIES = ("usr/lib/postgresql/*/bin", "usr/lib/chromium", "usr/bin", "usr/sbin")


def available() -> bool:
    """Whether this system has what the functions here need."""
    return all(shutil.which(tool) for tool in ("apt-get", "dpkg"))


def fetch(packages: Sequence[str], root: Path, *, status: Path = DPKG_STATUS) -> None:
    """Unpack `packages` and what the system (as `status` describes it) lacks for them into `root`. Raises Failed."""
    apt = _Apt(root.parent / "apt", status)
    apt.update()
    unpacked = _unpacked(root)
    wanted = {name: version for name, version in apt.lacking(packages).items() if unpacked.get(name) != version}
    apt.download(wanted)
    root.mkdir(parents=True, exist_ok=True)
    for archive in sorted(apt.archives.glob("*.deb")):
        subprocess.run(["dpkg", "-x", archive, root], check=True)
        archive.unlink()
    record = unpacked | wanted
    (root / "packages").write_text("".join(f"{name} {version}\n" for name, version in sorted(record.items())))


def wrap(root: Path, programs: Sequence[str]) -> None:
    """Write a wrapper for each of the unpacked programs. Raises Failed where one isn't there."""
    environment = {"LD_LIBRARY_PATH": os.pathsep.join(map(str, _libraries(root)))}
    wrappers = root / "programs"
    wrappers.mkdir(exist_ok=True)
    for program in programs:
        binary = _binary(root, program)
        special = {"FONTCONFIG_FILE": str(_fonts(root))} if program == "chromium" else {}
        _write_wrapper(wrappers / program, binary, environment | special)


class _Apt:
    """apt-get with state, lists and cache of its own."""

    def __init__(self, folder: Path, status: Path) -> None:
        self.archives = folder / "archives"
        self._lists = folder / "state" / "lists"
        for needed in (self.archives, self._lists / "partial", folder / "cache" / "archives" / "partial"):
            needed.mkdir(parents=True, exist_ok=True)
        settings = {
            "Dir::State": folder / "state",
            "Dir::State::status": status,
            "Dir::Cache": folder / "cache",
            "Dir::Log": folder,
            "Debug::NoLocking": 1,
            "APT::Sandbox::User": pwd.getpwuid(os.geteuid()).pw_name,
            "APT::Install-Recommends": 0,
            "Acquire::Languages": "none",
        }
        self._options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
        self._stamp = folder / "updated"

    def update(self) -> None:
        """Bring the lists of packages, unless they are recent. A repository that doesn't answer matters only if it is needed."""
        if self._stamp.exists() and time.time() - self._stamp.stat().st_mtime < _LISTS_KEPT_SECONDS:
            return
        say("Debian: reading the lists of packages …")
        done = subprocess.run(["apt-get", *self._options, "-q", "update"], capture_output=True, text=True, check=False)
        if done.returncode:
            say(tail(done.stderr.splitlines(), 3))
        if any(self._lists.glob("*_Packages*")):
            self._stamp.touch()

    def lacking(self, packages: Sequence[str]) -> dict[str, str]:
        """Name and version of each package to unpack: those named, and those the system lacks for them."""
        command = ["apt-get", *self._options, "-q", "--simulate", "--reinstall", "install", *packages]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            why = tail(done.stderr.splitlines(), 5)
            raise Failed(f"apt-get finds no way to {', '.join(packages)}; install it by hand:\n{why}", NOT_INSTALLED)
        return {name: version for name, version in _INSTALLS.findall(done.stdout) if name not in _SYSTEMS_OWN}

    def download(self, wanted: Mapping[str, str]) -> None:
        """Bring the archives, verified by apt, and say each."""
        for left_over in self.archives.glob("*.deb"):
            left_over.unlink()
        if not wanted:
            return
        command = [
            "apt-get",
            *self._options,
            "-q",
            "download",
            *(f"{name}={version}" for name, version in wanted.items()),
        ]
        for line in output_of(command, self.archives):
            if line.startswith("Get:"):
                number, _, rest = line.partition(" ")
                say(f"Debian: {number[4:]} of {len(wanted)}  {rest.split()[3]} {rest[rest.rfind('[') :].strip()}")


def _unpacked(root: Path) -> dict[str, str]:
    record = root / "packages"
    return dict(line.split() for line in record.read_text().splitlines()) if record.exists() else {}


def _binary(root: Path, program: str) -> Path:
    found = (path for place in _BINARIES for path in sorted(root.glob(f"{place}/{program}")) if path.is_file())
    binary = next(found, None)
    if binary is None:
        raise Failed(f"the unpacked Debian packages hold no {program}; remove {root} and try again")
    return binary


def _libraries(root: Path) -> list[Path]:
    """The multi-architecture library folders and those folders directly in them that hold libraries."""
    folders = [folder for place in ("usr/lib", "lib") for folder in sorted(root.glob(f"{place}/*-linux-gnu*"))]
    nested = [
        inner for folder in folders for inner in sorted(folder.iterdir()) if inner.is_dir() and any(inner.glob("*.so*"))
    ]
    return folders + nested


def _fonts(root: Path) -> Path:
    """A fontconfig file that knows the unpacked fonts and the system's."""
    path = root / "fonts.conf"
    path.write_text(
        '<?xml version="1.0"?>\n<!DOCTYPE fontconfig SYSTEM "fonts.dtd">\n<fontconfig>\n'
        f"  <dir>{root}/usr/share/fonts</dir>\n  <dir>/usr/share/fonts</dir>\n"
        f"  <cachedir>{root}/fontcache</cachedir>\n</fontconfig>\n"
    )
    return path


def _write_wrapper(path: Path, binary: Path, environment: Mapping[str, str]) -> None:
    """A script that becomes the program (same process id), put in place whole."""
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in environment.items())
    draft = path.with_suffix(".new")
    draft.write_text(f'#!/bin/sh\n{exports}exec {shlex.quote(str(binary))} "$@"\n')
    draft.chmod(0o755)
    draft.replace(path)
