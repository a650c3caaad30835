"""Keeps what is open to what is allowed: on this node, for every connection, as long as it is open.

The record's changes are followed by number, every `access_seconds`: a revocation ends connections, an end of break-glass and a move of a
patient or device take rooms away. A change is gone through twice, the second time for connections that were being made at the first;
every `recheck_seconds` all rooms are, for what was changed past the record's numbers. While the record does not answer, what is open stays
open, and what changed meanwhile is told as soon as it answers: changes are made in the same record.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Mapping
from enum import StrEnum, unique
from types import MappingProxyType
from typing import Final

import msgspec

from hub.auth.access import Access, Change, ChangeKind
from hub.auth.errors import InvalidToken
from hub.auth.gate import Gate
from hub.auth.rights import Place, Verb, may
from hub.auth.tokens import Claims
from hub.errors import RecordUnavailable
from hub.limits import Limits
from hub.realtime.clients import Client, Clients, Close
from hub.realtime.frames import Frame
from hub.rooms.feed import Feed
from hub.rooms.messages import RoomAddress
from vitals.identifiers import PatientId
from vitals.rooms import Room, RoomKind, parse_room

log = logging.getLogger(__name__)

ENDED: Final = 0
"""The number of a change that is of this node's own making: a break-glass that ended by itself."""
_ROOMS: Final[Mapping[ChangeKind, tuple[str, tuple[str, ...]]]] = MappingProxyType(
    {
        ChangeKind.PATIENT: ("{patient_id}", tuple(kind for kind in RoomKind if kind.startswith("patient:"))),
        ChangeKind.DEVICE: (
            "{device_type}:{device_id}",
            tuple(kind for kind in RoomKind if kind.startswith("device:")),
        ),
    }
)
"""What in the forms of a subject's rooms its name stands for."""


@unique
class Revoked(StrEnum):
    """Why a room is taken away, as the client is told."""

    RIGHTS = "rights"
    MOVED = "moved"
    DISCHARGED = "discharged"


class Oversight:
    """One node's. `check` is for a connection whose claims are about to change."""

    def __init__(self, access: Access, gate: Gate, clients: Clients, feed: Feed[Frame], limits: Limits) -> None:
        self._access = access
        self._gate = gate
        self._clients = clients
        self._feed = feed
        self._limits = limits
        self._due: tuple[Change, ...] = ()
        self._recheck_at = 0.0
        self._looking = asyncio.Lock()

    async def run(self) -> None:
        """Follow the record, until cancelled."""
        failing = False
        while True:
            await asyncio.sleep(self._limits.access_seconds)
            try:
                await self.look()
            except RecordUnavailable as error:
                if not failing:
                    log.warning("changes of rights can't be followed: %s", error)
                failing = True
            else:
                if failing:
                    log.info("changes of rights are followed again")
                failing = False

    async def look_now(self) -> None:
        """After a change of this node's own, so that it is known here when the caller is answered; should the record fail now, a moment later."""
        with contextlib.suppress(RecordUnavailable):
            await self.look()

    async def look(self) -> None:
        """Carry out what has changed since the last look. Raises RecordUnavailable; then it is carried out at the next."""
        async with self._looking:
            await self._look()

    async def _look(self) -> None:
        new = await self._access.follow()
        self._due += new
        now = asyncio.get_running_loop().time()
        everything = now >= self._recheck_at
        self._end_revoked(self._due, everyone=everything)
        self._due += self._widen()
        if everything:
            await self._go_over(None, _moved(self._due))
            self._recheck_at = now + self._limits.recheck_seconds
        elif self._due:
            await self._go_over(_rooms_of(self._due), _moved(self._due))
        if everything or self._due:
            self._reach_out(new)
            self._due = new

    async def revoked(self, client: Client, claims: Claims) -> list[tuple[RoomAddress, Revoked]]:
        """Those of a client's rooms that `claims` do not allow, and why. Raises RecordUnavailable."""
        return _judged(client, claims, await self._places(client.rooms), frozenset())

    def take_away(self, client: Client, rooms: Iterable[tuple[RoomAddress, Revoked]]) -> None:
        """End subscriptions, and tell the client. A stream without rooms ends."""
        for address, reason in rooms:
            self._feed.leave([address], client)
            client.lose(address.room)
            client.tell("subscription", room=address.room, status="revoked", reason=reason)
        if not client.rooms and rooms and not client.subscribes:
            client.end(Close.FORBIDDEN, "nothing of this stream is in your token's scope any more")

    def _reach_out(self, new: Iterable[Change]) -> None:
        """Let those who follow all that they may see look for what has come."""
        if any(change.kind is not ChangeKind.SESSION for change in new):
            for client in self._clients.everyone():
                client.reach_out()

    def _end_revoked(self, due: Iterable[Change], *, everyone: bool) -> None:
        concerned = everyone or any(change.kind in (ChangeKind.ACCESS, ChangeKind.SESSION) for change in due)
        for client in self._clients.everyone() if concerned else ():
            try:
                self._access.check(client.claims)
            except InvalidToken as error:
                client.end(Close.TOKEN_EXPIRED, str(error))

    def _widen(self) -> tuple[Change, ...]:
        """Give each client what is open to it now; who was open and isn't any more, to be gone over."""
        lost: set[PatientId] = set()
        for client in self._clients.everyone():
            widened = self._access.widened(client.claims)
            lost |= client.claims.opened - widened.opened
            client.claims = widened
        return tuple(Change(change_id=ENDED, kind=ChangeKind.PATIENT, subject=patient_id) for patient_id in lost)

    async def _go_over(self, concerned: frozenset[str] | None, moved: frozenset[str]) -> None:
        """Judge the rooms that are `concerned` (None: all), of all clients; `moved` are those whose subject has moved."""
        open_rooms = {name for client in self._clients.everyone() for name in client.rooms}
        places = await self._places(open_rooms if concerned is None else open_rooms & concerned)
        for client in self._clients.everyone():
            self.take_away(client, _judged(client, client.claims, places, moved))

    async def _places(self, names: Iterable[str]) -> dict[str, Place | None]:
        """Where rooms belong now; the registry is asked once for each patient, device, ward and hospital."""
        known: dict[Room, Place | None] = {}
        places: dict[str, Place | None] = {}
        for name in names:
            room = parse_room(name)
            subject = msgspec.structs.replace(room, kind=RoomKind.PATIENT)
            if subject not in known:
                known[subject] = await self._gate.place(room)
            place = known[subject]
            places[name] = place and msgspec.structs.replace(place, kind=room.kind)
        return places


def _rooms_of(due: Iterable[Change]) -> frozenset[str]:
    """The names of all rooms of the patients and devices that changes are of."""
    names: set[str] = set()
    for change in due:
        place, forms = _ROOMS.get(change.kind, ("", ()))
        names.update(form.replace(place, change.subject) for form in forms)
    return frozenset(names)


def _moved(due: Iterable[Change]) -> frozenset[str]:
    """The rooms of patients who were admitted, moved or discharged."""
    return _rooms_of(change for change in due if change.kind is ChangeKind.PATIENT and change.change_id != ENDED)


def _judged(
    client: Client, claims: Claims, places: Mapping[str, Place | None], moved: frozenset[str]
) -> list[tuple[RoomAddress, Revoked]]:
    concerned = [client.rooms[name] for name in places.keys() & client.rooms.keys()]
    judged = [(address, _reason(claims, address, places[address.room], moved)) for address in concerned]
    return [(address, reason) for address, reason in judged if reason is not None]


def _reason(claims: Claims, address: RoomAddress, place: Place | None, moved: frozenset[str]) -> Revoked | None:
    """Why a room is not a client's any more; None where it is. A room that lives in another hospital now is another room."""
    if place is not None and place.hospital_id != address.hospital_id:
        return Revoked.MOVED
    if place is not None and may(claims, Verb.WATCH, place):
        return None
    if place is None or address.room not in moved:
        return Revoked.RIGHTS
    return Revoked.DISCHARGED if place.ward_id is None else Revoked.MOVED
