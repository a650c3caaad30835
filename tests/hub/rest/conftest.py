"""The whole hub in one process: real SQLite, Redis and Mosquitto, its registry from a file."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets

from bedside.services.mosquitto import Mosquitto
from bedside.services.redis import Redis
from hub.auth.tokens import mint, new_secret
from hub.components import open_components
from hub.limits import Limits
from hub.settings import AuthSettings, HubSettings, MqttSettings
from tests.conftest import HUB_PASSWORD
from tests.support.hub import HOSPITAL, PATIENT, WAIT_SECONDS, serving
from tests.support.net import free_port
from vitals.identifiers import SYSTEM

REGISTRY = f"""
[[hospitals]]
id = "{HOSPITAL}"
name = "General"
zone = "Europe/Vienna"
wards = [{{id = "w1", name = "Ward", beds = ["1", "2"]}}]

[[patients]]
id = "{PATIENT}"
hospital = "{HOSPITAL}"
name = "Nobody Real"
record_number = "0001"
age_group = "adult"
ward = "w1"
bed = "1"

[[patients]]
id = "waiting"
hospital = "{HOSPITAL}"
name = "Somebody Else"
record_number = "0002"
age_group = "adult"

[[gateways]]
id = "gw-1"
hospital = "{HOSPITAL}"

[[devices]]
type = "blood_pressure_monitor"
id = "cuff-1"
gateway = "gw-1"
patient = "{PATIENT}"

[[devices]]
type = "pulse_oximeter"
id = "oximeter-1"
gateway = "gw-1"
patient = "{PATIENT}"

[[devices]]
type = "thermometer"
id = "spare-1"
gateway = "gw-1"
"""


@dataclass(kw_only=True)
class WholeHub:
    settings: HubSettings
    secret: bytes
    app: Any
    http: httpx.AsyncClient

    def headers(self, role: str = "clinician", **scope: Any) -> dict[str, str]:
        scope = scope or {"hospitals": [HOSPITAL]}
        token = mint(self.secret, subject=role, role=role, ttl=timedelta(hours=1), now=datetime.now(UTC), **scope)
        return {"Authorization": f"Bearer {token}"}

    def connect(self, path: str, role: str = "clinician", **scope: Any) -> Any:
        url = f"ws://127.0.0.1:{self.settings.port}{path}"
        return websockets.connect(url, additional_headers=self.headers(role, **scope), compression=None)

    async def post(self, path: str, body: object, role: str = "clinician", **scope: Any) -> httpx.Response:
        return await self.http.post(path, json=body, headers=self.headers(role, **scope))

    async def get(self, path: str, role: str = "clinician", **scope: Any) -> httpx.Response:
        return await self.http.get(path, headers=self.headers(role, **scope))


@contextlib.asynccontextmanager
async def whole_hub(
    folder: Path, redis: Redis, mosquitto: Mosquitto, *, registry: str = REGISTRY, **limits: Any
) -> AsyncIterator[WholeHub]:
    secret = new_secret()
    files = {"secret": secret, "password": HUB_PASSWORD.encode(), "registry.toml": registry.encode()}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    settings = HubSettings(
        database_url=f"sqlite+aiosqlite:///{folder / 'record.sqlite3'}",
        auth=AuthSettings(secret_file=folder / "secret"),
        port=free_port(),
        redis_url=redis.url,
        mqtt=MqttSettings(port=mosquitto.port, username="hub", password_file=folder / "password"),
        registry_file=folder / "registry.toml",
        limits=Limits(**limits),
    )
    async with serving(settings, open_components) as (app, http):
        hub = WholeHub(settings=settings, secret=secret, app=app, http=http)
        async with asyncio.timeout(WAIT_SECONDS):
            while not (await ready(http) and await published(app)):  # noqa: ASYNC110 - no event crosses
                await asyncio.sleep(0.02)
        yield hub


async def published(app: Any) -> bool:
    """Whether ingest is alive and every hospital's rooms have an epoch, so that all of them can be followed."""
    rooms, hospitals = app.state.live.rooms, (SYSTEM, *await app.state.components.registry.hospital_ids())
    return app.state.components.ingest_alive() and all([await rooms.top(hospital) for hospital in hospitals])


async def ready(http: httpx.AsyncClient) -> bool:
    return (await http.get("/health/ready")).status_code == 200


@pytest.fixture
async def hub(tmp_path: Path, redis_server: Redis, mosquitto_server: Mosquitto) -> AsyncIterator[WholeHub]:
    async with whole_hub(tmp_path, redis_server, mosquitto_server) as running:
        yield running
