"""What every live endpoint needs, made once by the app: who may come in, where rooms come from, who is here."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique
from typing import Final

from starlette.requests import HTTPConnection

from hub.auth.doorkeeper import Doorkeeper
from hub.auth.gate import Gate
from hub.auth.rights import Verb
from hub.auth.tokens import Claims
from hub.errors import HubError, NotFound, RoomsUnavailable
from hub.limits import Limits
from hub.realtime.clients import Client, Clients
from hub.realtime.doorway import IDENTITY
from hub.realtime.frames import Frame
from hub.realtime.oversight import Oversight
from hub.realtime.shared import Shared
from hub.rooms.feed import Feed
from hub.rooms.messages import RoomAddress, rfc3339
from hub.rooms.rooms import Rooms
from hub.rooms.watched import Announce, Wanted
from vitals.errors import InvalidRoom
from vitals.rooms import AUTO_SUBSCRIPTIONS, parse_room


@unique
class Upstream(StrEnum):
    """What a client is told of the road behind the hub."""

    OK = "ok"
    REDIS_LOST = "redis_lost"
    INGEST_LOST = "ingest_lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """`ingest_alive` says whether readings are taken in, `judged_at` when ingest and timers last were alive."""

    doorkeeper: Doorkeeper
    gate: Gate
    rooms: Rooms
    feed: Feed[Frame]
    clients: Clients
    shared: Shared
    oversight: Oversight
    limits: Limits
    now: Callable[[], datetime]
    new_id: Callable[[], str]
    ingest_alive: Callable[[], bool]
    judged_at: Callable[[], datetime | None]

    def authenticate(self, connection: HTTPConnection) -> Claims:
        """Who sent a request or handshake, as the doorway found it out. Raises Unauthenticated, Forbidden or Unavailable."""
        found: Claims | HubError = connection.scope[IDENTITY]
        if isinstance(found, HubError):
            raise found
        return found

    async def admit(self, claims: Claims, names: Sequence[str]) -> tuple[RoomAddress, ...]:
        """The addresses of rooms that the token may watch, all of them. Raises Forbidden or NotFound: never fewer rooms."""
        return tuple([await self.gate.pass_room(claims, Verb.WATCH, parse_room(name)) for name in names])

    def upstream(self) -> Upstream:
        if not self.feed.healthy:
            return Upstream.REDIS_LOST
        return Upstream.OK if self.ingest_alive() else Upstream.INGEST_LOST

    def condition(self) -> dict[str, object]:
        """What `pong` and `heartbeat` carry."""
        judged_at = self.judged_at()
        return {
            "time": rfc3339(self.now()),
            "upstream": self.upstream(),
            "judged_at": rfc3339(judged_at) if judged_at else None,
        }

    async def hold(self, wanted: Sequence[Wanted], client: Client, announce: Announce) -> None:
        """Join rooms, trying until each holds. `announce` is called for each when it does."""
        missing = tuple(wanted)
        while missing:
            await self.feed.wait_healthy()
            with contextlib.suppress(RoomsUnavailable):
                await self.feed.join(missing, client, announce)
            missing = tuple(
                each
                for each in missing
                if each.address.room in client.rooms and not self.feed.joined(each.address, client)
            )
            if missing:
                await asyncio.sleep(self.limits.retry_seconds)


_SUBJECT_FIELDS: Final = {"patient": "patient_id", "hospital": "hospital_id"}


def endpoint_rooms(subject: str, *identifiers: str) -> tuple[str, ...]:
    """The names of the rooms that an endpoint of `subject` subscribes to by itself. Raises NotFound for no identifiers at all."""
    if subject == "device":
        fields = dict(zip(("device_type", "device_id"), identifiers, strict=True))
    else:
        fields = {_SUBJECT_FIELDS[subject]: identifiers[0]}
    names = tuple(kind.format(**fields) for kind in AUTO_SUBSCRIPTIONS[subject])
    try:
        for name in names:
            parse_room(name)
    except InvalidRoom as error:
        raise NotFound(subject, ":".join(identifiers)[:100]) from error
    return names
