"""A publication: one event on its way from the record to the rooms. Ingest and record make them, rooms carry them.

Everything in it derives from the row that caused it, so that publishing it again gives the same bytes (delivery rule 19).
"""

from datetime import datetime

import msgspec

from vitals.events import EventName
from vitals.identifiers import HospitalId


class Fence(msgspec.Struct, frozen=True, kw_only=True):
    """By what right an owner writes: the record's epoch, its own token, and when its lease ends (delivery rules 5, 11, 20, 21)."""

    record_epoch: int
    token: int
    lease_ends: datetime


class Publication(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a hospital. `n` is its place in the hospital's publication sequence; `data` is JSON of the event's data."""

    hospital_id: HospitalId
    record_epoch: int
    n: int
    event: EventName
    event_id: str
    rooms: tuple[str, ...]
    data: msgspec.Raw
    timestamp: datetime
    test: bool = False
    late: bool = False


class StreamTop(msgspec.Struct, frozen=True, kw_only=True):
    """Where a hospital's rooms stand in Redis (delivery rule 17). `epoch` is the stream epoch, opaque to clients."""

    record_epoch: int
    epoch: str
    n: int
