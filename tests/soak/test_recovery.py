"""The recovery matrix in short: `./dev soak` goes on for as long as one likes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from bedside.services.redis import Redis, redis
from soak.recovery import Recovery

pytestmark = pytest.mark.slow

SHORT = settings(
    max_examples=20,
    stateful_step_count=30,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    print_blob=False,
)


@pytest.fixture
def server(services_folder: Path, tmp_path: Path) -> Iterator[Redis]:
    service = redis(services_folder / f"soak-{tmp_path.name}")
    service.start()
    yield service
    service.stop()


def test_nothing_is_missed_in_silence_nor_comes_twice_nor_in_disorder(server: Redis, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Recovery, "redis", server, raising=False)
    run_state_machine_as_test(Recovery, settings=SHORT)
    assert Recovery.gaps > 0
