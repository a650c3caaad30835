"""The record's front door: open it, ask its registry, put requests into its inbox, read device data."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import select

from hub.record.access import AccessRecord
from hub.record.engine import Engine
from hub.record.inbox import Inbox
from hub.record.migrate import migrate
from hub.record.registry import Registry
from hub.record.schema import readings
from vitals.identifiers import DeviceKey, HospitalId


class Record:
    """One open database. Everything raises RecordUnavailable while it does not answer."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime]) -> None:
        self.engine = engine
        self.clock = clock
        self.registry = Registry(engine)
        self.inbox = Inbox(engine, clock)
        self.access = AccessRecord(engine, clock, self.inbox)

    @classmethod
    async def open(cls, database_url: str, *, clock: Callable[[], datetime]) -> "Record":
        """Connect, and bring the schema up to date. Raises ConfigurationError for an address or a schema that is not ours."""
        engine = Engine(database_url)
        try:
            await migrate(engine)
        except BaseException:
            await engine.close()
            raise
        return cls(engine, clock)

    async def close(self) -> None:
        await self.engine.close()

    async def ping(self) -> None:
        """Nothing, when the database answers."""
        async with self.engine.reading() as connection:
            await connection.execute(select(1))

    async def device_data(
        self, device: DeviceKey, *, since: datetime | None = None, until: datetime | None = None, limit: int = 100
    ) -> list[dict[str, Any]]:
        """Rows of a device's readings that are not withdrawn, newest first; a corrected reading is there as it stands now."""
        corrected = select(readings.c.replaces).where(readings.c.replaces.is_not(None))
        query = select(readings).where(
            readings.c.device_type == device.device_type.value,
            readings.c.device_id == device.device_id,
            readings.c.withdrawn.is_(None),
            readings.c.reading_id.not_in(corrected),
        )
        if since is not None:
            query = query.where(readings.c.measured >= since)
        if until is not None:
            query = query.where(readings.c.measured < until)
        async with self.engine.reading() as connection:
            found = await connection.execute(query.order_by(readings.c.measured.desc()).limit(limit))
            return [dict(row) for row in found.mappings()]

    async def reading_id(self, hospital_id: HospitalId, n: int) -> int:
        """The id of the reading whose device data is the hospital's message N. There must be one."""
        query = select(readings.c.reading_id).where(readings.c.hospital_id == hospital_id, readings.c.n_data == n)
        async with self.engine.reading() as connection:
            return int((await connection.execute(query)).scalar_one())

    async def reading(self, reading_id: int) -> dict[str, Any] | None:
        """One row of `readings`, whatever became of it."""
        async with self.engine.reading() as connection:
            row = (await connection.execute(select(readings).where(readings.c.reading_id == reading_id))).mappings()
            found = row.one_or_none()
        return None if found is None else dict(found)
