"""A hub that does everything, on any kind of Redis, with a gateway that measures and a client that watches."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import websockets

from bedside.services.process import Service
from hub.auth.tokens import mint, new_secret
from hub.components import open_components
from hub.limits import Limits
from hub.record.record import Record
from hub.registry_file import apply_registry
from hub.settings import AuthSettings, HubSettings, MqttSettings, RedisSettings
from tests.conftest import HUB_PASSWORD
from tests.hub.ingest.support import HOSPITAL, PATIENT, REGISTRY, Gateway, entries, gateway, now, pressure
from tests.support.hub import serving
from tests.support.net import free_port
from tests.support.waiting import eventually

WAIT_SECONDS = 30
VITALS = f"patient:{PATIENT}:vitals"
STREAM = f"bedside:{{{HOSPITAL}}}:stream"
QUICK = Limits(retry_seconds=0.2, canary_seconds=1)


@dataclass(frozen=True, kw_only=True)
class Watched:
    """`client` watches the patient's vitals, `nurse` sends readings."""

    client: Any
    nurse: Gateway


@contextlib.asynccontextmanager
async def watched_hub(
    folder: Path, database_url: str, redis: RedisSettings, broker_port: int, limits: Limits = QUICK
) -> AsyncIterator[Watched]:
    """All of it, the client subscribed."""
    password, secret_file = folder / "hub-password", folder / "secret"
    password.write_text(HUB_PASSWORD)
    secret_file.write_bytes(secret := new_secret())
    record = await Record.open(database_url, clock=now)
    await apply_registry(record.engine, REGISTRY)
    await record.close()
    settings = HubSettings(
        database_url=database_url,
        auth=AuthSettings(secret_file=secret_file),
        port=free_port(),
        redis=redis,
        mqtt=MqttSettings(port=broker_port, username="hub", password_file=password),
        limits=limits,
    )
    token = mint(
        secret, subject="n", role="clinician", hospitals=[HOSPITAL], ttl=timedelta(hours=1), now=datetime.now(UTC)
    )
    address = f"ws://127.0.0.1:{settings.port}/realtime/ws"
    async with serving(settings, open_components) as (app, _):
        await asyncio.wait_for(app.state.live.feed.wait_healthy(), WAIT_SECONDS)
        connecting = websockets.connect(address, additional_headers={"Authorization": f"Bearer {token}"})
        async with connecting as client, gateway(broker_port) as nurse:
            await subscribed(client)
            yield Watched(client=client, nurse=nurse)


async def subscribed(client: Any) -> None:
    """The owner may still be about to begin the rooms' epoch."""

    async def holds() -> bool:
        await client.send(msgspec.json.encode({"type": "subscribe", "room": VITALS}).decode())
        answer = await message(client)
        return answer.get("status") == "subscribed"

    await eventually(holds, seconds=WAIT_SECONDS)


async def message(client: Any) -> dict[str, Any]:
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            told = msgspec.json.decode(await client.recv())
            if told["type"] not in ("ping", "pong"):
                return told


async def measured(nurse: Gateway, count: int, *, at: int, then: Callable[[], None]) -> None:
    """Send `count` readings with a systolic pressure of 1, 2, 3 … (never alarming); after `at` of them, `then` is done."""
    for number in range(1, count + 1):
        await nurse.send(*entries([pressure(number, 1)], first=number))
        await nurse.acknowledgement()
        if number == at:
            await asyncio.to_thread(then)


async def seen(client: Any, count: int) -> list[int]:
    """The systolic pressures that the client is shown, in order, up to the `count`th; fails where it is told of a gap."""
    pressures: list[int] = []
    while not pressures or pressures[-1] < count:
        told = await message(client)
        assert told["type"] == "vitals_update", told
        pressures.append(told["data"]["blood_pressure"]["systolic"])
    return pressures


@contextlib.asynccontextmanager
async def hanging(service: Service) -> AsyncIterator[None]:
    """It stands still, for certain; nobody is told."""
    assert service.process is not None
    pid = service.process.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        await eventually(lambda: _state_of(pid) == "T")
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _state_of(pid: int) -> str:
    """The third field of /proc/PID/stat (proc(5))."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
