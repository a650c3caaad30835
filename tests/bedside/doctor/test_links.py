"""The ways from a gateway to its devices: the system bus and BlueZ, serial ports and who may open them."""

import os
import pty
from collections.abc import Iterator
from pathlib import Path

import pytest

from bedside.doctor import links
from bedside.doctor.findings import Outcome
from bedside.doctor.subject import Subject
from bedside.exits import Exit
from edge_agent.settings import DeviceSettings, GatewaySettings
from tests.bedside.doctor.nobody import nobody

CUFF = DeviceSettings(device_id="bp-1", driver="sig-blood-pressure", address="C0:26:DA:00:12:34")


def gateway(*devices: DeviceSettings) -> GatewaySettings:
    return GatewaySettings(gateway_id="gw-1", state_dir=Path("state"), devices=devices)


def oximeter(port: str) -> DeviceSettings:
    return DeviceSettings(device_id="ox-1", driver="contec-v7", port=port)


@pytest.fixture
def line() -> Iterator[str]:
    """A serial line that only its owner may open."""
    ours, theirs = pty.openpty()
    yield os.ttyname(theirs)
    os.close(ours)
    os.close(theirs)


def test_what_no_device_needs_is_not_looked_at():
    assert links.bluetooth(gateway(oximeter("/dev/x")), Subject()).outcome is Outcome.NOT_APPLICABLE
    assert links.serial_ports(gateway(CUFF), Subject()).outcome is Outcome.NOT_APPLICABLE
    assert links.serial_ports(gateway(oximeter("socket://h:1")), Subject()).outcome is Outcome.NOT_APPLICABLE


def test_a_machine_without_a_system_bus_is_told_how_to_get_one(monkeypatch, tmp_path):
    monkeypatch.setenv(links.BUS_VARIABLE, f"unix:path={tmp_path}/bus,guid=0")
    found = links.bluetooth(gateway(CUFF), Subject())
    assert (found.outcome, found.code) == (Outcome.FAILED, Exit.UNREACHABLE)
    assert found.found == f"no system bus at {tmp_path}/bus: No such file or directory"
    assert "/run/dbus/system_bus_socket" in found.advice


@pytest.mark.slow
def test_a_bus_without_bluez_is_told_how_to_start_it(monkeypatch, message_bus):
    monkeypatch.setenv(links.BUS_VARIABLE, message_bus.address)
    found = links.bluetooth(gateway(CUFF), Subject())
    assert (found.outcome, found.code) == (Outcome.FAILED, Exit.UNREACHABLE)
    assert "systemctl start bluetooth" in found.advice


def test_a_port_that_can_be_opened_is_well(line):
    assert links.serial_ports(gateway(oximeter(line)), Subject()).found == "1 ports are there and can be opened"


def test_a_port_that_is_not_there_is_told_with_what_is(tmp_path):
    found = links.serial_ports(gateway(oximeter(f"{tmp_path}/ttyUSB0")), Subject())
    assert (found.outcome, "ttyUSB0 isn't there; plugged in: " in found.found) == (Outcome.WARNING, True)


def test_a_port_that_we_may_not_open_is_told_with_its_group(line):
    os.chmod(line, 0o660 if os.geteuid() == 0 else 0)  # noqa: PTH101 - a terminal, no file
    with nobody():
        found = links.serial_ports(gateway(oximeter(line)), Subject())
    assert (found.outcome, found.code) == (Outcome.FAILED, Exit.CONFIGURATION)
    assert "sudo usermod -aG" in found.advice
