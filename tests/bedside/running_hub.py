"""`bedside hub` as a process of its own, with a registry, on the tests' Redis and broker."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bedside.hub_client import HubUnreachable, get
from bedside.services.mosquitto import Mosquitto
from bedside.services.redis import Redis
from bedside.up.toml import toml
from hub.auth.tokens import mint
from tests.bedside.command_line import without_settings
from tests.conftest import HUB_PASSWORD
from tests.support.net import free_port
from tests.support.waiting import eventually

HOSPITAL, PATIENT, NAME = "hospital-1", "patient-1", "Ann Unmistakable"
START_SECONDS, STOP_SECONDS = 30, 15


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningHub:
    """Where it is and what it says."""

    file: Path
    folder: Path
    port: int
    process: "subprocess.Popen[bytes]"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def token(self, role: str) -> str:
        secret = (self.folder / "secret").read_bytes()
        life = timedelta(minutes=5)
        return mint(secret, subject=role, role=role, hospitals=[HOSPITAL], ttl=life, now=datetime.now(UTC))

    def is_ready(self) -> bool:
        with contextlib.suppress(HubUnreachable):
            return get(f"{self.url}/health/ready", seconds=2).status == 200
        return False


def configuration(folder: Path, redis: Redis, broker: Mosquitto, **changes: object) -> Path:
    """A hub.toml with all that it names, in `folder`; `changes` are keys of it."""
    secret, password, registry = folder / "secret", folder / "password", folder / "registry.toml"
    for path, text in ((secret, "Xq3" * 3 + "-8fGz0LpVtR5yWb2Nc7Jd1Hs4Km9Ae6"), (password, HUB_PASSWORD)):
        path.write_text(text)
        path.chmod(0o600)
    patient = {"id": PATIENT, "hospital": HOSPITAL, "name": NAME, "record_number": "R-77", "age_group": "adult"}
    hospital = {"id": HOSPITAL, "name": "One", "wards": [{"id": "w1", "name": "W", "beds": ["1"]}]}
    registry.write_text(
        toml(
            {
                "hospitals": [hospital],
                "patients": [patient | {"ward": "w1", "bed": "1"}],
                "gateways": [{"id": "gw-1", "hospital": HOSPITAL}],
            }
        )
    )
    content = {
        "database_url": f"sqlite+aiosqlite:///{folder}/record.sqlite3",
        "redis_url": redis.url,
        "registry_file": str(registry),
        "mqtt": {"host": "127.0.0.1", "port": broker.port, "username": "hub", "password_file": str(password)},
        "auth": {"secret_file": str(secret)},
    }
    file = folder / "hub.toml"
    file.write_text(toml(content | changes))
    file.chmod(0o600)
    return file


@contextlib.asynccontextmanager
async def running(file: Path, **environment: str) -> AsyncIterator[RunningHub]:
    """The hub of a file, ready; ended on the way out as an administrator would end it."""
    folder, port = file.parent, free_port()
    process = _started(file, port, environment)
    hub = RunningHub(file=file, folder=folder, port=port, process=process)
    try:
        await eventually(lambda: hub.is_ready() or process.poll() is not None, seconds=START_SECONDS)
        assert process.poll() is None, hub.log
        yield hub
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_SECONDS) == -signal.SIGTERM, hub.log  # uvicorn passes it on


def _started(file: Path, port: int, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    with (file.parent / "log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "bedside", "hub", "--config", str(file), "--port", str(port)],
            stdout=log,
            stderr=log,
            env=without_settings() | environment,
        )
