"""The agent: one outbox, one publisher, one shell a device, in one task group."""

import asyncio
import logging
import random as chance
import time as clocks
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from edge_agent import mqtt, status
from edge_agent.device import Time
from edge_agent.errors import OutboxFault
from edge_agent.outbox import Outbox, OutboxLimits
from edge_agent.publisher import Link, Publisher
from edge_agent.settings import GatewaySettings
from edge_agent.supervisor import Supervisor, check_devices
from edge_agent.tasks import end
from edge_agent.waveforms import WaveformBuffer, WaveformSender

logger = logging.getLogger(__name__)

STATUS_SECONDS: Final = 1.0
STATUS_SHARE: Final = 0.02
"""Of the time at most this may go into counting a large outbox."""
EXPIRY_SECONDS: Final = 60.0
OUTBOX_FILE: Final = "outbox.sqlite"


def _now() -> datetime:
    return datetime.now(UTC)


REAL_TIME: Final = Time(
    clock=_now,
    monotonic=clocks.monotonic,
    random=chance.SystemRandom().random,
    sleep=asyncio.sleep,
)


async def run(settings: GatewaySettings, *, stop: asyncio.Event, time: Time = REAL_TIME) -> None:
    """Run until `stop` is set. Raises InvalidSettings, and OutboxFault when the outbox can't be opened; nothing else ends it.

    On the way out each device's disconnection is committed, the hub is told that the gateway is offline, and what is unsent stays
    in the outbox.
    """
    check_devices(settings)
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    async with _outbox(settings, time) as outbox:
        waveforms = WaveformBuffer()
        publisher = _publisher(settings, outbox, waveforms, time)
        supervisor = Supervisor(
            settings.devices, outbox, time=time, waveforms=waveforms, allow_inflation=settings.allow_inflation
        )
        logger.info("gateway %s: %d devices, outbox epoch %s", settings.gateway_id, len(settings.devices), outbox.epoch)
        async with asyncio.TaskGroup() as tasks:
            publishing = tasks.create_task(publisher.run(), name="publisher")
            reporting = tasks.create_task(
                _report(settings, outbox, publisher, supervisor, waveforms, time), name="status"
            )
            expiring = tasks.create_task(_expire(outbox, time), name="outbox-expiry")
            supervising = tasks.create_task(supervisor.run(), name="devices")
            await stop.wait()
            await end(supervising)
            await end(publishing, reporting, expiring)


@asynccontextmanager
async def _outbox(settings: GatewaySettings, time: Time) -> AsyncIterator[Outbox]:
    limits = OutboxLimits(
        max_bytes=settings.outbox.max_bytes,
        keep_acknowledged_seconds=settings.outbox.keep_acknowledged_hours * 3600,
    )
    outbox = await Outbox.open(settings.state_dir / OUTBOX_FILE, clock=time.clock, limits=limits)
    try:
        yield outbox
    finally:
        await outbox.close()


def _publisher(settings: GatewaySettings, outbox: Outbox, waveforms: WaveformBuffer, time: Time) -> Publisher:
    def connect(will: mqtt.Will) -> AbstractAsyncContextManager[Link]:
        return mqtt.connect(settings.mqtt, gateway=settings.gateway_id, will=will)

    return Publisher(
        outbox,
        gateway=settings.gateway_id,
        connect=connect,
        clock=time.clock,
        monotonic=time.monotonic,
        random=time.random,
        sleep=time.sleep,
        backlog_entries_per_second=settings.outbox.backlog_entries_per_second,
        waveforms=WaveformSender(
            waveforms,
            gateway=settings.gateway_id,
            clock=time.clock,
            sleep=time.sleep,
            bytes_per_second=settings.waveforms.max_bytes_per_second,
        ),
        version=_version(),
    )


async def _report(
    settings: GatewaySettings,
    outbox: Outbox,
    publisher: Publisher,
    supervisor: Supervisor,
    waveforms: WaveformBuffer,
    time: Time,
) -> None:
    failed = False
    while True:
        began = time.monotonic()
        report = await status.gather(
            gateway_id=settings.gateway_id,
            version=_version(),
            now=time.clock(),
            outbox=outbox,
            link=publisher.status,
            devices=supervisor.statuses,
            waveforms=waveforms.counts,
        )
        try:
            status.write(report, settings.state_dir)
            failed = False
        except OSError as error:
            if not failed:
                logger.warning("status file in %s can't be written: %s", settings.state_dir, error.strerror)
            failed = True
        await time.sleep(max(STATUS_SECONDS, (time.monotonic() - began) / STATUS_SHARE))


async def _expire(outbox: Outbox, time: Time) -> None:
    while True:
        try:
            while await outbox.expire():
                pass
        except OutboxFault:
            logger.debug("outbox: expiry waits for the disk")
        await time.sleep(EXPIRY_SECONDS)


def _version() -> str:
    try:
        return version("bedside")
    except PackageNotFoundError:
        return ""
