"""What the record says beside the tokens: which are revoked, and what break-glass has opened. Every node holds it in memory.

SQL is the record; a node reads its changes by number, in the transaction order of their writers, so nothing depends on a message that
might be lost, and a revocation outlives any loss of Redis.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum, unique
from typing import Final, Protocol

import msgspec

from hub.auth.errors import InvalidToken
from hub.auth.tokens import Claims
from vitals.identifiers import HospitalId, PatientId

REREAD_CHANGES: Final = 256
"""How many of the newest changes are looked at again: on PostgreSQL a smaller number may become visible after a greater one."""


@unique
class ChangeKind(StrEnum):
    """What happened that may change what open connections may see. `subject` of a change names whose."""

    ACCESS = "access"
    SESSION = "session"
    PATIENT = "patient"
    DEVICE = "device"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """`subject`: a session's name, a patient's id, a device's key, or nothing where it is all of revocations and openings."""

    change_id: int
    kind: ChangeKind
    subject: str


class Revocation(msgspec.Struct, frozen=True, kw_only=True):
    """A token by its id, or all of a user's that were issued up to an instant."""

    token_id: str | None = None
    subject: str | None = None
    issued_until: datetime | None = None


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """Break-glass: a patient is open to a user from `starts` until `ends`."""

    opening_id: str
    subject: str
    patient_id: PatientId
    hospital_id: HospitalId
    reason: str
    starts: datetime
    ends: datetime
    ended_by: str | None = None


class AccessRecord(Protocol):
    """Raises RecordUnavailable."""

    async def revocations(self) -> Sequence[Revocation]: ...
    async def openings(self) -> Sequence[Opening]:
        """Those that have not ended."""

    async def changes(self, after: int) -> Sequence[Change]:
        """By number, those above `after`."""

    async def newest_change(self) -> int: ...


class Access:
    """One node's knowledge. `load` first; then `follow` again and again."""

    def __init__(self, record: AccessRecord, *, now: Callable[[], datetime]) -> None:
        self._record = record
        self._now = now
        self._tokens: frozenset[str] = frozenset()
        self._users: dict[str, datetime] = {}
        self._openings: dict[str, list[Opening]] = {}
        self._seen: set[int] = set()
        self._ended: frozenset[str] = frozenset()
        self._top = 0

    async def load(self) -> None:
        """Read all. Raises RecordUnavailable."""
        self._top = await self._record.newest_change()
        self._seen = {change.change_id for change in await self._record.changes(self._top - REREAD_CHANGES)}
        await self._reload()

    async def follow(self) -> tuple[Change, ...]:
        """What is new since the last look, known here when this returns. Raises RecordUnavailable; then it is told at the next."""
        found = await self._record.changes(self._top - REREAD_CHANGES)
        new = tuple(change for change in found if change.change_id not in self._seen)
        self._ended = frozenset(change.subject for change in found if change.kind is ChangeKind.SESSION)
        if any(change.kind is ChangeKind.ACCESS for change in new):
            await self._reload()
        self._top = max((self._top, *(change.change_id for change in new)))
        self._seen = {change.change_id for change in found if change.change_id > self._top - REREAD_CHANGES}
        return new

    def check(self, claims: Claims) -> None:
        """Raises InvalidToken for a token that is revoked, and for what came from a session that was ended lately."""
        issued_until = self._users.get(claims.sub)
        if claims.jti in self._tokens or (issued_until is not None and claims.iat <= issued_until.timestamp()):
            raise InvalidToken("the token was revoked")
        if claims.session in self._ended:
            raise InvalidToken("the session was ended")

    def widened(self, claims: Claims) -> Claims:
        """The claims with the patients who are open to their user now, and no others."""
        openings = self._openings.get(claims.sub, ())
        if not openings and not claims.opened:
            return claims
        opened = frozenset(opening.patient_id for opening in openings if opening.ends > self._now())
        return claims if opened == claims.opened else msgspec.structs.replace(claims, opened=opened)

    async def _reload(self) -> None:
        revocations, openings = await self._record.revocations(), await self._record.openings()
        self._tokens = frozenset(one.token_id for one in revocations if one.token_id is not None)
        self._users = {}
        for one in revocations:
            if one.subject is not None and one.issued_until is not None:
                self._users[one.subject] = max(one.issued_until, self._users.get(one.subject, one.issued_until))
        by_user: dict[str, list[Opening]] = defaultdict(list)
        for opening in openings:
            by_user[opening.subject].append(opening)
        self._openings = dict(by_user)
