"""The rooms' Redis: a real one, set as it should be and in each way in which it should not."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis as Client

from bedside.doctor.findings import Finding, Outcome
from bedside.doctor.redis import look
from bedside.doctor.subject import Subject
from bedside.exits import Exit
from bedside.services.redis import Redis, redis
from hub.settings import AuthSettings, HubSettings
from tests.support.net import free_port

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """One that these tests may set as they like."""
    service = redis(tmp_path_factory.mktemp("redis"))
    service.start()
    yield service
    service.stop()


@pytest.fixture
def client(server: Redis) -> Iterator[Client]:
    """Everything that was set is as it was when the test ends."""
    with Client.from_url(server.url) as connected:
        before = connected.config_get("maxmemory*") | connected.config_get("appendonly")
        yield connected
        for name, value in before.items():
            connected.config_set(name, value)


def at(url: str) -> Finding:
    settings = HubSettings(database_url="x", auth=AuthSettings(secret_file=Path("x")), redis_url=url)
    return look(settings, Subject())


def test_the_one_that_bedside_starts_is_as_it_should_be(server):
    found = at(server.url)
    assert (found.outcome, found.advice) == (Outcome.OK, "")
    assert ", append-only file on, noeviction, " in found.found
    assert server.password not in found.found


@pytest.mark.parametrize(
    ("policy", "limit", "outcome", "code"),
    [
        ("allkeys-lru", "500mb", Outcome.FAILED, Exit.CONFIGURATION),
        ("allkeys-lru", "0", Outcome.WARNING, Exit.OK),
        ("volatile-ttl", "500mb", Outcome.WARNING, Exit.OK),
        ("noeviction", "500mb", Outcome.OK, Exit.OK),
    ],
)
def test_a_policy_that_drops_the_rooms_is_found(server, client, policy, limit, outcome, code):
    client.config_set("maxmemory-policy", policy)
    client.config_set("maxmemory", limit)
    found = at(server.url)
    assert (found.outcome, found.code) == (outcome, code)
    assert (policy in found.found) or outcome is Outcome.OK


def test_one_that_forgets_at_a_restart_is_warned_of(server, client):
    client.config_set("appendonly", "no")
    assert "has no append-only file" in at(server.url).found


def test_one_that_is_nearly_full_is_warned_of(server, client):
    client.config_set("maxmemory", str(int(client.info("memory")["used_memory"] * 1.05)))
    found = at(server.url)
    assert (found.outcome, "of memory" in found.found) == (Outcome.WARNING, True)


def test_a_replica_is_no_place_to_write(server, client):
    client.replicaof("127.0.0.1", 1)
    try:
        found = at(server.url)
    finally:
        client.replicaof("no", "one")
    assert (found.code, "is a replica" in found.found) == (Exit.CONFIGURATION, True)


@pytest.mark.parametrize("credentials", ["", ":wrong-password@", "nobody:wrong-password@"])
def test_a_wrong_password_is_a_refusal_that_does_not_repeat_it(server, credentials):
    found = at(f"redis://{credentials}127.0.0.1:{server.port}/0")
    assert (found.outcome, found.code) == (Outcome.FAILED, Exit.AUTHENTICATION)
    assert "wrong-password" not in found.found + found.advice


def test_nobody_there_is_unreachable():
    port = free_port()
    found = at(f"redis://:wrong-password@127.0.0.1:{port}/0")
    assert (found.code, found.found) == (Exit.UNREACHABLE, f"127.0.0.1:{port}: Connection refused")


def test_one_that_stands_still_is_given_up(silent_port):
    assert at(f"redis://127.0.0.1:{silent_port}/0").code is Exit.UNREACHABLE


def test_another_server_in_its_place_is_no_redis(mosquitto_server):
    assert at(f"redis://127.0.0.1:{mosquitto_server.port}/0").code is Exit.UNREACHABLE
