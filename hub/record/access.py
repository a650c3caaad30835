"""Revocations and break-glass in the record, and the numbered changes by which every node learns of them, and of who has moved.

A change is a row that is written in the transaction of what it tells. Nodes look for new ones by number.
"""

import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.auth.access import Change, ChangeKind, Opening, Revocation
from hub.record.audit import Action, append
from hub.record.engine import Engine
from hub.record.inbox import Inbox, Request, RequestKind
from hub.record.schema import access_changes, openings, revocations
from vitals.envelope import encode
from vitals.events import AdminUpdate, EventName, Scope
from vitals.identifiers import SYSTEM, PatientId

_KEPT_CHANGES: Final = timedelta(days=1)
_TOLD_WITHIN: Final = timedelta(days=1)


async def note_change(connection: AsyncConnection, kind: ChangeKind, *subjects: str, at: datetime) -> None:
    """Tell every node, once this transaction commits, that something has changed."""
    rows = [{"kind": kind.value, "subject": subject, "at": at} for subject in subjects]
    if rows:
        await connection.execute(insert(access_changes), rows)
        await connection.execute(delete(access_changes).where(access_changes.c.at < at - _KEPT_CHANGES))


class AccessRecord:
    """Every method raises RecordUnavailable."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime], inbox: Inbox) -> None:
        self._engine = engine
        self._clock = clock
        self._inbox = inbox

    async def revocations(self) -> Sequence[Revocation]:
        columns = revocations.c.token_id, revocations.c.subject, revocations.c.issued_until
        async with self._engine.reading() as connection:
            found = await connection.execute(select(*columns).where(revocations.c.forget > self._clock()))
            return [Revocation(**row) for row in found.mappings()]

    async def openings(self) -> Sequence[Opening]:
        async with self._engine.reading() as connection:
            found = await connection.execute(select(openings).where(openings.c.ends > self._clock()))
            return [Opening(**row) for row in found.mappings()]

    async def changes(self, after: int) -> Sequence[Change]:
        columns = access_changes.c.change_id, access_changes.c.kind, access_changes.c.subject
        query = select(*columns).where(access_changes.c.change_id > after).order_by(access_changes.c.change_id)
        async with self._engine.reading() as connection:
            found = (await connection.execute(query)).all()
        return [Change(change_id=row.change_id, kind=ChangeKind(row.kind), subject=row.subject) for row in found]

    async def newest_change(self) -> int:
        async with self._engine.reading() as connection:
            return int(await connection.scalar(select(func.max(access_changes.c.change_id))) or 0)

    async def revoke(self, revocation: Revocation, *, author: str, reason: str, forget: datetime) -> None:
        """Take back tokens; by `forget` none of them is good any more."""
        now = self._clock()
        told: dict[str, Any] = {"token_id": revocation.token_id, "subject": revocation.subject, "reason": reason}
        values = {name: getattr(revocation, name) for name in revocation.__struct_fields__}
        async with self._engine.writing() as connection:
            await connection.execute(delete(revocations).where(revocations.c.forget <= now))
            await connection.execute(insert(revocations).values(**values, at=now, forget=forget))
            await append(connection, Action.REVOCATION, author=author, at=now, details=told)
            await note_change(connection, ChangeKind.ACCESS, "", at=now)
            what, which = ("token", revocation.token_id) if revocation.token_id else ("user", revocation.subject)
            await self._tell(connection, what, str(which), "revoked", author, now)
        self._wake()

    async def end_session(self, session: str) -> None:
        """Tell every node that a browser's session has ended."""
        async with self._engine.writing() as connection:
            await note_change(connection, ChangeKind.SESSION, session, at=self._clock())

    async def open_patient(self, opening: Opening) -> None:
        """Open a patient to a user; an opening that they have is replaced. Written to the audit log."""
        told = {
            "opening_id": opening.opening_id,
            "reason": opening.reason,
            "from": opening.starts,
            "until": opening.ends,
        }
        async with self._engine.writing() as connection:
            await _end(connection, opening.subject, opening.patient_id, at=opening.starts, by=opening.subject)
            values = {name: getattr(opening, name) for name in opening.__struct_fields__}
            await connection.execute(insert(openings).values(**values))
            await append(
                connection,
                Action.BREAK_GLASS,
                author=opening.subject,
                at=opening.starts,
                details=told,
                patient_id=opening.patient_id,
            )
            await note_change(connection, ChangeKind.ACCESS, "", at=opening.starts)
            await self._tell(connection, "break_glass", opening.opening_id, "opened", opening.subject, opening.starts)
        self._wake()

    async def close_patient(self, subject: str, patient_id: PatientId, *, author: str) -> str | None:
        """End a user's opening of a patient before its time: its id, or None where there is none. Written to the audit log."""
        now = self._clock()
        async with self._engine.writing() as connection:
            ended = await _end(connection, subject, patient_id, at=now, by=author)
            if ended is None:
                return None
            told = {"opening_id": ended, "subject": subject}
            await append(
                connection, Action.BREAK_GLASS_ENDED, author=author, at=now, details=told, patient_id=patient_id
            )
            await note_change(connection, ChangeKind.ACCESS, "", at=now)
            await self._tell(connection, "break_glass", ended, "ended", author, now)
        self._wake()
        return ended

    def _wake(self) -> None:
        """The owner of system events, where it is of this process; another finds the request within its idle time."""
        self._inbox.wake(SYSTEM)

    async def _tell(
        self, connection: AsyncConnection, what: str, which: str, change: str, by: str, at: datetime
    ) -> None:
        """`admin.update`, as soon as the owner of system events is there; what it tells does not wait for it."""
        data = AdminUpdate(what=what, id=which, change=change, by=by)
        await self._inbox.add(
            connection,
            Request(
                hospital_id=SYSTEM,
                request_key=secrets.token_hex(16),
                kind=RequestKind.ANNOUNCE,
                payload=encode({"event": EventName.ADMIN_UPDATE, "data": data, "scope": Scope()}),
                deadline=at + _TOLD_WITHIN,
            ),
        )


async def _end(
    connection: AsyncConnection, subject: str, patient_id: PatientId, *, at: datetime, by: str
) -> str | None:
    standing = openings.c.subject == subject, openings.c.patient_id == patient_id, openings.c.ends > at
    found: str | None = await connection.scalar(select(openings.c.opening_id).where(*standing))
    if found is not None:
        await connection.execute(update(openings).where(*standing).values(ends=at, ended_by=by))
    return found
