"""The guide's logger names work as it shows them, in a process of their own: logging is set up once a process."""

import json
import subprocess
import sys

import msgspec
import pytest

from hub.settings import Level, LoggingSettings
from tests.end_to_end import guide

ASK = """
import json, logging, sys
import msgspec
from hub import logs
from hub.settings import LoggingSettings
logs.configure(msgspec.json.decode(sys.argv[1], type=LoggingSettings))
print(json.dumps({name: logging.getLogger(name).isEnabledFor(logging.DEBUG) for name in sys.argv[2:]}))
"""
SUBJECTS = {
    "app.services.websocket_manager": ["hub.realtime.websocket", "hub.realtime.sse", "hub.realtime.clients"],
    "app.services.realtime_events": ["hub.realtime.events", "hub.rooms.rooms", "hub.rooms.feed"],
}
OTHERS = ["hub.ingest.owner", "hub.rest.problems", "sqlalchemy.engine"]


def debugged(settings: LoggingSettings) -> set[str]:
    """The loggers that say DEBUG lines under these settings."""
    asked = [name for names in SUBJECTS.values() for name in names] + OTHERS
    command = [sys.executable, "-c", ASK, msgspec.json.encode(settings).decode(), *asked]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {name for name, enabled in json.loads(done.stdout).items() if enabled}


def loggers_of_the_guide() -> dict[str, Level]:
    """What its section "Debug Logging" configures."""
    namespace: dict[str, dict] = {}
    exec(guide.code_under("Debug Logging"), namespace)  # noqa: S102
    configured = namespace["LOGGING_CONFIG"]["loggers"]
    return {name: Level(logger["level"]) for name, logger in configured.items()}


def test_the_guides_debug_logging_debugs_its_subjects_and_nothing_else():
    loggers = loggers_of_the_guide()
    assert set(loggers) == set(SUBJECTS)
    assert debugged(LoggingSettings(loggers=loggers)) == {name for names in SUBJECTS.values() for name in names}


@pytest.mark.parametrize("alias", SUBJECTS)
def test_each_of_the_guides_names_stands_for_its_own_subject(alias: str):
    assert debugged(LoggingSettings(loggers={alias: Level.DEBUG})) == set(SUBJECTS[alias])


def test_without_them_nothing_is_debugged():
    assert debugged(LoggingSettings()) == set()
