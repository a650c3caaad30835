"""Carries committed messages to the rooms, in the order of N, whatever Redis does meanwhile.

The quick path hands over what was just committed. Where Redis was away, lost its key or went back, the record says what is
missing (delivery rules 17 to 23): its (record epoch, N) are compared on every start, after every failure and every two seconds.
After a long outage all announcements and spot checks are published, of continuous vitals only each device's latest; that begins a
new stream epoch.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Hashable
from typing import Final

import msgspec

from hub.errors import Fenced, RecordUnavailable, RoomsUnavailable
from hub.publication import Fence, Publication, StreamTop
from hub.record import publications
from hub.record.engine import Engine
from hub.record.ownership import standing
from hub.rooms.rooms import MAX_MESSAGES, Rooms
from vitals.events import EventName
from vitals.identifiers import HospitalId
from vitals.parameters import CONTINUOUS, Vital

log = logging.getLogger(__name__)

QUEUE_MESSAGES: Final = 4096
"""Messages waiting in memory; beyond, they are derived from the record when their turn comes."""
COMPARE_SECONDS: Final = 2.0
COALESCE_ABOVE: Final = 2_000
_NUMERICS: Final = frozenset({EventName.PATIENT_VITALS_UPDATE, EventName.DEVICE_DATA_UPDATE})


class _Measured(msgspec.Struct):
    """What tells whether a later message says the same anew."""

    device_type: str
    device_id: str
    data_type: Vital | None = None  # of device data
    measured: dict[Vital, msgspec.Raw] = {}  # of patient vitals


_decode_measured: Final = msgspec.json.Decoder(_Measured).decode


class Publisher:
    """One hospital's. `through` is the N up to which publication is confirmed (delivery rule 22)."""

    def __init__(
        self,
        engine: Engine,
        rooms: Rooms,
        hospital_id: HospitalId,
        fence: Callable[[], Fence],
        new_epoch: Callable[[], str],
    ) -> None:
        self._engine = engine
        self._rooms = rooms
        self._hospital_id = hospital_id
        self._fence = fence
        self._new_epoch = new_epoch
        self._waiting: deque[Publication] = deque()
        self._wake = asyncio.Event()
        self._whole = False  # whether the queue holds everything after `through`
        self._lost = False
        self.through = 0

    def hand_over(self, made: list[Publication]) -> None:
        """Take what was just committed. Never waits."""
        if len(self._waiting) + len(made) > QUEUE_MESSAGES:
            self._waiting.clear()
            self._whole = False
        elif self._whole:
            self._waiting.extend(made)
        self._wake.set()

    async def run(self) -> None:
        """Publish until cancelled. Raises Fenced when another owner has taken over."""
        while True:
            try:
                if not self._whole:
                    await self._repair()
                await self._publish_waiting()
                self._back()
                if await self._is_idle():
                    await self._compare()
            except (RoomsUnavailable, RecordUnavailable) as error:
                self._away(error)
                await asyncio.sleep(COMPARE_SECONDS / 2)

    async def _is_idle(self) -> bool:
        """Wait for something to publish; True when nothing came for a while."""
        try:
            async with asyncio.timeout(COMPARE_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            return True
        return False

    async def _publish_waiting(self) -> None:
        self._wake.clear()
        while self._waiting:
            await self._publish([self._waiting.popleft() for _ in range(min(MAX_MESSAGES, len(self._waiting)))])

    async def _publish(self, batch: list[Publication]) -> None:
        fence = self._fence()
        batch = [message for message in batch if message.record_epoch == fence.record_epoch]
        if batch:
            top = await self._rooms.publish(fence, batch, new_epoch=self._new_epoch())
            self.through = max(self.through, top.n)

    async def _compare(self) -> None:
        """Find out whether Redis still is where it was left (delivery rule 23)."""
        top = await self._rooms.top(self._hospital_id)
        if self._waiting:
            return
        if top is None or top.record_epoch != self._fence().record_epoch or top.n != self.through:
            self._whole = False
            self._wake.set()

    async def _repair(self) -> None:
        """Bring Redis to the N of the record, from the rows."""
        self._waiting.clear()
        self._whole = True  # what is committed from here on is kept; all before it is in the rows that are read below
        fence = self._fence()
        n, through = await standing(self._engine, self._hospital_id)
        top = await self._standing(fence, through)
        if top.record_epoch > fence.record_epoch:
            raise Fenced(f"the rooms of {self._hospital_id} belong to a newer record epoch")
        if top.n > n:
            log.error("the rooms of %s are ahead of the record: was the database restored?", self._hospital_id)
            raise RoomsUnavailable("the rooms are ahead of the record")
        self.through = top.n
        await self._catch_up(top.n, n, fence)

    async def _standing(self, fence: Fence, through: int) -> StreamTop:
        """Where the rooms stand, as their replicas have it too: what a deposed master alone has is not believed."""
        top = await self._rooms.top(self._hospital_id)
        if top is not None and top.record_epoch > fence.record_epoch:
            return top
        if top is None or top.record_epoch < fence.record_epoch:  # delivery rule 22
            log.info("the rooms of %s begin a new stream epoch at N=%d", self._hospital_id, through)
            top = None
        from_n = through if top is None else top.n
        return await self._rooms.begin_epoch(self._hospital_id, fence, new_epoch=self._new_epoch(), from_n=from_n)

    async def _catch_up(self, done: int, n: int, fence: Fence) -> None:
        coalesced = n - done > COALESCE_ABOVE
        kept: list[Publication] = []
        latest: dict[Hashable, Publication] = {}
        while done < n:
            async with self._engine.reading() as connection:
                batch = await publications.after(
                    connection, self._hospital_id, done, limit=MAX_MESSAGES, record_epoch=fence.record_epoch
                )
            if not batch:
                break
            done = batch[-1].n
            if not coalesced:
                await self._publish(batch)
                continue
            stream = [(_stream_of(message), message) for message in batch]
            latest |= {key: message for key, message in stream if key is not None}
            kept += [message for key, message in stream if key is None]
        in_order = sorted([*kept, *latest.values()], key=lambda message: message.n)
        for start in range(0, len(in_order), MAX_MESSAGES):
            await self._publish(in_order[start : start + MAX_MESSAGES])

    def _away(self, error: Exception) -> None:
        self._whole = False
        if not self._lost:
            self._lost = True
            log.warning("publishing for %s stands still: %s", self._hospital_id, error)

    def _back(self) -> None:
        if self._lost:
            self._lost = False
            log.info("publishing for %s goes on", self._hospital_id)


def _stream_of(message: Publication) -> Hashable | None:
    """Under what a later message replaces this one; None where none does."""
    if message.event not in _NUMERICS:
        return None
    measured = _decode_measured(message.data)
    vitals = frozenset(measured.measured if measured.data_type is None else [measured.data_type])
    return (message.rooms, measured.device_type, measured.device_id, vitals) if vitals <= CONTINUOUS else None
