"""A restored database, or one that failed over and may have lost commits, begins a new record epoch before any owner starts.

Its N, its acknowledgements and its leases are those of an earlier time: what was published and acknowledged since is not in it. The
new epoch tells rooms to begin anew and gateways to send again what they keep (delivery rules 5 to 8).
"""

from sqlalchemy import select, update

from hub.errors import Conflict
from hub.record.engine import Engine
from hub.record.schema import ownership, record_meta

RESTORED = "restored"
"""Who holds every lease right after: nobody, until an owner of the time before must have noticed (delivery rule 21)."""


async def begin_record_epoch(engine: Engine, *, lease_seconds: float) -> tuple[int, int]:
    """Raise the record epoch; the one before and the new one. Raises Conflict while a hospital has an owner.

    The new one is the database's time in seconds, so that two restores of the same backup never begin the same epoch. No
    owner can start for `lease_seconds`, and none that still runs may write any more.
    """
    async with engine.writing_alone() as connection:
        now = await engine.now(connection)
        held = await connection.execute(
            select(ownership.c.hospital_id).where(
                ownership.c.owner.not_in(("", RESTORED)), ownership.c.lease_ends > now
            )
        )
        if owned := sorted(held.scalars()):
            raise Conflict(
                f"a hub still owns {', '.join(owned[:5])}: stop every hub, wait for its leases to end, try again"
            )
        before: int = (await connection.execute(select(record_meta.c.record_epoch))).scalar_one()
        after = max(before + 1, int(now))
        await connection.execute(update(record_meta).values(record_epoch=after))  # delivery rule 5
        await connection.execute(
            update(ownership).values(  # delivery rule 21
                token=ownership.c.token + 1, owner=RESTORED, lease_ends=now + lease_seconds
            )
        )
    return before, after
