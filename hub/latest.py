"""The latest state of rooms, as the record knows it at one N: what a client needs where messages can't be had any more."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from vitals.identifiers import HospitalId


class LatestStates(msgspec.Struct, frozen=True, kw_only=True):
    """States of one hospital's rooms, each with the effect of every message up to `n` of `record_epoch` and of none after.

    A state is JSON of an object; None for a room that has none (waveforms, system and admin rooms).
    """

    record_epoch: int
    n: int
    states: Mapping[str, msgspec.Raw | None]

    def covers(self, record_epoch: int, n: int) -> bool:
        """Whether they hold beside a stream that was at (record epoch, N) before they were read (delivery rule 26)."""
        return self.record_epoch == record_epoch and self.n >= n


class LatestReader(Protocol):
    """Reads the record. Raises RecordUnavailable. Rooms are names; one that the record does not know has no state."""

    async def states(self, hospital_id: HospitalId, rooms: Sequence[str]) -> LatestStates: ...
