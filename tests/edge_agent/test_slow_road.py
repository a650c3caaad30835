"""A reading on a road that is too slow for the waveforms beside it: a real broker behind a line of twenty kilobytes a second."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import msgspec
import pytest

from edge_agent.outbox import Outbox
from edge_agent.settings import MqttSettings
from edge_agent.tasks import end
from edge_agent.waveforms import BATCH_BYTES, UNSENT_BYTES, WaveformBuffer, WaveformSender
from tests.edge_agent.conftest import GATEWAY, Publish
from tests.edge_agent.hub import Hub
from tests.edge_agent.samples import reading
from tests.support.waiting import eventually
from vitals.identifiers import DeviceKey, DeviceType
from vitals.waveforms import SampleChunk, Signal

pytestmark = pytest.mark.slow

BYTES_PER_SECOND = 20_000
SOCKET_BYTES = 4096
"""Of the line's own end: what waits there has been confirmed, and counts as arrived."""
WORST_SECONDS = 8.0
"""What may be on the way takes three; what the system's buffers would hold by then takes fifteen."""
DEVICES = [DeviceKey(device_type=DeviceType.PULSE_OXIMETER, device_id=f"ox-{n}") for n in range(32)]


@contextlib.asynccontextmanager
async def slow_line(to_port: int) -> AsyncIterator[int]:
    """A port that leads to another at so many bytes a second; answers come back at once."""

    conversations: set[asyncio.Task[None]] = set()

    def began(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversations.add(asyncio.create_task(_conversation(reader, writer, to_port)))

    listening = socket.create_server(("127.0.0.1", 0))
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BYTES)
    server = await asyncio.start_server(began, sock=listening, limit=SOCKET_BYTES)
    try:
        yield listening.getsockname()[1]
    finally:
        server.close()
        await end(*conversations)


async def _conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, to_port: int) -> None:
    broker_reader, broker_writer = await asyncio.open_connection("127.0.0.1", to_port)
    back = asyncio.create_task(_copied(broker_reader, writer, None))
    try:
        await _copied(reader, broker_writer, BYTES_PER_SECOND)
    finally:
        await end(back)
        for each in (writer, broker_writer):
            each.close()
            with contextlib.suppress(ConnectionError):
                await each.wait_closed()


async def _copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, rate: int | None) -> None:
    with contextlib.suppress(ConnectionError):
        while some := await reader.read(512):
            writer.write(some)
            await writer.drain()
            if rate:
                await asyncio.sleep(len(some) / rate)


async def _draw(buffer: WaveformBuffer) -> None:
    """Every device samples as fast as it may, far more than the line takes."""
    while True:
        for device in DEVICES:
            buffer.offer(
                SampleChunk(
                    device=device,
                    signal=Signal.PLETHYSMOGRAM,
                    started=datetime.now(UTC),
                    rate_hz=1000.0,
                    low=0,
                    high=65535,
                    samples=(40_000,) * 500,
                )
            )
        await asyncio.sleep(0.5)


async def test_a_reading_waits_for_no_more_than_what_may_be_on_the_way(
    outbox: Outbox, road: Hub, publish: Publish, mqtt_settings: MqttSettings
):
    """No reading was sent before it, by whose slow answer the road could be known for a slow one."""
    buffer = WaveformBuffer()
    sender = WaveformSender(
        buffer, gateway=GATEWAY, clock=lambda: datetime.now(UTC), sleep=asyncio.sleep, bytes_per_second=1e9
    )
    loop = asyncio.get_running_loop()
    async with slow_line(mqtt_settings.port) as port:
        settings = msgspec.structs.replace(mqtt_settings, port=port)
        async with publish(outbox, settings=settings, waveforms=sender) as publisher:
            await road.until(lambda hub: hub.entries)  # the outbox's start
            drawing = asyncio.create_task(_draw(buffer))
            try:
                enough = (UNSENT_BYTES + BATCH_BYTES) * 3 / 2
                await road.until(lambda hub: sum(len(chunk.samples) * 6 for chunk in hub.chunks) > enough)
                began = loop.time()
                await outbox.commit(reading())
                await road.until(lambda hub: hub.readings)
                waited = loop.time() - began
                await eventually(lambda: publisher.status.batches_unacknowledged == 0, seconds=30)
            finally:
                drawing.cancel()
                await asyncio.gather(drawing, return_exceptions=True)
    assert waited < WORST_SECONDS
    assert sum(counts.dropped for counts in sender.counts.values()) > 0
