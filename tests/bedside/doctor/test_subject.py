"""What is looked at when nothing, something or everything is named; and a set-up that isn't there or doesn't run."""

import json
import os
from pathlib import Path

import pytest

import bedside.commands.doctor  # noqa: F401 - its help names the usual files, which are others below
from bedside.doctor import subject as subjects
from bedside.doctor.checks import checks
from bedside.doctor.running import run
from bedside.doctor.subject import Subject, subject
from bedside.exits import Exit
from bedside.up.layout import Layout
from tests.bedside.command_line import typed


@pytest.fixture
def usual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the demo of this machine would be, and nothing is installed."""
    monkeypatch.setenv("BEDSIDE_STATE", str(tmp_path / "demo"))
    monkeypatch.setattr(subjects, "HUB_FILE", tmp_path / "etc-hub.toml")
    monkeypatch.setattr(subjects, "GATEWAY_FILE", tmp_path / "etc-gateway.toml")
    return tmp_path / "demo"


def unnamed() -> Subject:
    return subject(state=None, hub_file=None, gateway_file=None)


def test_unnamed_it_is_the_demo_of_this_machine(usual):
    assert unnamed().layout == Layout(usual)


def test_unnamed_and_without_a_demo_it_is_what_is_installed(usual, tmp_path):
    (tmp_path / "etc-gateway.toml").touch()
    assert unnamed() == Subject(gateway_file=tmp_path / "etc-gateway.toml")
    (tmp_path / "etc-hub.toml").touch()
    assert unnamed().told == {"hub": f"{tmp_path}/etc-hub.toml", "gateway": f"{tmp_path}/etc-gateway.toml"}
    usual.mkdir()
    assert unnamed().layout == Layout(usual)


def test_what_is_named_is_looked_at_alone(usual, tmp_path):
    named = subject(state=None, hub_file=tmp_path / "hub.toml", gateway_file=None)
    assert (named.layout, named.gateway_file, named.environment) == (None, None, None)


def test_a_set_up_is_read_without_the_environment(usual, tmp_path):
    named = subject(state=tmp_path, hub_file=None, gateway_file=None)
    assert (named.environment, named.hub_file) == ({}, tmp_path / "hub.toml")


def test_a_set_up_that_is_not_there_is_told_how_to_make_one(usual, capsys):
    said = typed(capsys, "doctor", "--json")
    told = {row["check"]: row for row in json.loads(said.out)["checks"]}
    assert (said.code, set(told)) == (Exit.CONFIGURATION, {"set-up", "programs"})
    assert told["set-up"]["advice"].endswith("bedside demo")


def test_a_set_up_whose_process_is_gone_is_not_asked_what_would_run(usual):
    usual.mkdir()
    (usual / "hub.toml").write_text("x")
    (usual / "gateway.toml").write_text("")
    (usual / "lock").write_text("999999999\n")
    found = {checked.name: checked.finding for checked in run(checks(unnamed()))}
    assert found["set-up"].found == f"nothing runs in {usual}"
    assert found["Redis"].found == "nothing runs here"
    assert found["hub.toml"].code is Exit.CONFIGURATION


def test_a_set_up_of_a_living_process_runs(usual):
    usual.mkdir()
    (usual / "lock").write_text(f"{os.getpid()}\n")
    found = {checked.name: checked.finding for checked in run(checks(unnamed()))}
    assert found["set-up"].found == f"runs in {usual} (process {os.getpid()})"
