"""One demo for all tests that only look and ask; those that kill something start their own."""

from collections.abc import Iterator

import pytest

from tests.end_to_end.road import Road, start_road, stop_road


@pytest.fixture(scope="session")
def road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    running = start_road(tmp_path_factory.mktemp("road") / "state")
    yield running
    stop_road(running)


@pytest.fixture
def tester_token(road: Road) -> str:
    """A tester's: test events are not for clinicians."""
    return road.token_for("tester")
