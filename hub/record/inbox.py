"""Requests to the owner: what REST asks for, done in the owner's own transactions (delivery rule 15).

A request is a row under a key of its own. Its effect and its `done` are one transaction; the answer comes from the row; past its
deadline it is `expired` and never done. Asking again with the same key gives the same answer.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum, unique
from typing import Any, Final

import msgspec
from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.errors import Conflict, Invalid, NotFound, RecordUnavailable
from hub.record.engine import Engine
from hub.record.schema import inbox, ownership
from vitals.identifiers import HospitalId

_POLL_SECONDS: Final = 0.5  # only where the owner is another process; in one process it wakes us


@unique
class RequestKind(StrEnum):
    """What can be asked; `hub.ingest.operations` says how each is done, and what its payload holds."""

    TEST_PUBLISH = "test_publish"
    DEVICE_DATA = "device_data"
    CORRECT = "correct"
    WITHDRAW = "withdraw"
    ADMIT = "admit"
    DISCHARGE = "discharge"
    STATUS_CHANGE = "status_change"
    ANNOUNCE = "announce"


@unique
class RequestState(StrEnum):
    PENDING = "pending"
    DONE = "done"
    REJECTED = "rejected"
    EXPIRED = "expired"


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """`payload` is JSON; `request_key` makes a repeat harmless."""

    hospital_id: HospitalId
    request_key: str
    kind: RequestKind
    payload: bytes
    deadline: datetime


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a request; `answer` is the operation's own, or the reason of a rejection."""

    state: RequestState
    answer: dict[str, Any]


class Inbox:
    """The way in. `submit` returns when the owner has decided."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._clock = clock
        self._arrived: dict[HospitalId, asyncio.Event] = defaultdict(asyncio.Event)
        self._asked: Counter[HospitalId] = Counter()
        self._decided: dict[str, asyncio.Event] = {}

    def arrived(self, hospital_id: HospitalId) -> asyncio.Event:
        """Set when a request of this process has been written; its owner waits for it and clears it."""
        return self._arrived[hospital_id]

    def asked(self, hospital_id: HospitalId) -> int:
        """How many requests this process has written."""
        return self._asked[hospital_id]

    def wake(self, hospital_id: HospitalId) -> None:
        """A request has been written, and committed: its owner looks for it now, where it is of this process."""
        self._asked[hospital_id] += 1
        self._arrived[hospital_id].set()

    def decided(self, request_keys: list[str]) -> None:
        """The owner's word that these have an outcome."""
        for key in request_keys:
            if event := self._decided.get(key):
                event.set()

    async def submit(self, request: Request) -> Outcome:
        """Ask, and wait for the outcome until the deadline.

        Raises Invalid, NotFound or Conflict as the operation decided, RecordUnavailable when nobody decided in time: then the
        request is never carried out later, save where the database does not answer either; then asking again tells.
        """
        decided = self._decided.setdefault(request.request_key, asyncio.Event())
        try:
            await self._write(request)
            self.wake(request.hospital_id)
            while True:
                outcome = await self._outcome(request.request_key)
                if outcome is not None:
                    return _raised_or(outcome)
                if self._clock() > request.deadline:
                    await self._expire(request)
                    continue
                try:
                    async with asyncio.timeout(_POLL_SECONDS):
                        await decided.wait()
                except TimeoutError:
                    continue
        finally:
            self._decided.pop(request.request_key, None)

    async def add(self, connection: AsyncConnection, request: Request) -> None:
        """Ask in a transaction of the caller's, who waits for no outcome; the owner finds it within its idle time."""
        await connection.execute(
            insert(inbox).values(
                request_key=request.request_key,
                hospital_id=request.hospital_id,
                kind=request.kind.value,
                payload=request.payload.decode(),
                submitted=self._clock(),
                deadline=request.deadline,
                state=RequestState.PENDING.value,
            )
        )

    async def _write(self, request: Request) -> None:
        try:
            async with self._engine.writing() as connection:
                known = await connection.scalar(select(inbox.c.state).where(inbox.c.request_key == request.request_key))
                if known is not None:
                    return
                await self.add(connection, request)
        except RecordUnavailable as error:
            if not isinstance(error.__cause__, IntegrityError):  # the same request at the same moment
                raise

    async def _expire(self, request: Request) -> None:
        """Past its deadline: what isn't decided by now never is.

        The owner holds its row of `ownership` while it decides, so a transaction that began in time is waited for (delivery
        rule 15: the answer comes from the row, not from a clock).
        """
        async with self._engine.writing() as connection:
            owned = ownership.c.hospital_id == request.hospital_id
            await connection.execute(select(ownership.c.token).where(owned).with_for_update())
            undecided = inbox.c.request_key == request.request_key, inbox.c.state == RequestState.PENDING.value
            await connection.execute(update(inbox).where(*undecided).values(state=RequestState.EXPIRED.value))

    async def _outcome(self, request_key: str) -> Outcome | None:
        async with self._engine.reading() as connection:
            row = (
                await connection.execute(
                    select(inbox.c.state, inbox.c.answer).where(inbox.c.request_key == request_key)
                )
            ).one()
        if row.state == RequestState.PENDING:
            return None
        return Outcome(state=RequestState(row.state), answer=msgspec.json.decode(row.answer or "{}"))


def _raised_or(outcome: Outcome) -> Outcome:
    """A rejection as the error that it is."""
    if outcome.state is RequestState.EXPIRED:
        raise RecordUnavailable("nobody carried out the request in time; it will not be done later")
    if outcome.state is RequestState.REJECTED:
        said = outcome.answer
        match said["error"]:
            case "not_found":
                raise NotFound(said["kind"], said["name"])
            case "conflict":
                raise Conflict(said["message"])
            case _:
                raise Invalid(*said["faults"])
    return outcome
