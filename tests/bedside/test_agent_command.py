"""`bedside agent run|scan|status`, typed: what an agent left in its state folder, and what keeps one from running."""

import json
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from bedside.exits import Exit
from edge_agent import status
from tests.bedside.command_line import started, typed, without_settings
from tests.bedside.reports import report
from tests.support.waiting import eventually

NOWHERE = "unix:path=/nowhere/bus"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.toml"
    path.write_text(f'gateway_id = "gw-1"\nstate_dir = "{tmp_path}/state"\n')
    (tmp_path / "state").mkdir()
    return path


def test_a_running_agent_is_shown_with_its_broker_outbox_and_devices(capsys, file):
    status.write(report(), file.parent / "state")
    said = typed(capsys, "agent", "status", "--config", file)
    assert said.code == Exit.OK
    for text in ("gateway gw-1: running", "acknowledged 7", "oldest unsent 3 s", "pulse_oximeter:ox-1", "12 readings"):
        assert text in said.out
    told = json.loads(typed(capsys, "agent", "status", "--config", file, "--json").out)
    assert (told["running"], told["gateway_id"], told["mqtt"]["entries_acknowledged"]) == (True, "gw-1", 7)


def test_an_agent_that_is_gone_is_shown_with_when_and_exit_4(capsys, file):
    status.write(report(age=timedelta(minutes=5)), file.parent / "state")
    said = typed(capsys, "agent", "status", "--config", file)
    assert said.code == Exit.UNREACHABLE
    assert "gateway gw-1: not running since 20" in said.out
    assert json.loads(typed(capsys, "agent", "status", "--config", file, "--json").out)["running"] is False


def test_what_keeps_it_from_the_broker_and_from_its_disk_is_shown(capsys, file):
    status.write(report(broker_problem="127.0.0.1:1: refused", fault="outbox: disk_full"), file.parent / "state")
    said = typed(capsys, "agent", "status", "--config", file).out
    assert "not connected (127.0.0.1:1: refused)" in said
    assert "outbox: outbox: disk_full" in said


def test_where_no_agent_has_run_it_is_said_how_to_start_one(capsys, file):
    said = typed(capsys, "agent", "status", "--config", file)
    assert (said.code, said.out) == (Exit.UNREACHABLE, "")
    assert said.err.endswith("start one: bedside agent run\n")


@pytest.mark.parametrize("content", [b"{", b"{}", b"\xff"])
def test_a_status_that_can_not_be_read_is_said_in_one_line(capsys, file, content):
    (file.parent / "state" / status.FILE_NAME).write_bytes(content)
    said = typed(capsys, "agent", "status", "--config", file)
    assert (said.code, said.err.count("\n")) == (Exit.FAILED, 1)
    assert "status.json: is none that this version writes" in said.err


def test_a_scan_without_bluetooth_says_so_and_shows_the_rest():
    said = started("agent", "scan", "--seconds", "0.2", "--json", DBUS_SYSTEM_BUS_ADDRESS=NOWHERE)
    told = json.loads(said.out)
    assert (said.code, said.err) == (Exit.OK, "")
    assert "Bluetooth can't be used" in told["bluetooth_problem"]
    assert (
        "Bluetooth: Bluetooth can't"
        in started("agent", "scan", "--seconds", "0.2", DBUS_SYSTEM_BUS_ADDRESS=NOWHERE).out
    )


def test_a_demos_serial_lines_are_scanned_by_its_state_folder(tmp_path):
    (tmp_path / "tty").mkdir()
    (tmp_path / "tty" / "OX-1").touch()
    told = json.loads(started("agent", "scan", "--seconds", "0.2", "--state", tmp_path, "--json").out)
    assert [msgspec.convert(one, dict)["where"] for one in told["sightings"]] == [f"{tmp_path}/tty/OX-1"]
    assert "contec-v7" in told["sightings"][0]["drivers"]


def test_a_state_folder_that_can_not_be_is_said_in_one_line(file):
    file.write_text('gateway_id = "gw-1"\nstate_dir = "/proc/none"\n')
    said = started("agent", "run", "--config", file)
    assert (said.code, said.err) == (Exit.UNREACHABLE, "bedside: /proc/none: No such file or directory\n")


def test_an_outbox_that_can_not_be_opened_is_said_in_one_line(file):
    (file.parent / "state" / "outbox.sqlite").mkdir()
    said = started("agent", "run", "--config", file)
    assert said.code == Exit.UNREACHABLE
    assert said.err == f"bedside: {file.parent}/state: outbox: read_only: unable to open database file\n"


@pytest.mark.slow
async def test_an_agent_runs_without_a_broker_until_it_is_told_to_stop(capsys, file):
    file.write_text(file.read_text() + "[mqtt]\nport = 1\n")
    command = [sys.executable, "-m", "bedside", "agent", "run", "--config", str(file)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=without_settings())  # noqa: ASYNC220
    state = file.parent / "state"
    await eventually(lambda: (found := status.read(state)) and found.mqtt.problem, seconds=20)
    assert typed(capsys, "agent", "status", "--config", file).code == Exit.OK
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == Exit.OK
    with process.stderr as said:
        assert "readings are kept in the outbox, trying again" in said.read()
