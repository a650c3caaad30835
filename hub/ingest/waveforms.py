"""Waveforms through the hub: from the gateways' QoS 0 messages to the rooms of those who hold the devices, live, and nowhere else.

They have a connection to the broker, a queue and a pace of their own, so that no flood of them holds up a reading or an alert. At each tick what came in is
decoded, chunk by chunk, given to the patient who holds the device now, and told to all rooms of a hospital by one call to Redis. Only the owner of a hospital does
so, under its lease; nothing is written to SQL, nothing has an N, and what can't be told at once is dropped and counted.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable
from typing import Final

import msgspec

from hub.errors import Fenced, RoomsUnavailable
from hub.ingest.counters import Counters
from hub.ingest.entries import is_possible
from hub.ingest.owner import Owner
from hub.ingest.waveform_queue import WaveformQueue
from hub.rooms.live_only import LiveMessage
from hub.rooms.rooms import Rooms
from vitals.envelope import RejectionReason, encode
from vitals.errors import InvalidEnvelope, InvalidTopic
from vitals.events import EventName, PatientWaveform, WaveformScale
from vitals.identifiers import GatewayId, HospitalId, PatientId
from vitals.rooms import Room, RoomKind
from vitals.topics import parse_topic
from vitals.waveform_envelope import decode_chunk, decode_waveforms
from vitals.waveforms import SIGNAL_UNITS, SampleChunk

log = logging.getLogger(__name__)

TICK_SECONDS: Final = 0.05
TICK_BYTES: Final = 96 * 1024
"""Of messages a tick: some milliseconds of work, and twice what 64 beds with 16 waveforms each send."""

OwnerOf = Callable[[GatewayId], Owner | None]
_Told = defaultdict[HospitalId, defaultdict[str, list[LiveMessage]]]


class Waveforms:
    """Start it with `run`; `received` may be called from any thread."""

    def __init__(self, rooms: Rooms, counters: Counters, *, owner_of: OwnerOf, new_id: Callable[[], str]) -> None:
        self._rooms = rooms
        self._counters = counters
        self._owner_of = owner_of
        self._new_id = new_id
        self._queue = WaveformQueue()
        self._loop = asyncio.get_running_loop()
        self._filled = asyncio.Event()
        self._failing = False

    def received(self, topic: str, payload: bytes) -> None:
        """A message; what is beyond the bounds is dropped and counted, the oldest first."""
        if self._queue.put(topic, payload) and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._filled.set)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._filled.wait()
            self._filled.clear()
            while taken := self._queue.take(TICK_BYTES):
                await self._tick(taken)

    async def _tick(self, taken: list[tuple[str, bytes]]) -> None:
        """Tell what was taken, and leave the loop to others for the rest of the tick, at least for as long as this took."""
        began = self._loop.time()
        self._count("waveform_messages_dropped", self._queue.dropped())
        told: _Told = defaultdict(lambda: defaultdict(list))
        owners: dict[HospitalId, Owner] = {}
        for topic, payload in taken:
            self._take(topic, payload, told, owners)
        worked = self._loop.time() - began
        for hospital_id, rooms in told.items():
            await self._tell(owners[hospital_id], rooms)
        await asyncio.sleep(max(worked, began + TICK_SECONDS - self._loop.time()))

    def _take(self, topic: str, payload: bytes, told: _Told, owners: dict[HospitalId, Owner]) -> None:
        """The chunks of one message to `told`. A message for a hospital that another process owns is that one's."""
        gateway = "unknown"
        try:
            gateway, _ = parse_topic(topic)
            owner = self._owner(gateway)
            chunks = _chunks(gateway, payload) if owner.placement else []
        except InvalidTopic:
            self._refuse(gateway, "unknown_topic")
        except InvalidEnvelope as refusal:
            self._refuse(gateway, refusal.reason)
        else:
            owners[owner.hospital_id] = owner
            for raw in chunks:
                self._take_chunk(gateway, owner, raw, told[owner.hospital_id])

    def _owner(self, gateway: GatewayId) -> Owner:
        """Whoever is to tell it. Raises InvalidEnvelope."""
        owner = self._owner_of(gateway)
        if owner is None:
            raise InvalidEnvelope(RejectionReason.UNKNOWN_GATEWAY)
        return owner

    def _take_chunk(
        self, gateway: GatewayId, owner: Owner, raw: msgspec.Raw, rooms: defaultdict[str, list[LiveMessage]]
    ) -> None:
        try:
            chunk = decode_chunk(raw)
            patient_id = self._holder(gateway, owner, chunk)
        except InvalidEnvelope as refusal:
            self._refuse(gateway, refusal.reason)
            return
        if patient_id is None:
            self._count("waveform_chunks_unassigned")
            return
        room = str(Room(kind=RoomKind.PATIENT_WAVEFORMS, patient_id=patient_id))
        rooms[room].append(
            LiveMessage(
                event=EventName.PATIENT_WAVEFORM,
                event_id=self._new_id(),
                data=encode(waveform_of(chunk, patient_id)),
                timestamp=owner.now(),
            )
        )

    def _holder(self, gateway: GatewayId, owner: Owner, chunk: SampleChunk) -> PatientId | None:
        """Who holds the device now; None: nobody. Raises InvalidEnvelope for a device that this gateway doesn't have, or an impossible time."""
        now = owner.now()
        if (placement := owner.placement) is None:
            return None
        if (place := placement.device(chunk.device)) is None:
            raise InvalidEnvelope(RejectionReason.UNKNOWN_DEVICE)
        if place.gateway_id not in (None, gateway):
            raise InvalidEnvelope(RejectionReason.OTHER_GATEWAY)
        if not is_possible(chunk.started, now):
            raise InvalidEnvelope(RejectionReason.IMPOSSIBLE_TIME)
        patient = placement.patient_at(chunk.device, now)
        return patient.patient_id if patient else None

    async def _tell(self, owner: Owner, rooms: defaultdict[str, list[LiveMessage]]) -> None:
        chunks = sum(map(len, rooms.values()))
        if not chunks:
            return
        try:
            await self._rooms.publish_live(owner.hospital_id, rooms, fence=owner.fence)
        except (RoomsUnavailable, Fenced) as error:
            self._count("waveform_chunks_dropped", chunks)
            self._say(error)
            return
        self._failing = False
        self._count("waveform_chunks", chunks)

    def _say(self, error: Exception) -> None:
        if not self._failing:
            log.warning("waveforms are dropped: %s", error)
        self._failing = True

    def _refuse(self, gateway: str, reason: str) -> None:
        self._counters.refuse(gateway, f"waveform_{reason}")

    def _count(self, what: str, count: int = 1) -> None:
        if count:
            self._counters.take(what, count)


def _chunks(gateway: GatewayId, payload: bytes) -> list[msgspec.Raw]:
    """The chunks of a message. Raises InvalidEnvelope."""
    batch = decode_waveforms(payload)
    if batch.gateway != gateway:
        raise InvalidEnvelope("foreign_gateway")
    return batch.chunks


def waveform_of(chunk: SampleChunk, patient_id: PatientId) -> PatientWaveform:
    """What clients see of a chunk."""
    return PatientWaveform(
        patient_id=patient_id,
        device_type=chunk.device.device_type,
        device_id=chunk.device.device_id,
        signal=chunk.signal,
        rate_hz=chunk.rate_hz,
        start=chunk.started,
        samples=list(chunk.samples),
        scale=WaveformScale(low=chunk.low, high=chunk.high),
        unit=SIGNAL_UNITS[chunk.signal],
        gap=True if chunk.gap_before else msgspec.UNSET,
    )
