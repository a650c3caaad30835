"""Clocks: what is near enough, what is warned of, what has failed."""

from pathlib import Path

import pytest

from bedside.doctor.clocks import judged, look
from bedside.doctor.findings import Outcome
from bedside.doctor.subject import Subject
from hub.settings import AuthSettings, HubSettings
from tests.support.net import free_port


@pytest.mark.slow
def test_servers_on_this_machine_agree_with_it(postgres_url, redis_server):
    """The hub doesn't answer and is left out."""
    settings = HubSettings(
        database_url=postgres_url,
        redis_url=redis_server.url,
        auth=AuthSettings(secret_file=Path("x")),
        port=free_port(),
    )
    found = look(settings, Subject())
    assert (found.outcome, found.found) == (Outcome.OK, "this machine, database, Redis agree within 0.1 s")


@pytest.mark.parametrize(
    ("offsets", "outcome"),
    [
        ({"hub": 0.0, "Redis": 0.01}, Outcome.OK),
        ({"database": 0.3, "Redis": -0.1}, Outcome.OK),
        ({"database": 0.3, "Redis": -0.3}, Outcome.WARNING),
        ({"hub": -3.0}, Outcome.WARNING),
        ({"hub": 3600.0}, Outcome.FAILED),
        ({"database": 3.0, "Redis": -3.0}, Outcome.FAILED),
    ],
)
def test_the_outermost_two_are_compared(offsets, outcome):
    found = judged(offsets, margin_seconds=0.5)
    assert found.outcome is outcome
    assert all(name in found.found for name in offsets)


def test_the_margin_is_the_hubs_own():
    assert judged({"Redis": 1.0}, margin_seconds=2).outcome is Outcome.OK
