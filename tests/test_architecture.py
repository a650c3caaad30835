"""Who may import whom. The packages' borders are design, so a test walks every import and holds them."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
MAY_IMPORT = {
    "vitals": {"msgspec"},
    "device_drivers": {"msgspec", "vitals"},
    "device_drivers/transports": {"msgspec", "vitals", "device_drivers", "bleak", "bleak_retry_connector", "dbus_fast", "serial"},
    "edge_agent": {"msgspec", "vitals", "device_drivers", "aiomqtt", "paho"},
    "hub": {
        *("msgspec", "vitals", "aiosqlite", "alembic", "cryptography", "fastapi", "httptools", "jwt", "paho", "prometheus_client"),
        *("psycopg", "pydantic", "redis"),
        *("sqlalchemy", "starlette", "uvicorn", "uvloop", "websockets"),
    },
    "simulators": {"msgspec", "vitals", "device_drivers", "bumble", "dbus_fast"},
    "bedside": {
        *("msgspec", "vitals", "device_drivers", "edge_agent", "hub", "simulators"),
        *("paho", "redis", "rich", "sqlalchemy", "uvicorn", "websockets"),
    },
    "bedside/client": {"msgspec", "vitals", "websockets"},
}  # fmt: skip
PURE = ("vitals", "device_drivers")
OUTSIDE_WORLD = {
    *("asyncio", "io", "logging", "multiprocessing", "os", "pathlib", "random", "secrets", "select", "selectors", "shutil"),
    *("signal", "socket", "sqlite3", "subprocess", "tempfile", "threading", "time", "urllib", "http"),
}  # fmt: skip
CLOCK_READINGS = {"now", "utcnow", "today"}


def _sources(package: str) -> list[Path]:
    return sorted(path for path in (CHECKOUT / package).rglob("*.py") if "node_modules" not in path.parts)


def _border(path: Path) -> set[str]:
    """The allowed imports of the longest table entry that holds `path`."""
    inside = path.relative_to(CHECKOUT).as_posix()
    entry = max((name for name in MAY_IMPORT if inside.startswith(f"{name}/")), key=len)
    return MAY_IMPORT[entry] | {entry.partition("/")[0]}


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of each module imported anywhere in a file, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.lineno, node.module or ""


def _foreign(path: Path, allowed: set[str]) -> list[str]:
    return [
        f"{path.relative_to(CHECKOUT)}:{line} imports {module}"
        for line, module in _imports(path)
        if (top := module.partition(".")[0]) not in allowed and top not in sys.stdlib_module_names
    ]


@pytest.mark.parametrize("package", [name for name in MAY_IMPORT if "/" not in name])
def test_a_package_imports_only_what_its_border_allows(package):
    sources = _sources(package)
    assert sources, f"{package} has no sources"
    assert [found for path in sources for found in _foreign(path, _border(path))] == []


def test_the_walk_finds_a_forbidden_import(tmp_path):
    """The test above can fail: an import inside a function is seen, and only what is allowed is let through."""
    offender = tmp_path / "offender.py"
    offender.write_text("import json, vitals.units\ndef late():\n    from bleak.backends import device\n")
    found = [module for _, module in _imports(offender) if module.partition(".")[0] not in MAY_IMPORT["edge_agent"]]
    assert found == ["json", "bleak.backends"]


def test_gateway_and_hub_never_import_each_other():
    assert "hub" not in MAY_IMPORT["edge_agent"] | MAY_IMPORT["device_drivers"] | MAY_IMPORT["vitals"]
    assert not MAY_IMPORT["hub"] & {"edge_agent", "device_drivers", "bleak", "serial"}


def test_only_transports_touch_bluetooth_and_serial_lines():
    holders = {name for name, allowed in MAY_IMPORT.items() if allowed & {"bleak", "serial"}}
    assert holders == {"device_drivers/transports"}


def test_the_client_needs_nothing_else_of_the_command_line():
    """Who installs `bedside[client]` has neither the hub nor what the commands need."""
    own = [
        f"{path.relative_to(CHECKOUT)}:{line} imports {module}"
        for path in _sources("bedside/client")
        for line, module in _imports(path)
        if module.partition(".")[0] == "bedside" and not f"{module}.".startswith("bedside.client.")
    ]
    assert own == []


def test_only_one_module_of_the_client_knows_the_websocket_library():
    holders = {
        path.name
        for path in _sources("bedside/client")
        for _, module in _imports(path)
        if module.partition(".")[0] == "websockets"
    }
    assert holders == {"socket.py"}


@pytest.mark.parametrize("package", PURE)
def test_the_language_and_the_decoders_know_no_clock_no_logging_and_no_io(package):
    pure = [path for path in _sources(package) if "transports" not in path.parts]
    reaching_out = [
        f"{path.relative_to(CHECKOUT)}:{line} imports {module}"
        for path in pure
        for line, module in _imports(path)
        if module.partition(".")[0] in OUTSIDE_WORLD
    ]
    assert reaching_out + [found for path in pure for found in _clock_readings(path)] == []


def _clock_readings(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Call(func=ast.Name(id="open" | "print" | "input" as name)):
                yield f"{path.relative_to(CHECKOUT)}:{node.lineno} calls {name}"
            case ast.Call(func=ast.Attribute(value=ast.Name(id="datetime" | "date"), attr=name)) if (
                name in CLOCK_READINGS
            ):
                yield f"{path.relative_to(CHECKOUT)}:{node.lineno} reads the clock"
