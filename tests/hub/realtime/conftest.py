from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bedside.services.redis import Redis
from tests.support.hub import LiveHub, running_hub


@pytest.fixture
async def hub(tmp_path: Path, redis_server: Redis) -> AsyncIterator[LiveHub]:
    async with running_hub(tmp_path, redis_server.url) as running:
        yield running
