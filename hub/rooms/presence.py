"""Who is in which room, over all nodes, in Redis: leases that each node renews, and that end by themselves where a node died.

A node says of each room and user how active that user is there on this node; the most active of all nodes counts. Any node, and
any number of them at once, may remove what has ended: the script announces a change once, whoever makes it.
"""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum, unique
from typing import Any, Final, TypeVar

import msgspec

from hub.limits import Limits
from hub.rooms.messages import RoomAddress
from hub.rooms.scripts import Script
from hub.rooms.servers import Servers
from vitals.identifiers import HospitalId

CHANGES_A_CALL: Final = 64
ROOMS_A_CALL: Final = 64
ENDED_A_CALL: Final = 256
KEPT_LEASES: Final = 10
"""Keys nobody touches go after so many leases: nobody is left to tell."""

_LEFT: Final = "left"
Item = TypeVar("Item")


@unique
class Activity(StrEnum):
    """How active a user is, the most active first."""

    ACTIVE = "active"
    IDLE = "idle"
    AWAY = "away"


class Attending(msgspec.Struct, frozen=True, kw_only=True):
    """How active a user is in a room on one node; None: gone from it."""

    address: RoomAddress
    user: str
    status: Activity | None


class Present(msgspec.Struct, frozen=True, kw_only=True):
    """Everybody who is in a room at `instant` (µs on Redis's clock)."""

    instant: int
    users: Mapping[str, Activity]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one user in a room at `instant`; None: gone from it, on all nodes."""

    instant: int
    user: str
    status: Activity | None


def presence_key(address: RoomAddress) -> str:
    """A room's users, and the channel on which changes go out."""
    return f"{_prefix(address.hospital_id)}{address.room}"


def change_from(payload: bytes) -> Change:
    """The change that the script has published."""
    instant, status, user = payload.decode().split("\n", 2)
    return Change(instant=int(instant), user=user, status=None if status == _LEFT else Activity(status))


class PresenceStore:
    """Presence as `node` says and sees it. Every method raises RoomsUnavailable while Redis does not answer."""

    def __init__(self, servers: Servers, limits: Limits, *, node: str) -> None:
        self._script = Script(servers, "presence.lua")
        self._lease = int(limits.presence_lease_seconds * 1000)
        self._node = node

    async def write(self, changes: Sequence[Attending]) -> None:
        """Say how things stand on this node now, under a new lease; saying it again only renews. Ends what has ended."""
        for hospital_id in dict.fromkeys(change.address.hospital_id for change in changes):
            mine = [change for change in changes if change.address.hospital_id == hospital_id]
            for batch in _batches(mine, CHANGES_A_CALL):
                await self._call(hospital_id, changes=batch)

    async def reap(self, hospital_id: HospitalId) -> int:
        """Remove what dead nodes left in a hospital's rooms; the number of leases that had ended."""
        _, ended, *_ = await self._call(hospital_id)
        return int(ended)

    async def read(self, addresses: Sequence[RoomAddress]) -> Mapping[RoomAddress, Present]:
        """Who is in these rooms."""
        found: dict[RoomAddress, Present] = {}
        for hospital_id in dict.fromkeys(address.hospital_id for address in addresses):
            mine = [address for address in addresses if address.hospital_id == hospital_id]
            for batch in _batches(mine, ROOMS_A_CALL):
                instant, _, *rooms = await self._call(hospital_id, rooms=batch)
                found |= {
                    address: Present(instant=int(instant), users=_users(users))
                    for address, users in zip(batch, rooms, strict=True)
                }
        return found

    async def _call(
        self, hospital_id: HospitalId, *, changes: Sequence[Attending] = (), rooms: Sequence[RoomAddress] = ()
    ) -> list[Any]:
        arguments: list[str | int] = [_prefix(hospital_id), self._node, self._lease, self._lease * KEPT_LEASES]
        arguments += [ENDED_A_CALL, len(changes)]
        for change in changes:
            arguments += [change.address.room, change.user, change.status or ""]
        arguments += [address.room for address in rooms]
        return await self._script(f"bedside:{{{hospital_id}}}:presence", arguments)


def _prefix(hospital_id: HospitalId) -> str:
    return f"bedside:{{{hospital_id}}}:presence:"


def _users(pairs: list[bytes]) -> dict[str, Activity]:
    names = sorted(zip(pairs[::2], pairs[1::2], strict=True))
    return {user.decode(): Activity(status.decode()) for user, status in names}


def _batches(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
