"""What an agent says of itself, judged: does it run, does its outbox empty, do its devices answer."""

from datetime import timedelta
from pathlib import Path

import pytest

from bedside.doctor import agent
from bedside.doctor.findings import Finding, Outcome
from bedside.doctor.subject import Subject
from bedside.exits import Exit
from bedside.up.layout import Layout
from edge_agent import status
from edge_agent.settings import GatewaySettings
from tests.bedside.reports import DEVICE, report

DEPLOYED = Subject(gateway_file=Path("/etc/bedside/gateway.toml"))


@pytest.fixture
def settings(tmp_path: Path) -> GatewaySettings:
    return GatewaySettings(gateway_id="gw-1", state_dir=tmp_path)


def said(settings: GatewaySettings, **what: object) -> tuple[Finding, Finding, Finding]:
    """Of the agent, its outbox and its devices, after a report."""
    status.write(report(**what), settings.state_dir)
    return tuple(look(settings, DEPLOYED) for look in (agent.running, agent.outbox, agent.devices))


def test_an_agent_at_work_is_well(settings):
    running, outbox, devices = said(settings)
    assert [found.outcome for found in (running, outbox, devices)] == [Outcome.OK] * 3
    assert (running.found, devices.found) == ("gw-1 runs and is at the broker; 7 entries acknowledged", "1 live")


def test_an_agent_that_never_ran_is_told_how_to_start_one(settings):
    found = agent.running(settings, DEPLOYED)
    assert (found.code, found.advice) == (
        Exit.UNREACHABLE,
        "start it: bedside agent run --config /etc/bedside/gateway.toml",
    )
    demo = agent.running(settings, Subject(layout=Layout(Path("/demo"))))
    assert demo.advice.endswith("bedside demo --state /demo")
    assert agent.outbox(settings, DEPLOYED).outcome is Outcome.NOT_APPLICABLE


def test_an_agent_that_is_gone_takes_its_report_with_it(settings):
    running, outbox, devices = said(settings, age=timedelta(minutes=1))
    assert (running.code, running.found.startswith("not running since 20")) == (Exit.UNREACHABLE, True)
    assert (outbox.outcome, devices.outcome) == (Outcome.NOT_APPLICABLE, Outcome.NOT_APPLICABLE)


@pytest.mark.parametrize(
    ("problem", "code"),
    [
        ("h:1: can't connect: [code:135] Not authorized", Exit.AUTHENTICATION),
        ("h:1: can't connect: [code:134] Bad user name or password", Exit.AUTHENTICATION),
        ("h:1: can't connect: [Errno 111] Connection refused", Exit.UNREACHABLE),
    ],
)
def test_a_password_that_is_refused_is_told_from_a_broker_that_is_away(settings, problem, code):
    running, _, _ = said(settings, broker_problem=problem)
    assert (running.outcome, running.code) == (Outcome.FAILED, code)


def test_a_disk_that_refuses_has_failed(settings):
    _, outbox, _ = said(settings, fault="outbox: disk_full")
    assert (outbox.outcome, outbox.code, outbox.found) == (Outcome.FAILED, Exit.FAILED, "outbox: disk_full")


def test_readings_that_wait_or_were_refused_are_warned_of(settings):
    _, outbox, _ = said(settings, oldest_unsent_seconds=600.0, set_aside={"unknown_gateway": 4})
    assert outbox.outcome is Outcome.WARNING
    assert "the oldest entry has waited 600 s" in outbox.found
    assert "4 × unknown_gateway" in outbox.found


def test_an_outbox_that_was_corrupt_is_not_forgotten(settings):
    (settings.state_dir / "outbox.corrupt-20261125T120000").touch()
    _, outbox, _ = said(settings)
    assert (outbox.outcome, "outbox.corrupt-20261125T120000" in outbox.found) == (Outcome.WARNING, True)


def test_a_device_that_failed_is_named_and_one_that_sleeps_is_not(settings):
    _, _, failing = said(settings, state="backing_off", problem="/dev/ttyUSB0: no such file")
    assert (failing.outcome, failing.found) == (Outcome.WARNING, f"{DEVICE}: /dev/ttyUSB0: no such file")
    _, _, asleep = said(settings, state="absent")
    assert (asleep.outcome, asleep.found) == (Outcome.OK, "1 absent")
    _, _, recovered = said(settings, state="live", problem="an old one")
    assert recovered.outcome is Outcome.OK


def test_a_weak_battery_is_warned_of(settings):
    _, _, devices = said(settings, battery_percent=9)
    assert (devices.outcome, devices.found) == (Outcome.WARNING, f"{DEVICE}: battery at 9 %")


def test_a_report_of_another_version_is_said_to_be_unreadable(settings):
    (settings.state_dir / status.FILE_NAME).write_text("{}")
    assert agent.running(settings, DEPLOYED).code is Exit.FAILED
    assert agent.devices(settings, DEPLOYED).outcome is Outcome.NOT_APPLICABLE
