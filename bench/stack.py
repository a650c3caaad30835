"""The real thing: Redis, Mosquitto and the hub as processes of their own, in a folder of their own, as `bedside up` has them."""

import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar

from bedside.hub_client import HubUnreachable, get
from bedside.services.locate import Program
from bedside.services.mosquitto import Mosquitto, mosquitto
from bedside.services.process import Service, ServiceFailed, free_port, write_private
from bedside.services.redis import redis
from bedside.up.toml import toml
from bench.errors import BenchFailed
from bench.machine import Cores
from bench.ward import GATEWAY, HOSPITAL, registry
from hub.auth.tokens import Role, mint

S = TypeVar("S", bound=Service)
CHECKOUT: Final = Path(__file__).resolve().parents[1]
READY_SECONDS: Final = 20.0
LOG_LINES: Final = 10
_POLL_SECONDS: Final = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """Where everything is. `record` is the hub's SQLite file; `passwords` are the broker's, by user."""

    hub: int
    pid: int
    broker: int
    redis_url: str
    record: Path
    passwords: dict[str, str]
    secret: bytes

    def token(self, subject: str) -> str:
        """A viewer's token for the whole hospital."""
        return mint(
            self.secret,
            subject=subject,
            role=Role.VIEWER,
            hospitals=[HOSPITAL],
            ttl=timedelta(hours=1),
            now=datetime.now(UTC),
        )


@contextmanager
def running_stack(folder: Path, cores: Cores) -> Iterator[Stack]:
    """Everything started, the hub on the server's core, ready; ended on the way out. Raises ServiceFailed or BenchFailed."""
    with ExitStack() as services:
        store = services.enter_context(started(redis(folder / "redis")))
        broker = services.enter_context(running_broker(folder / "mosquitto"))
        secret = secrets.token_urlsafe(48)
        port = free_port()
        configuration = _configuration(folder, port=port, redis_url=store.url, broker=broker, secret=secret)
        hub = python("hub", "bedside", ["hub", "--config", str(configuration)], folder)
        hub.answers = lambda: _is_ready(port)
        with cores.serving():
            services.enter_context(started(hub))
        yield Stack(
            hub=port,
            pid=pid_of(hub),
            broker=broker.broker.port,
            redis_url=store.url,
            record=folder / "record.db",
            passwords=broker.passwords,
            secret=secret.encode(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningBroker:
    broker: Mosquitto
    passwords: dict[str, str]


@contextmanager
def running_broker(folder: Path) -> Iterator[RunningBroker]:
    """A Mosquitto with the hub and one gateway as its users."""
    passwords = {user: secrets.token_urlsafe(24) for user in ("hub", GATEWAY)}
    with started(mosquitto(folder, users=passwords)) as broker:
        yield RunningBroker(broker=broker, passwords=passwords)


@contextmanager
def started(service: S) -> Iterator[S]:
    """A service for the length of the block. Raises ServiceFailed with the end of its log, whose folder is then gone."""
    try:
        _start(service)
        yield service
    finally:
        service.stop()


def _start(service: Service) -> None:
    try:
        service.start()
    except ServiceFailed as failure:
        said = service.log.read_text(encoding="utf-8", errors="replace").splitlines() if service.log.exists() else []
        raise ServiceFailed("\n".join([str(failure), *said[-LOG_LINES:]])) from failure


def python(name: str, module: str, arguments: Sequence[str], folder: Path) -> Service:
    """`python -m module` as a service; it answers as soon as it runs, until the caller says otherwise."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("BEDSIDE_")}
    service = Service(
        name=name,
        program=Program(path=Path(sys.executable), environment=environment | {"PYTHONPATH": str(CHECKOUT)}),
        arguments=["-P", "-m", module, *arguments],
        log=folder / f"{name}.log",
        answers=lambda: service.process is not None,
    )
    return service


def pid_of(service: Service) -> int:
    assert service.process is not None
    return service.process.pid


def wait_until(holds: Callable[[], bool], what: str, *, seconds: float) -> None:
    """Return when it holds. Raises BenchFailed after `seconds`."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise BenchFailed(f"{what}: not within {seconds:g} s")
        time.sleep(_POLL_SECONDS)


def _configuration(folder: Path, *, port: int, redis_url: str, broker: RunningBroker, secret: str) -> Path:
    password = write_private(folder / "hub-password", broker.passwords["hub"])
    registry_file = write_private(folder / "registry.toml", toml(registry()))
    content = {
        "port": port,
        "database_url": f"sqlite+aiosqlite:///{folder / 'record.db'}",
        "redis_url": redis_url,
        "registry_file": str(registry_file),
        "mqtt": {"port": broker.broker.port, "username": "hub", "password_file": str(password)},
        "auth": {"secret_file": str(write_private(folder / "jwt-secret", secret))},
    }
    return write_private(folder / "hub.toml", toml(content))


def _is_ready(port: int) -> bool:
    try:
        return get(f"http://127.0.0.1:{port}/health/ready", seconds=1).status == 200
    except HubUnreachable:
        return False
