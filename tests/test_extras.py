"""Each extra installs and runs alone: the hub without Bluetooth or serial lines, the gateway without a web server or a database."""

import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
PACKAGED = (
    "vitals",
    "device_drivers",
    "edge_agent",
    "hub",
    "simulators",
    "bedside",
    "deploy",
    "pyproject.toml",
    "README.md",
    "LICENSE",
)
ALONE = {
    "hub": {
        "absent": ("bleak", "bleak_retry_connector", "serial", "aiomqtt", "bumble"),
        "commands": (
            ("--help",),
            ("hub", "--help"),
            ("token", "--help"),
            ("config", "check", "--help"),
            ("doctor", "--help"),
        ),
    },
    "client": {
        "absent": ("fastapi", "sqlalchemy", "redis", "uvicorn", "bleak", "serial", "aiomqtt", "rich", "bumble"),
        "commands": (("--help",),),
    },
    "edge": {
        "absent": ("fastapi", "sqlalchemy", "redis", "uvicorn", "bumble"),
        "commands": (
            ("--help",),
            ("agent", "--help"),
            ("agent", "run", "--help"),
            ("agent", "status", "--help"),
            ("doctor", "--help"),
        ),
    },
}


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project as it would be published, built from a copy so that no build folder is left in the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in PACKAGED:
        path = CHECKOUT / name
        if path.is_dir():
            shutil.copytree(
                path, source / name, ignore=shutil.ignore_patterns("__pycache__", "secrets", "node_modules")
            )
        else:
            shutil.copy(path, source / name)
    _run(
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "-w",
        folder,
        source,
    )
    return next(folder.glob("bedside-*.whl"))


def _run(*command: object) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


def _install(extra: str, wheel: Path, folder: Path) -> Path:
    """A new environment with that extra's lock and the wheel; the folder of its programs."""
    venv.create(folder, with_pip=False, symlinks=True)
    programs = folder / "bin"
    pip = (sys.executable, "-m", "pip", "--python", programs / "python", "install", "-q", "--disable-pip-version-check")
    _run(*pip, "--require-hashes", "-r", CHECKOUT / "requirements" / f"{extra}.txt")
    _run(*pip, "--no-deps", "--no-index", wheel)
    return programs


@pytest.mark.slow
@pytest.mark.parametrize("extra", ALONE)
def test_an_extra_runs_alone(extra, wheel, tmp_path):
    programs = _install(extra, wheel, tmp_path / extra)
    find = "import importlib.util, sys; print([name for name in sys.argv[1:] if importlib.util.find_spec(name)])"
    assert _run(programs / "python", "-c", find, *ALONE[extra]["absent"]).strip() == "[]"
    for command in ALONE[extra]["commands"]:
        assert "usage" in _run(programs / "bedside", *command).lower(), command


@pytest.mark.slow
def test_the_client_is_imported_where_nothing_else_of_the_product_is_installed(wheel, tmp_path):
    programs = _install("client", wheel, tmp_path / "client")
    assert _run(programs / "python", "-c", "import bedside.client; print(bedside.client.Client.__name__)") == "Client\n"


@pytest.mark.slow
def test_the_wheel_carries_everything_that_is_not_python(wheel):
    """SQL scripts, Lua, rule files: read at run time from beside the code."""
    listed = set(_run(sys.executable, "-m", "zipfile", "-l", wheel).split())
    packages = ("vitals", "device_drivers", "edge_agent", "hub", "simulators", "bedside")
    beside = {
        path.relative_to(CHECKOUT).as_posix()
        for package in packages
        for path in (CHECKOUT / package).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert beside - listed == set()
