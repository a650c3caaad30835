"""The guide's figures over all nodes: each node gives its own under a short lease, and adds up what the others gave.

A node that dies is out of the figures after `node_lease_seconds`; the others' figures are at most a third of that old.
"""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

import msgspec

from hub.auth.rights import Verb, covers_hospital, role_may
from hub.auth.tokens import Claims
from hub.errors import RoomsUnavailable
from hub.limits import Limits
from hub.realtime.attendance import Attendance
from hub.rooms.messages import RoomAddress
from hub.rooms.nodes import Nodes
from vitals.identifiers import SYSTEM, HospitalId
from vitals.rooms import parse_room

log = logging.getLogger(__name__)

BEATS_A_LEASE: Final = 3
FAREWELL_SECONDS: Final = 2.0


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Of one node: connections by room, with the hospital in whose stream it is, and by user."""

    rooms: list[tuple[str, str, int]]
    users: dict[str, int]


_decode: Final = msgspec.json.Decoder(Figures).decode


class Census:
    """This node's word, and everybody's sum."""

    def __init__(self, nodes: Nodes, attendance: Attendance, limits: Limits) -> None:
        self._nodes = nodes
        self._attendance = attendance
        self._limits = limits
        self._given = -1

    async def run(self) -> None:
        """Say that this node lives, and its figures where they have changed, until cancelled."""
        while True:
            with contextlib.suppress(RoomsUnavailable):  # its health is told elsewhere; the next beat says all again
                await self.beat()
            await asyncio.sleep(self._limits.node_lease_seconds / BEATS_A_LEASE)

    async def beat(self) -> None:
        """Raises RoomsUnavailable."""
        version = self._attendance.version
        figures = None if version == self._given else msgspec.json.encode(self._own())
        self._given = version if await self._nodes.live(figures) else -1

    async def stop(self) -> None:
        """Say that this node stops, briefly: what isn't heard ends with its lease."""
        with contextlib.suppress(RoomsUnavailable, TimeoutError):
            async with asyncio.timeout(FAREWELL_SECONDS):
                await self._nodes.stop()

    async def figures(self) -> tuple[Figures, ...]:
        """Of all nodes, this one first. Raises RoomsUnavailable."""
        others = await self._nodes.figures()
        return (self._own(), *(_decode(said) for said in others.values() if said))

    def own(self) -> tuple[Figures, ...]:
        """Of this node alone."""
        return (self._own(),)

    def _own(self) -> Figures:
        rooms = [(address.hospital_id, address.room, count) for address, count in self._attendance.rooms.items()]
        return Figures(rooms=rooms, users=dict(self._attendance.users))


def statistics(figures: Iterable[Figures], claims: Claims, hospitals: Iterable[HospitalId]) -> dict[str, Any]:
    """The guide's statistics: totals of all, rooms by name where the token's scope has them, users where it has all `hospitals`."""
    everyone = all(covers_hospital(claims, hospital_id) for hospital_id in hospitals)
    rooms: Counter[RoomAddress] = Counter()
    users: Counter[str] = Counter()
    for of_node in figures:
        users.update(of_node.users)
        for hospital_id, room, count in of_node.rooms:
            rooms[RoomAddress(hospital_id=hospital_id, room=room)] += count
    return {
        "total_connections": users.total(),
        "unique_users": len(users),
        "active_rooms": len(rooms),
        "connections_by_room": {address.room: rooms[address] for address in rooms if _may_see(claims, address)},
        "connections_by_user": {user: users[user] for user in users if everyone or user == claims.sub},
    }


_parsed: Final = lru_cache(maxsize=32_768)(parse_room)


def _may_see(claims: Claims, address: RoomAddress) -> bool:
    room = _parsed(address.room)
    if not role_may(claims, Verb.WATCH, room.kind):
        return False
    if address.hospital_id == SYSTEM or covers_hospital(claims, address.hospital_id):
        return True
    return f"{room.hospital_id}:{room.ward_id}" in claims.wards or room.patient_id in claims.patients
