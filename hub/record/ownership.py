"""The fenced lease: one owner a hospital, checked and locked in every transaction that writes for it.

The lease row also holds the hospital's publication sequence N, so that advancing it and checking the right to do so are one
thing. Time is the database's. Taking over needs the row's lock, which an older owner's open transaction holds; the server's
time-outs end that transaction (delivery rules 5, 11 and 13).
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import bindparam, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.errors import Fenced
from hub.publication import Fence
from hub.record.engine import Engine
from hub.record.schema import ownership, record_meta
from vitals.identifiers import HospitalId

_IS_OURS: Final = ownership.c.hospital_id == bindparam("hospital")
_LOCKED: Final = select(ownership).where(_IS_OURS).with_for_update()
_ADVANCE: Final = (
    update(ownership)
    .where(_IS_OURS)
    .values(n=bindparam("n"), published_through=bindparam("published_through"), lease_ends=bindparam("lease_ends"))
)
"""Statements of every transaction, made once: to build one costs as much as to run it."""
_FIRST_ROW: Final = text(f"{insert(ownership)} ON CONFLICT DO NOTHING")


class Tenure:
    """An owner's transaction: the right to write, and the N to go on from. Set `n` (and `published_through`) before it ends."""

    def __init__(self, connection: AsyncConnection, *, n: int, now: float) -> None:
        self.connection = connection
        self.n = n
        self.now = datetime.fromtimestamp(now, UTC)
        self.published_through: int | None = None


class Lease:
    """One process's hold on one hospital. Raises Fenced as soon as another has taken over; then only `take` helps."""

    def __init__(self, engine: Engine, hospital_id: HospitalId, *, owner: str, seconds: float) -> None:
        self._engine = engine
        self._hospital_id = hospital_id
        self._owner = owner
        self._seconds = seconds
        self._fence: Fence | None = None
        self._key = {"hospital": hospital_id}
        self._epoch_and_now = select(record_meta.c.record_epoch, engine.clock)

    @property
    def fence(self) -> Fence:
        """The right to write as last confirmed. Raises Fenced where there is none."""
        if self._fence is None:
            raise Fenced(f"this process does not own {self._hospital_id}")
        return self._fence

    @property
    def is_held(self) -> bool:
        """Whether it was held when last looked at."""
        return self._fence is not None

    async def take(self) -> bool:
        """Win the lease with a new token if it is free, ended or our own; False while another holds it."""
        async with self._engine.writing() as connection:
            await _ensure_row(connection, self._hospital_id)
            row = (await connection.execute(_LOCKED, self._key)).one()
            record_epoch, now = (await connection.execute(self._epoch_and_now)).one()
            if row.lease_ends > now and row.owner not in ("", self._owner):
                return False
            token = row.token + 1
            ends = float(now) + self._seconds
            await connection.execute(
                update(ownership)
                .where(ownership.c.hospital_id == self._hospital_id)
                .values(token=token, owner=self._owner, lease_ends=ends)
            )
        self._fence = Fence(record_epoch=record_epoch, token=token, lease_ends=datetime.fromtimestamp(ends, UTC))
        return True

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Tenure]:
        """A fenced transaction: the row stays locked from the check to the commit, and the lease is renewed by it."""
        fence = self.fence
        async with self._engine.writing() as connection:
            row = (await connection.execute(_LOCKED, self._key)).one()  # delivery rule 11
            record_epoch, now = (await connection.execute(self._epoch_and_now)).one()
            if (record_epoch, row.token) != (fence.record_epoch, fence.token):  # delivery rule 5
                self._fence = None
                raise Fenced(f"another owner has taken over {self._hospital_id}")
            tenure = Tenure(connection, n=row.n, now=float(now))
            yield tenure
            if tenure.n < row.n:
                raise ValueError(f"N of {self._hospital_id} would go back from {row.n} to {tenure.n}")
            through = max(tenure.published_through or 0, row.published_through)
            ends = float(now) + self._seconds
            advanced = {"n": tenure.n, "published_through": through, "lease_ends": ends}
            await connection.execute(_ADVANCE, self._key | advanced)
        self._fence = Fence(
            record_epoch=fence.record_epoch, token=fence.token, lease_ends=datetime.fromtimestamp(ends, UTC)
        )

    async def release(self) -> None:
        """Let the next owner in at once."""
        if self._fence is None:
            return
        async with self._engine.writing() as connection:
            await connection.execute(
                update(ownership)
                .where(ownership.c.hospital_id == self._hospital_id, ownership.c.token == self._fence.token)
                .values(owner="", lease_ends=0.0)
            )
        self._fence = None


async def standing(engine: Engine, hospital_id: HospitalId) -> tuple[int, int]:
    """N as committed, and the N up to which publication is confirmed."""
    async with engine.reading() as connection:
        row = (
            await connection.execute(
                select(ownership.c.n, ownership.c.published_through).where(ownership.c.hospital_id == hospital_id)
            )
        ).one_or_none()
    return (row.n, row.published_through) if row else (0, 0)


async def _ensure_row(connection: AsyncConnection, hospital_id: HospitalId) -> None:
    """The hospital's row, also where another process makes it at the same moment."""
    first = {"hospital_id": hospital_id, "token": 0, "owner": "", "lease_ends": 0.0, "n": 0, "published_through": 0}
    await connection.execute(_FIRST_ROW, first)
