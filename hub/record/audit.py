"""The audit log: who did what, to which patient. Only ever added to: triggers refuse changes, and each entry's digest covers all before it.

The digest is SHA-256 over the digest before and the entry's own JSON, so that a row that was changed, left out or put in between shows.
"""

import hashlib
from datetime import datetime
from enum import StrEnum, unique
from typing import Any, Final

import msgspec
from sqlalchemy import RowMapping, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.record.schema import audit, record_meta
from vitals.identifiers import PatientId

_FIRST: Final = "0" * 64


@unique
class Action(StrEnum):
    BREAK_GLASS = "break_glass"
    BREAK_GLASS_ENDED = "break_glass.ended"
    REVOCATION = "revocation"


async def append(
    connection: AsyncConnection,
    action: Action,
    *,
    author: str,
    at: datetime,
    details: dict[str, Any],
    patient_id: PatientId | None = None,
) -> None:
    """Add an entry, in the transaction of what it tells. Writers wait for each other: the chain has one end."""
    await connection.execute(select(record_meta.c.only_row).with_for_update())
    newest = select(audit.c.digest).order_by(audit.c.audit_id.desc()).limit(1)
    before = await connection.scalar(newest) or _FIRST
    row: dict[str, Any] = {
        "at": at,
        "author": author,
        "action": action.value,
        "patient_id": patient_id,
        "details": msgspec.json.encode(details, order="sorted").decode(),
    }
    await connection.execute(insert(audit).values(**row, digest=_digest(before, row)))


async def first_break(connection: AsyncConnection) -> int | None:
    """The number of the first entry that isn't as it was written, or follows one that is missing; None: the log is whole."""
    before = _FIRST
    for row in (await connection.execute(select(audit).order_by(audit.c.audit_id))).mappings():
        if row["digest"] != _digest(before, row):
            return int(row["audit_id"])
        before = row["digest"]
    return None


def _digest(before: str, row: RowMapping | dict[str, Any]) -> str:
    said = [before, row["at"], row["author"], row["action"], row["patient_id"], row["details"]]
    return hashlib.sha256(msgspec.json.encode(said)).hexdigest()
