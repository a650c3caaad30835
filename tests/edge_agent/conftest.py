"""Fixtures of the agent's tests."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bedside.services.mosquitto import Mosquitto
from edge_agent.mqtt import Will, connect
from edge_agent.outbox import Outbox
from edge_agent.publisher import Link, Publisher
from edge_agent.settings import MqttSettings
from edge_agent.tasks import end
from edge_agent.waveforms import WaveformSender
from tests.conftest import GATEWAY_PASSWORD, GATEWAYS
from tests.edge_agent.hub import Hub, hub

GATEWAY = GATEWAYS[0]


@pytest.fixture
async def outbox(tmp_path: Path) -> AsyncIterator[Outbox]:
    opened = await Outbox.open(tmp_path / "outbox.sqlite", clock=lambda: datetime.now(UTC))
    yield opened
    await opened.close()


@pytest.fixture
def mqtt_settings(mosquitto_server: Mosquitto, tmp_path: Path) -> MqttSettings:
    password_file = tmp_path / "password"
    password_file.write_text(GATEWAY_PASSWORD)
    return MqttSettings(port=mosquitto_server.port, username=GATEWAY, password_file=password_file)


@pytest.fixture
async def road(mosquitto_server: Mosquitto) -> AsyncIterator[Hub]:
    async with hub(mosquitto_server.port) as running:
        yield running


Publish = Callable[..., AbstractAsyncContextManager[Publisher]]


@pytest.fixture
def publish(mqtt_settings: MqttSettings) -> Publish:
    """Runs a publisher for an outbox, as long as the context lasts."""

    @asynccontextmanager
    async def running(
        outbox: Outbox,
        *,
        settings: MqttSettings = mqtt_settings,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        rate: float = 1e6,
        waveforms: WaveformSender | None = None,
    ) -> AsyncIterator[Publisher]:
        def connection(will: Will) -> AbstractAsyncContextManager[Link]:
            return connect(settings, gateway=GATEWAY, will=will)

        publisher = Publisher(
            outbox,
            gateway=GATEWAY,
            connect=connection,
            clock=lambda: datetime.now(UTC),
            monotonic=monotonic,
            random=lambda: 0.5,
            sleep=sleep,
            backlog_entries_per_second=rate,
            waveforms=waveforms,
        )
        task = asyncio.create_task(publisher.run(), name="publisher")
        try:
            yield publisher
        finally:
            await end(task)

    return running
