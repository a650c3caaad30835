"""The house rules: locks, the one script, CI, and what may stand in a committed file."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CHECKOUT = Path(__file__).parents[1]
LONGEST_FILE_LINES = 400
LOCKS = sorted((CHECKOUT / "requirements").glob("*.txt"))
CODE = {".py", ".ts", ".tsx", ".js", ".mjs", ".lua", ".css", ".html", ".sh", ".sql", ".pml", ""}
INDEX_HOSTS = re.compile(
    r"pythonhosted\.org|pypi\.org/simple|registry\.npmjs\.org|deb\.debian\.org|--(?:extra-)?index-url|--find-links"
)
MACHINE_PATHS = re.compile(r"(?<![\w.])/work/(?:main|shared|\.)|(?<![\w.])/opt/wheels|(?<![\w.~])/root/")
SAID_IN = {"tests/test_house.py", "devtools/locks.py"}
"""Files that must name what they look for or switch off."""


@cache
def _committed() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    return [path for name in listed.split("\0") if name and (path := CHECKOUT / name).is_file()]


def _text(path: Path) -> str:
    """The file's text; empty for a binary one."""
    content = path.read_bytes()
    return "" if b"\0" in content else content.decode("utf-8")


def _findings(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{name}:{number}: {line.strip()[:100]}"
        for path in _committed()
        if (name := path.relative_to(CHECKOUT).as_posix()) not in SAID_IN
        for number, line in enumerate(_text(path).splitlines(), 1)
        if pattern.search(line)
    ]


def _entries(lock: Path) -> list[str]:
    """One entry a requirement, its hashes with it."""
    joined = lock.read_text(encoding="utf-8").replace("\\\n", " ")
    return [line for line in joined.splitlines() if line.strip() and not line.startswith("#")]


def _pins(lock: Path) -> list[Requirement]:
    return [Requirement(entry.partition(" --hash")[0].strip()) for entry in _entries(lock)]


def _project() -> dict:
    return tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def _declared(*extras: str) -> list[Requirement]:
    project = _project()
    lines = [*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra])]
    return [Requirement(line) for line in lines]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_line_of_a_lock_is_one_version_with_hashes(lock):
    entries = _entries(lock)
    assert entries
    loose = [
        entry
        for entry in entries
        if not re.fullmatch(r"[\w.-]+(\[[\w,-]+\])?==\S+.*?( +--hash=sha256:[0-9a-f]{64})+ *", entry)
    ]
    assert loose == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_names_no_place(lock):
    assert re.findall(r"https?://|file:|--index|--find-links|@ ", lock.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("name", "extras"),
    [("dev", ("edge", "hub", "client", "sim", "dev")), ("hub", ("hub",)), ("edge", ("edge",)), ("client", ("client",))],
)
def test_a_lock_holds_what_pyproject_asks_for(name, extras):
    pinned = {canonicalize_name(pin.name): pin for pin in _pins(CHECKOUT / "requirements" / f"{name}.txt")}
    unmet = [
        str(wanted)
        for wanted in _declared(*extras)
        if (pin := pinned.get(canonicalize_name(wanted.name))) is None
        or not wanted.specifier.contains(str(pin.specifier).removeprefix("=="))
    ]
    assert unmet == [], "pyproject.toml changed: run ./dev lock"


def test_all_locks_agree_on_versions():
    """The benchmarks' rivals are nowhere else, but what they share with the hub is the same."""
    everything = {(pin.name, str(pin.specifier)) for pin in _pins(CHECKOUT / "requirements" / "dev.txt")}
    rivals = {(pin.name, str(pin.specifier)) for pin in _pins(CHECKOUT / "requirements" / "bench.txt")}
    others = {(pin.name, str(pin.specifier)) for lock in LOCKS for pin in _pins(lock)} - rivals
    assert others - everything == set()
    shared = {name for name, _ in everything} & {name for name, _ in rivals}
    assert {pin for pin in rivals if pin[0] in shared} <= everything


def test_the_hubs_lock_has_no_bluetooth_and_the_gateways_no_web_server():
    hub = {pin.name for pin in _pins(CHECKOUT / "requirements" / "hub.txt")}
    edge = {pin.name for pin in _pins(CHECKOUT / "requirements" / "edge.txt")}
    assert not hub & {"bleak", "bleak-retry-connector", "pyserial", "aiomqtt", "bumble"}
    assert not edge & {"fastapi", "sqlalchemy", "redis", "uvicorn", "bumble"}


def test_the_build_requirements_are_locked():
    build = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]
    locked = {pin.name for pin in _pins(CHECKOUT / "requirements" / "build.txt")}
    assert {Requirement(line).name for line in build} <= locked


def test_the_locks_cover_the_pythons_that_the_project_supports():
    """A marker that leaves out a supported Python would leave a dependency out silently."""
    environment = {
        "python_full_version": "3.11.0",
        "python_version": "3.11",
        "sys_platform": "linux",
        "platform_machine": "x86_64",
    }
    needed = {
        canonicalize_name(wanted.name)
        for wanted in _declared("edge", "hub", "sim", "dev")
        if _holds(wanted.marker, environment)
    }
    pins = _pins(CHECKOUT / "requirements" / "dev.txt")
    assert needed <= {canonicalize_name(pin.name) for pin in pins if _holds(pin.marker, environment)}


def _holds(marker: Marker | None, environment: dict[str, str]) -> bool:
    return marker is None or marker.evaluate(environment)


def test_no_committed_file_names_an_index_host():
    assert _findings(INDEX_HOSTS) == []


def test_no_committed_file_names_a_path_of_somebodys_machine():
    assert _findings(MACHINE_PATHS) == []


def test_no_committed_file_of_code_is_too_long():
    too_long = {
        path.relative_to(CHECKOUT).as_posix(): lines
        for path in _committed()
        if path.suffix in CODE
        and path.name != "LICENSE"
        and (lines := len(_text(path).splitlines())) > LONGEST_FILE_LINES
    }
    assert too_long == {}


@pytest.mark.parametrize("script", ["dev", ".ci/run"])
def test_a_script_is_executable(script):
    assert os.access(CHECKOUT / script, os.X_OK)


def test_the_one_script_imports_only_the_standard_library():
    """It runs before anything is installed; `bedside.services.locate` is let in, and held to the same."""
    files = [CHECKOUT / "dev", *(CHECKOUT / "devtools").glob("*.py"), CHECKOUT / "bedside/services/locate.py"]
    files += [CHECKOUT / "bedside/__init__.py", CHECKOUT / "bedside/services/__init__.py"]
    foreign = {
        f"{path.name}: {module}"
        for path in files
        for module in _imported(path)
        if module.partition(".")[0] not in {*sys.stdlib_module_names, "devtools"}
        and module != "bedside.services.locate"
    }
    assert foreign == set()


def _imported(path: Path) -> set[str]:
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            modules.add(node.module or "")
    return modules


def test_an_old_python_can_read_the_one_script_and_hand_over():
    """`python3` may be older than the project asks for; the script then looks for a newer one."""
    ast.parse((CHECKOUT / "dev").read_text(encoding="utf-8"), feature_version=(3, 6))


def test_the_one_script_says_what_it_can_do():
    done = subprocess.run([CHECKOUT / "dev", "--help"], capture_output=True, text=True, check=True)
    for command in ("demo", "bedside", "test", "check", "bench", "model", "docs", "lock"):
        assert f"\n  {command} " in done.stdout


def test_an_unknown_command_is_refused():
    done = subprocess.run([CHECKOUT / "dev", "no-such-command"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no command no-such-command" in done.stderr


@pytest.mark.parametrize("host", ["https://files.pythonhosted.org/x", "--find-links /srv", "--index-url x"])
def test_the_search_for_hosts_finds_one(host):
    assert INDEX_HOSTS.search(host)


def test_every_dependency_is_explained():
    explained = (CHECKOUT / "docs/explanation/dependencies.md").read_text(encoding="utf-8")
    declared = {wanted.name for wanted in _declared("edge", "hub", "sim", "dev")}
    assert {name for name in declared if not re.search(rf"[|,] {re.escape(name)}[ ,]", explained)} == set()
