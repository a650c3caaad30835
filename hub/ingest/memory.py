"""What an owner keeps in memory: loaded after its token is won, and again after a failed or unknown commit (delivery rule 12)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.alerts.judging import Episode, Judge
from hub.alerts.rules import Rule
from hub.ingest.newest import Newest
from hub.record.publications import device_key
from hub.record.registry import Placement, load_placement
from hub.record.schema import devices, episodes, gateways, wards
from vitals.identifiers import DeviceKey, GatewayId, HospitalId, WardId


@dataclass(slots=True, kw_only=True)
class Memory:
    """One hospital's registry, alert state, newest measurements and due announcements, as of the owner's last transaction."""

    hospital_id: HospitalId
    placement: Placement
    judge: Judge
    gateways: frozenset[GatewayId]
    ward_ids: tuple[WardId, ...]
    newest: Newest
    status_due: dict[DeviceKey, datetime]


async def load_memory(
    connection: AsyncConnection,
    hospital_id: HospitalId,
    rules: Sequence[Rule],
    newest: Newest,
    new_id: Callable[[], str],
) -> Memory:
    """Everything, as of this transaction."""
    columns = [episodes.c[name] for name in Episode.__struct_fields__]
    found = await connection.execute(
        select(*columns).where(episodes.c.hospital_id == hospital_id, episodes.c.ended.is_(None))
    )
    known = await connection.execute(select(gateways.c.gateway_id).where(gateways.c.hospital_id == hospital_id))
    ward_ids = await connection.execute(
        select(wards.c.ward_id).where(wards.c.hospital_id == hospital_id).order_by(wards.c.ward_id)
    )
    return Memory(
        hospital_id=hospital_id,
        placement=await load_placement(connection, hospital_id),
        judge=Judge(rules, [Episode(**row) for row in found.mappings()], new_id),
        gateways=frozenset(known.scalars()),
        ward_ids=tuple(ward_ids.scalars()),
        newest=newest,
        status_due=await _load_status_due(connection, hospital_id),
    )


async def _load_status_due(connection: AsyncConnection, hospital_id: HospitalId) -> dict[DeviceKey, datetime]:
    """The devices whose status is to be announced, and when."""
    waiting = devices.c.hospital_id == hospital_id, devices.c.status_due.is_not(None)
    found = await connection.execute(select(devices).where(*waiting))
    return {device_key(row): row["status_due"] for row in found.mappings()}
