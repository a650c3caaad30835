from collections.abc import AsyncIterator

import pytest

from bedside.services.redis import Redis
from hub.limits import Limits
from hub.rooms.rooms import Rooms


@pytest.fixture
async def rooms(redis_server: Redis) -> AsyncIterator[Rooms]:
    opened = Rooms.connect(redis_server.url, Limits())
    yield opened
    await opened.close()
