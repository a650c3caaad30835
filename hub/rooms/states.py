"""Latest states for rooms that a node follows, taken by delivery rule 26: the room's top first, then the record."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

from hub.errors import RecordUnavailable
from hub.latest import LatestReader, LatestStates
from hub.rooms.messages import RoomAddress
from hub.rooms.watched import Mark, Snapshot
from vitals.identifiers import HospitalId

log = logging.getLogger(__name__)

READ_SECONDS: Final = 5
"""What the record gets to answer: after that whoever was cut off is told of the gap alone."""


class States:
    """What the record said of several rooms at once, after their marks were made."""

    def __init__(self, found: Mapping[HospitalId, LatestStates | None]) -> None:
        self._found = found

    def known(self, address: RoomAddress) -> bool:
        """Whether the record answered."""
        return self._found.get(address.hospital_id) is not None

    def covers(self, address: RoomAddress, mark: Mark) -> bool:
        """Whether the state of a room that stood at `mark` holds (delivery rule 26)."""
        found = self._found.get(address.hospital_id)
        return found is not None and found.covers(mark.record_epoch, mark.n)

    def snapshot(self, address: RoomAddress, mark: Mark) -> Snapshot | None:
        """The room's state; None where the kind of room has none."""
        found = self._found.get(address.hospital_id)
        state = found and found.states.get(address.room)
        return Snapshot(position=mark.position, n=found.n, state=state) if found and state else None


async def read_states(latest: LatestReader, addresses: Iterable[RoomAddress]) -> States:
    """What the record knows of rooms, one transaction a hospital. A record that does not answer is no error here, but `known` says it."""
    by_hospital: dict[HospitalId, list[str]] = defaultdict(list)
    for address in addresses:
        by_hospital[address.hospital_id].append(address.room)
    found = {hospital_id: await _read(latest, hospital_id, rooms) for hospital_id, rooms in by_hospital.items()}
    return States(found)


async def _read(latest: LatestReader, hospital_id: HospitalId, rooms: list[str]) -> LatestStates | None:
    try:
        async with asyncio.timeout(READ_SECONDS):
            return await latest.states(hospital_id, rooms)
    except (RecordUnavailable, TimeoutError) as error:
        log.warning("the latest states of rooms of %s can't be read: %s", hospital_id, type(error).__name__)
        return None
