"""What an owner keeps in memory: loaded after its token is won, and again after a failed or unknown commit (delivery rule 12)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.alerts.judging import Episode, Judge
from hub.alerts.rules import Rule
from hub.record.registry import Placement, load_placement
from hub.record.schema import episodes, gateways, wards
from vitals.identifiers import DeviceKey, GatewayId, HospitalId, WardId
from vitals.parameters import Vital


@dataclass(slots=True, kw_only=True)
class Memory:
    """One hospital's registry, alert state and newest measurements, as of the owner's last transaction."""

    hospital_id: HospitalId
    placement: Placement
    judge: Judge
    gateways: frozenset[GatewayId]
    ward_ids: tuple[WardId, ...]
    newest: dict[tuple[DeviceKey, Vital], datetime] = field(default_factory=dict)

    def supersedes(self, device: DeviceKey, data_type: Vital, measured: datetime) -> bool:
        """Whether nothing newer of the same device has been taken; then this is the newest."""
        known = self.newest.get((device, data_type))
        if known is not None and known > measured:
            return False
        self.newest[device, data_type] = measured
        return True


async def load_memory(
    connection: AsyncConnection, hospital_id: HospitalId, rules: Sequence[Rule], new_id: Callable[[], str]
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
    )
