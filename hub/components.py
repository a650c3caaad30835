"""Opens what a hub process is made of by its settings: record, registry file, ingest."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

from hub.agreement import check_agreement
from hub.alerts.rules import load_rules
from hub.errors import ConfigurationError
from hub.ingest.ingest import Ingest
from hub.record.latest import Latest
from hub.record.record import Record
from hub.record.sole import SOLE_OWNER, alone_with
from hub.registry_file import apply_registry, load_registry
from hub.rest.components import Components
from hub.rooms.rooms import Rooms
from hub.settings import HubSettings, Role
from hub.tasks import vital
from vitals.identifiers import SYSTEM

ALIVE_SECONDS: Final = 10
"""How old an owner's last certain moment may be while ingest still counts as alive."""


def _now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def open_components(settings: HubSettings, rooms: Rooms) -> AsyncIterator[Components]:
    """The components of one process. Raises ConfigurationError, RecordUnavailable or BrokerUnavailable."""
    if settings.role is not Role.ALL and settings.database_url.startswith("sqlite"):
        raise ConfigurationError("role: ingest and serve scale apart only on PostgreSQL; SQLite needs role all")
    rules = load_rules(settings.rules_file)
    registry = load_registry(settings.registry_file) if settings.registry_file else None
    record = await Record.open(settings.database_url, clock=_now)
    try:
        with alone_with(record.engine):
            if registry is not None:
                await apply_registry(record.engine, registry)
            ingest = None
            if settings.role is not Role.SERVE:
                ingest = Ingest(
                    record,
                    rooms,
                    settings.mqtt,
                    rules,
                    name=SOLE_OWNER if record.engine.is_sqlite else f"hub-{secrets.token_hex(6)}",
                    new_id=lambda: secrets.token_hex(12),
                )
            async with _running(ingest):
                yield Components(
                    registry=record.registry,
                    inbox=record.inbox,
                    device_data=record,
                    latest=Latest(record.engine),
                    access=record.access,
                    checks={
                        "record": record.ping,
                        "redis": rooms.ping,
                        "record_epoch": lambda: _check_agreement(record, rooms),
                    },
                    ingest_alive=lambda: ingest is None or _alive(ingest),
                    judged_at=lambda: ingest.alive_at if ingest else None,
                    intake=ingest,
                    record_pool=record.engine.pool_use,
                )
    finally:
        await record.close()


@asynccontextmanager
async def _running(ingest: Ingest | None) -> AsyncIterator[None]:
    if ingest is None:
        yield
        return
    task = vital(ingest.run(), name="ingest")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _check_agreement(record: Record, rooms: Rooms) -> None:
    await check_agreement(record.engine, rooms, [*await record.registry.hospital_ids(), SYSTEM])


def _alive(ingest: Ingest) -> bool:
    alive_at = ingest.alive_at
    return ingest.broker_connected and alive_at is not None and _now() - alive_at < timedelta(seconds=ALIVE_SECONDS)
