"""Real services for tests, started when first asked for, on free ports, and stopped by their own process ids."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from redis import Redis as RedisClient
from sqlalchemy import create_engine, text

from bedside.services.dbus import DBus, dbus
from bedside.services.locate import locate
from bedside.services.mosquitto import Mosquitto, mosquitto
from bedside.services.postgres import Postgres, postgres
from bedside.services.redis import Redis, redis

settings.register_profile("bedside", deadline=None)  # how long an example takes depends on what else runs
settings.register_profile("quick", deadline=None, max_examples=10)  # what `./dev check` asks for
settings.load_profile("bedside")

HUB_PASSWORD = "hub-password-of-this-test-run"
GATEWAY_PASSWORD = "gateway-password-of-this-test-run"
GATEWAYS = ("gw-1", "gw-2", "gw-3")


@pytest.fixture(scope="session")
def services_folder() -> Iterator[Path]:
    """A short path (sockets' paths are limited) that other users may enter (PostgreSQL refuses root)."""
    folder = Path(tempfile.mkdtemp(prefix="bedside-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def redis_service(services_folder: Path) -> Iterator[Redis]:
    service = redis(services_folder / "redis")
    service.start()
    yield service
    service.stop()


@pytest.fixture
def redis_server(redis_service: Redis) -> Redis:
    """An empty Redis, shared by the tests of one run; whoever kills one starts a server of their own."""
    with RedisClient.from_url(redis_service.url) as client:
        client.flushall()
    return redis_service


@pytest.fixture(scope="session")
def mosquitto_server(services_folder: Path) -> Iterator[Mosquitto]:
    """A broker with the users `hub` (HUB_PASSWORD) and GATEWAYS (GATEWAY_PASSWORD)."""
    users = {"hub": HUB_PASSWORD} | dict.fromkeys(GATEWAYS, GATEWAY_PASSWORD)
    service = mosquitto(services_folder / "mosquitto", users=users)
    service.start()
    yield service
    service.stop()


@pytest.fixture(scope="session")
def postgres_service(services_folder: Path) -> Iterator[Postgres]:
    service = postgres(services_folder / "postgres")
    service.start()
    yield service
    service.stop()


@pytest.fixture
def postgres_url(postgres_service: Postgres, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of an empty database of this test's own."""
    name = f"test_{abs(hash(request.node.nodeid))}"
    engine = create_engine(postgres_service.url(), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{name}"'))
    yield postgres_service.url(name)
    with engine.connect() as connection:
        connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
    engine.dispose()


@pytest.fixture(scope="session")
def message_bus(services_folder: Path) -> Iterator[DBus]:
    service = dbus(services_folder / "dbus")
    service.start()
    yield service
    service.stop()


@pytest.fixture(scope="session")
def chromium_binary() -> Path:
    return locate("chromium").path
