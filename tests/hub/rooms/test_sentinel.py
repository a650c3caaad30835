"""Rooms on a master that Sentinels watch: the hub follows them to the next one, and believes no minority."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from bedside.doctor.findings import Outcome
from bedside.doctor.redis import look
from bedside.doctor.subject import Subject
from bedside.services.redis_sentinel import PASSWORD, SENTINEL_PASSWORD, RedisSentinels, redis_sentinels
from hub.errors import RoomsUnavailable
from hub.rooms import servers
from hub.rooms.rooms import Rooms
from hub.settings import AuthSettings, HubSettings, RedisSettings
from tests.hub.rooms.failover import hanging, measured, seen, watched_hub
from tests.hub.rooms.publications import HOSPITAL, fence, publication
from tests.support.net import free_port

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sentinels(services_folder: Path) -> Iterator[RedisSentinels]:
    running = redis_sentinels(services_folder / "sentinels")
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture
def settings(sentinels: RedisSentinels, tmp_path: Path) -> RedisSettings:
    password, sentinel_password = tmp_path / "redis-password", tmp_path / "sentinel-password"
    password.write_text(PASSWORD)
    sentinel_password.write_text(SENTINEL_PASSWORD)
    return RedisSettings(
        sentinels=sentinels.addresses, password_file=password, sentinel_password_file=sentinel_password
    )


async def test_a_minority_of_sentinels_is_not_believed(settings: RedisSettings, sentinels: RedisSentinels):
    """Whoever is cut off with the old master and its Sentinel must not take it for the master."""
    nobody = (f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}")
    alone = msgspec.structs.replace(settings, sentinels=(sentinels.addresses[0], *nobody))
    rooms = Rooms.connect(alone)
    with pytest.raises(RoomsUnavailable, match="no majority of the Sentinels names a master of bedside"):
        await rooms.top(HOSPITAL)
    await rooms.close()


def test_the_doctor_looks_at_the_master_that_they_name(settings: RedisSettings, sentinels: RedisSentinels):
    hub = HubSettings(database_url="x", auth=AuthSettings(secret_file=Path("x")), redis=settings)
    found = look(hub, Subject())
    assert found.outcome is Outcome.OK, found
    stranger = msgspec.structs.replace(settings, service="another")
    assert "names a master of another" in look(msgspec.structs.replace(hub, redis=stranger), Subject()).found


async def test_a_publication_that_no_replica_has_does_not_count(
    settings: RedisSettings, sentinels: RedisSentinels, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(servers, "REPLICA_SECONDS", 0.2)  # less than the Sentinels need to give the replica up
    rooms = Rooms.connect(settings)
    await rooms.publish(fence(), [publication(1)], new_epoch="e1")
    replica = next(server for server in sentinels.servers if server is not sentinels.master())
    async with hanging(replica):
        with pytest.raises(RoomsUnavailable, match="no replica"):
            await rooms.publish(fence(), [publication(2)], new_epoch="e1")
    await rooms.publish(fence(), [publication(2)], new_epoch="e1")
    await rooms.client.flushdb()
    await rooms.close()


async def test_a_killed_master_costs_a_client_nothing(
    sentinels: RedisSentinels, settings: RedisSettings, sqlite_url: str, mosquitto_server, tmp_path: Path
):
    """Gateway, owner, rooms, feed and WebSocket: every reading of before, meanwhile and after arrives, once and in order.

    Who only asks now and then, and follows nothing, finds the new master too.
    """
    rooms = Rooms.connect(settings)
    await rooms.ping()
    async with watched_hub(tmp_path, sqlite_url, settings, mosquitto_server.port) as hub:
        kill = lambda: sentinels.master().kill()  # noqa: E731
        _, pressures = await asyncio.gather(measured(hub.nurse, 60, at=30, then=kill), seen(hub.client, 60))
        assert pressures == list(range(1, 61))
    assert await rooms.top(HOSPITAL) is not None
    await rooms.close()
