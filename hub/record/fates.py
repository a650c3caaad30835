"""The fate of every entry of an outbox: committed, rejected or lost; one row an outbox epoch, written with the entries.

The row is the only guard against repeats (delivery rule 10): readings have no unique key of their own, because a partitioned
table could not have one.
"""

from collections.abc import Iterable
from typing import Final

import msgspec
from sqlalchemy import and_, bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.record.schema import outbox_fates
from vitals.envelope import Range, Rejection, RejectionReason
from vitals.identifiers import GatewayId, OutboxEpoch

_decode_ranges = msgspec.json.Decoder(list[Range]).decode
_decode_rejected = msgspec.json.Decoder(dict[int, RejectionReason]).decode
_encode = msgspec.json.Encoder().encode

_IS_IT: Final = and_(
    outbox_fates.c.gateway_id == bindparam("gateway"), outbox_fates.c.outbox_epoch == bindparam("epoch")
)
_LOCKED: Final = select(outbox_fates.c.committed, outbox_fates.c.rejected).where(_IS_IT).with_for_update()
_DECIDE: Final = (
    update(outbox_fates).where(_IS_IT).values(committed=bindparam("committed"), rejected=bindparam("rejected"))
)
"""Statements of every batch, made once: to build one costs as much as to run it."""


class Fates:
    """What is decided of one outbox epoch. Changes are kept in memory until `save`, in the same transaction."""

    def __init__(
        self, gateway_id: GatewayId, epoch: OutboxEpoch, committed: list[Range], rejected: dict[int, RejectionReason]
    ) -> None:
        self.gateway_id = gateway_id
        self.epoch = epoch
        self.committed = committed
        self.rejected = rejected
        self.previous: tuple[OutboxEpoch | None, int] | None = None
        self.new = False
        self.changed = False

    def rejection(self, sequence: int) -> RejectionReason | None:
        """Why the entry was rejected; None where it was not."""
        return self.rejected.get(sequence)

    def is_committed(self, sequence: int) -> bool:
        """Whether the entry, or its tombstone, is recorded."""
        return any(first <= sequence <= last for first, last in reversed(self.committed))

    def commit(self, sequence: int) -> None:
        """Record that the entry is recorded. Sequences mostly come in order, at the end."""
        self.changed = True
        ranges = self.committed
        if ranges and ranges[-1][1] + 1 == sequence:
            ranges[-1] = (ranges[-1][0], sequence)
        else:
            self.committed = _merged([*ranges, (sequence, sequence)])

    def reject(self, sequence: int, reason: RejectionReason) -> None:
        """Set the entry aside for good (delivery rule 9)."""
        self.changed = True
        self.rejected[sequence] = reason

    def rejections(self, sequences: Iterable[int]) -> list[Rejection]:
        """Those of `sequences` that are rejected, as an acknowledgement says it."""
        return [Rejection(sequence=s, reason=self.rejected[s]) for s in sequences if s in self.rejected]

    async def save(self, connection: AsyncConnection) -> None:
        """Write what has changed."""
        if not self.changed:
            return
        values: dict[str, object] = {
            "committed": _encode(self.committed).decode(),
            "rejected": _encode({str(key): value for key, value in self.rejected.items()}).decode(),
        }
        if self.new:
            key = {"gateway_id": self.gateway_id, "outbox_epoch": self.epoch}
            await connection.execute(insert(outbox_fates).values(**key, **values))
        else:
            await connection.execute(_DECIDE, _key(self.gateway_id, self.epoch) | values)
        if self.previous is not None:
            said = {"previous_epoch": self.previous[0], "previous_top": self.previous[1]}
            await connection.execute(
                update(outbox_fates).where(_IS_IT).values(**said), _key(self.gateway_id, self.epoch)
            )


async def load_fates(connection: AsyncConnection, gateway_id: GatewayId, epoch: OutboxEpoch) -> Fates:
    """The fates of one outbox epoch, locked until the transaction ends."""
    row = (await connection.execute(_LOCKED, _key(gateway_id, epoch))).one_or_none()
    if row is None:
        fates = Fates(gateway_id, epoch, [], {})
        fates.new = True
        return fates
    return Fates(gateway_id, epoch, _decode_ranges(row.committed), _decode_rejected(row.rejected))


async def committed_of(connection: AsyncConnection, gateway_id: GatewayId) -> dict[OutboxEpoch, list[Range]]:
    """What a greeting tells a gateway: the committed ranges of each of its outbox epochs."""
    found = await connection.execute(
        select(outbox_fates.c.outbox_epoch, outbox_fates.c.committed).where(outbox_fates.c.gateway_id == gateway_id)
    )
    return {row.outbox_epoch: _decode_ranges(row.committed) for row in found}


def _key(gateway_id: GatewayId, epoch: OutboxEpoch) -> dict[str, object]:
    return {"gateway": gateway_id, "epoch": epoch}


def _merged(ranges: list[Range]) -> list[Range]:
    merged: list[Range] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged
