"""The whole composition, natively: the same services from the same configuration files, up to a gateway that is online."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import pytest

from bedside.deployment import make_secrets
from bedside.services.locate import Program, locate
from bedside.services.mosquitto import Mosquitto
from bedside.services.postgres import Postgres
from bedside.services.process import Service, free_port, listens
from tests.deploy.compose import Compose, load
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

READY_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class Running:
    """What runs where. `environment` is what the hub's `env_file` says, with the native addresses."""

    compose: Compose
    folder: Path
    broker_port: int
    environment: dict[str, str]


@pytest.fixture
def composition(tmp_path: Path, postgres_service: Postgres) -> Iterator[Running]:
    with composed(tmp_path, postgres_service) as running:
        yield running


@contextmanager
def composed(tmp_path: Path, postgres_service: Postgres) -> Iterator[Running]:
    """Broker, Redis and PostgreSQL of the composition."""
    make_secrets(tmp_path / "secrets", ["gw-1"])
    compose = load(tmp_path / "secrets")
    with ExitStack() as stack:
        broker_port, redis_port = free_port(), free_port()
        stack.enter_context(_started(_broker(compose, tmp_path, broker_port)))
        stack.enter_context(_started(_redis(compose, tmp_path, redis_port)))
        database = stack.enter_context(_database(postgres_service, (compose.secrets / "postgres-password").read_text()))
        text = (compose.secrets / "hub.env").read_text()
        text = text.replace("redis:6379", f"127.0.0.1:{redis_port}")
        text = text.replace("postgres:5432/bedside", f"127.0.0.1:{postgres_service.port}/{database}")
        environment = dict(line.split("=", 1) for line in text.splitlines())
        yield Running(compose=compose, folder=tmp_path, broker_port=broker_port, environment=environment)


def _broker(compose: Compose, folder: Path, port: int) -> Service:
    (folder / "mosquitto" / "data").mkdir(parents=True)
    listener = f"user {os.environ.get('USER', 'root')}\nlistener {port} 127.0.0.1"
    file = compose.native("mosquitto", "/mosquitto/config/mosquitto.conf", folder, **{"listener 1883": listener})
    return Mosquitto(
        name="Mosquitto",
        program=locate("mosquitto"),
        arguments=["-c", str(file)],
        log=folder / "mosquitto.log",
        answers=lambda: listens(port),
    )


def _redis(compose: Compose, folder: Path, port: int) -> Service:
    (folder / "data").mkdir()
    native = {"port 6379": f"port {port}", "* -::*": "127.0.0.1"}
    file = compose.native("redis", "/usr/local/etc/redis/compose.conf", folder, **native)
    return Service(
        name="Redis",
        program=locate("redis-server"),
        arguments=[str(file)],
        log=folder / "redis.log",
        answers=lambda: listens(port),
    )


@contextmanager
def _database(server: Postgres, password: str) -> Iterator[str]:
    """An empty database, reached with the composition's own password."""
    with psycopg.connect(server.url().replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE DATABASE composition")
        connection.execute(f"ALTER USER bedside PASSWORD '{password}'")
        try:
            yield "composition"
        finally:
            connection.execute("DROP DATABASE composition WITH (FORCE)")
            connection.execute(f"ALTER USER bedside PASSWORD '{server.password}'")


@contextmanager
def _started(service: Service) -> Iterator[Service]:
    service.start()
    try:
        yield service
    finally:
        service.stop()


def _bedside(running: Running, name: str, *arguments: str, port: int | None = None) -> Service:
    """One of the project's commands, as its container runs it."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("BEDSIDE_")}
    service = Service(
        name=name,
        program=Program(path=Path(sys.executable), environment=inherited | running.environment),
        arguments=["-m", "bedside", *arguments],
        log=running.folder / f"{name}.log",
        answers=lambda: False,
    )
    started = lambda: service.process is not None and service.process.poll() is None  # noqa: E731
    service.answers = (lambda: listens(port)) if port is not None else started
    return service


def _hub(running: Running, port: int, *arguments: str) -> Service:
    native = {
        'host = "0.0.0.0"\nport = 5054': f'host = "127.0.0.1"\nport = {port}',
        'host = "mosquitto"\nport = 1883': f'host = "127.0.0.1"\nport = {running.broker_port}',
    }
    file = running.compose.native("hub", "/etc/bedside/hub.toml", running.folder, **native)
    command = running.compose.service("hub")["command"]
    assert command == ["hub", "--config", "/etc/bedside/hub.toml"]
    return _bedside(running, f"hub-{port}", "hub", "--config", str(file), *arguments, port=port)


def _gateway_file(running: Running) -> Path:
    state = running.folder / "gateway-state"
    state.mkdir(exist_ok=True)
    native = {
        'host = "mosquitto"\nport = 1883': f'host = "127.0.0.1"\nport = {running.broker_port}',
        'state_dir = "/var/lib/bedside"': f'state_dir = "{state}"',
    }
    return running.compose.native("agent", "/etc/bedside/gateway.toml", running.folder, **native)


async def _ready(port: int) -> bool:
    async with httpx.AsyncClient() as client:
        return (await client.get(f"http://127.0.0.1:{port}/health/ready")).status_code == 200


def _gateways(running: Running) -> list[tuple[str, bool]]:
    address = running.environment["BEDSIDE_DATABASE_URL"].replace("+psycopg", "")
    with psycopg.connect(address) as connection:
        return connection.execute("SELECT gateway_id, online FROM gateways").fetchall()


async def test_hub_and_agent_run_from_the_files_of_the_composition(composition: Running):
    """Up to what their health checks ask, and a gateway that the hub knows to be online, and then to be gone."""
    port = free_port()
    gateway = _gateway_file(composition)
    with _started(_hub(composition, port)):
        await eventually(lambda: _ready(port), seconds=READY_SECONDS)
        with _started(_bedside(composition, "agent", "agent", "run", "--config", str(gateway))):
            await eventually(lambda: _gateways(composition) == [("gw-1", True)], seconds=READY_SECONDS)
            status = [sys.executable, "-m", "bedside", "agent", "status", "--config", str(gateway)]
            await eventually(lambda: subprocess.run(status, capture_output=True, check=False).returncode == 0)
        await eventually(lambda: _gateways(composition) == [("gw-1", False)], seconds=READY_SECONDS)


async def test_ingest_and_serving_run_apart_on_postgresql(composition: Running):
    ingest, serve = free_port(), free_port()
    with (
        _started(_hub(composition, ingest, "--role", "ingest")),
        _started(_hub(composition, serve, "--role", "serve")),
    ):
        await eventually(lambda: _ready(serve), seconds=READY_SECONDS)
        await eventually(lambda: _ready(ingest), seconds=READY_SECONDS)


async def test_the_hubs_log_of_the_composition_holds_no_password(composition: Running):
    port = free_port()
    with _started(_hub(composition, port)):
        await eventually(lambda: _ready(port), seconds=READY_SECONDS)
    log = (composition.folder / f"hub-{port}.log").read_text()
    assert log
    secrets = [path.read_text().strip() for path in composition.compose.secrets.glob("*password")]
    assert [secret for secret in secrets if secret in log] == []
