"""The command line as a whole: help, wrong usage in one line with exit 2, and what isn't installed."""

import subprocess
import sys

import pytest

from bedside.exits import Exit
from bedside.main import COMMANDS
from tests.bedside.command_line import WAIT_SECONDS, started, typed, without_settings

WRONG = [
    ("demoo",),
    ("agent",),
    ("agent", "runn"),
    ("agent", "run"),
    ("agent", "scan", "--seconds", "0"),
    ("agent", "scan", "--seconds", "nan"),
    ("agent", "status", "--config", "a", "--state", "b"),
    ("config",),
    ("config", "check"),
    ("config", "check", "--hub", "a", "--gateway", "b"),
    ("demo", "--port", "many"),
    ("doctor", "--state", "a", "--config", "b"),
    ("hub", "--role", "boss"),
    ("hub", "--prot", "1"),
    ("secrets",),
    ("simulate",),
    ("simulate", "--state", "x", "--started", "noon"),
    ("simulate", "--state", "x", "--started", "2026-11-25T10:00:00"),
    ("token",),
    ("token", "--role", "boss"),
    ("token", "--rol", "viewer"),
]
WITHOUT = """
import sys
absent = sys.argv.pop(1).split(",")

class Absent:
    def find_spec(self, name, path=None, target=None):
        package = name.partition(".")[0]
        if package in absent:
            raise ModuleNotFoundError(f"No module named {package!r}", name=package)

sys.meta_path.insert(0, Absent())
from bedside.main import main
sys.exit(main(sys.argv[1:]))
"""
"""Runs a command in an installation without some packages."""
NOT_ON_A_GATEWAY = (
    "hub,simulators,alembic,aiosqlite,fastapi,jwt,psycopg,redis,rich,sqlalchemy,starlette,uvicorn,websockets"
)
NOT_AT_A_HUB = "edge_agent,device_drivers,simulators,aiomqtt,bleak,bleak_retry_connector,bumble,dbus_fast,serial"


def test_help_names_every_command_and_every_exit_code(capsys):
    said = typed(capsys, "--help")
    assert said.code == Exit.OK
    assert all(f"\n    {name} " in said.out for name in COMMANDS)
    assert all(str(code.value) in said.out for code in Exit)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_that_begins_with_its_usage(capsys, command):
    said = typed(capsys, command, "--help")
    assert (said.code, said.err) == (Exit.OK, "")
    assert said.out.startswith(f"usage: bedside {command} ")


def test_help_is_given_on_a_terminal_whose_encoding_lacks_its_signs():
    said = started("watch", "--help", PYTHONIOENCODING="ascii")
    assert (said.code, said.err) == (Exit.OK, "")
    assert "? linked" in said.out


def test_nothing_at_all_is_answered_with_the_help_and_counts_as_wrong_usage(capsys):
    said = typed(capsys)
    assert said.code == Exit.USAGE
    assert said.err.startswith("usage: bedside")


@pytest.mark.parametrize("words", WRONG, ids=" ".join)
def test_wrong_usage_is_one_line_and_exit_2(capsys, words):
    said = typed(capsys, *words)
    assert (said.code, said.out) == (Exit.USAGE, "")
    assert said.err.startswith("bedside")
    assert said.err.count("\n") == 1


def test_a_slip_in_a_commands_name_is_answered_with_the_nearest(capsys):
    assert "did you mean doctor?" in typed(capsys, "docter").err
    assert "there are demo, up" in typed(capsys, "frobnicate").err


def test_the_version_is_told(capsys):
    assert typed(capsys, "--version").out.startswith("bedside 0.")


@pytest.mark.parametrize(
    ("absent", "words", "said"),
    [
        ("bleak", ("agent", "scan"), "pip install 'bedside[edge]'"),
        ("bleak", ("config", "check", "--gateway", "x"), "pip install 'bedside[edge]'"),
        ("bleak", ("doctor", "--gateway", "x"), "pip install 'bedside[edge]'"),
        ("sqlalchemy", ("doctor", "--config", "x"), "pip install 'bedside[hub]'"),
        ("sqlalchemy", ("hub",), "pip install 'bedside[hub]'"),
        ("bumble", ("simulate", "--state", "x"), "pip install 'bedside[sim]'"),
        ("jwt", ("demo",), "pip install 'bedside[hub,edge,sim]'"),
        ("simulators", ("demo",), "needs the package simulators, which this installation leaves out"),
    ],
)
def test_what_is_not_installed_is_named_with_the_extra_that_brings_it(absent, words, said):
    done = without(absent, *words)
    assert done.returncode == Exit.CONFIGURATION, done.stderr
    assert done.stderr.endswith(f"{said}\n")
    assert done.stderr.count("\n") == 1


def without(absent: str, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", WITHOUT, absent, *words]
    return subprocess.run(
        command, env=without_settings(), capture_output=True, text=True, timeout=WAIT_SECONDS, check=False
    )


@pytest.mark.slow
@pytest.mark.pure
def test_a_gateways_commands_need_nothing_of_the_hubs(tmp_path):
    file = tmp_path / "gateway.toml"
    file.write_text(f'gateway_id = "g"\nstate_dir = "{tmp_path}"\n[mqtt]\nport = 1\n')
    for words, code in (
        (("config", "check", "--gateway"), Exit.OK),
        (("agent", "status", "--config"), Exit.UNREACHABLE),
        (("doctor", "--gateway"), Exit.UNREACHABLE),
    ):
        done = without(NOT_ON_A_GATEWAY, *words, str(file))
        assert (done.returncode, "needs" in done.stderr, "Traceback" in done.stderr) == (code, False, False), (
            done.stderr
        )


@pytest.mark.slow
@pytest.mark.pure
def test_a_hubs_commands_need_nothing_of_the_gateways(tmp_path):
    (tmp_path / "secret").write_text("Xq3X8fGz0LpVtR5yWb2Nc7Jd1Hs4Km9Ae6")
    (tmp_path / "secret").chmod(0o600)
    file = tmp_path / "hub.toml"
    file.write_text(
        f'database_url = "sqlite+aiosqlite:///{tmp_path}/r"\nredis_url = "redis://127.0.0.1:1"\nport = 1\n'
        f'[mqtt]\nport = 1\n[auth]\nsecret_file = "{tmp_path}/secret"\n'
    )
    for words, code in ((("config", "check", "--hub"), Exit.OK), (("doctor", "--config"), Exit.UNREACHABLE)):
        done = without(NOT_AT_A_HUB, *words, str(file))
        assert (done.returncode, "needs" in done.stderr, "Traceback" in done.stderr) == (code, False, False), (
            done.stderr
        )
    said = without(NOT_AT_A_HUB, "token", "--role", "viewer", "--state", str(tmp_path))
    assert said.returncode == Exit.CONFIGURATION
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secret").rename(tmp_path / "secrets" / "jwt-secret")
    assert without(NOT_AT_A_HUB, "token", "--role", "admin", "--state", str(tmp_path)).returncode == Exit.OK
    refused = without(NOT_AT_A_HUB, "token", "--role", "viewer", "--state", str(tmp_path))
    assert (refused.returncode, "--hospital: is needed" in refused.stderr) == (Exit.USAGE, True)


def test_a_module_of_ours_that_is_missing_is_a_bug_and_not_hidden():
    script = "import sys; sys.modules['hub.settings'] = None; from bedside.main import main; main(['hub'])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "Traceback" in done.stderr


def test_a_reader_that_has_gone_ends_it_without_a_word(tmp_path):
    (tmp_path / "gateway.toml").write_text('gateway_id = "g"\nstate_dir = "s"\n')
    command = [sys.executable, "-m", "bedside", "config", "show", "--gateway", str(tmp_path / "gateway.toml")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=without_settings())
    process.stdout.close()
    with process.stderr as errors:
        assert errors.read() == b""
    assert process.wait(20) == Exit.FAILED


def test_python_can_run_it_as_a_module():
    assert started("--version").out.startswith("bedside ")
