"""Whether rooms and record are of the same life of the database: detects a restore that nobody has told (delivery rule 5)."""

from sqlalchemy import select

from hub.errors import RestoreUntold, RoomsUnavailable
from hub.record.engine import Engine
from hub.record.schema import ownership, record_meta
from hub.rooms.rooms import Rooms


async def check_agreement(engine: Engine, rooms: Rooms, hospitals: list[str]) -> None:
    """Raises RestoreUntold where rooms have published more than the record has committed. Rooms are read first: a record only grows.

    Where Redis does not answer there is nothing to compare.
    """
    try:
        tops = {hospital_id: await rooms.top(hospital_id) for hospital_id in hospitals}
    except RoomsUnavailable:
        return
    async with engine.reading() as connection:
        record_epoch: int = (await connection.execute(select(record_meta.c.record_epoch))).scalar_one()
        rows = await connection.execute(select(ownership.c.hospital_id, ownership.c.n))
        committed = {row.hospital_id: row.n for row in rows}
    for hospital_id, top in tops.items():
        if top is not None and (top.record_epoch, top.n) > (record_epoch, committed.get(hospital_id, 0)):
            raise RestoreUntold(f"the rooms of {hospital_id} are ahead of the record; was the database restored?")
