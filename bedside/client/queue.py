"""Between the link and the reader: a bounded queue in which numerics keep the latest, and alerts are never dropped.

Overflow policy: when there are `size`, the oldest of those that have a newer one of the same kind, room and patient is dropped,
and the newer one says how many were `skipped`: continuous vitals (`vitals.parameters.CONTINUOUS`), waveform chunks, and the road's
condition. Everything else is kept; a queue that is full of it makes the link stop reading, so that the hub sees a slow client.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from typing import Final

import msgspec
from msgspec import UNSET

from bedside.client.events import ClientEvent, Condition, Event
from vitals.events import PatientVitals
from vitals.parameters import CONTINUOUS, Vital

WAVEFORM: Final = "patient.waveform"


class EventQueue:
    """One reader, one writer, on one event loop. Raises nothing for a writer: `put` always takes the event."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._numbers = 0
        self._events: OrderedDict[int, ClientEvent] = OrderedDict()
        self._kinds: dict[Hashable, OrderedDict[int, None]] = {}
        self._crowded: OrderedDict[Hashable, None] = OrderedDict()
        self._filled = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()
        self._ended = False
        self._error: BaseException | None = None

    def __len__(self) -> int:
        return len(self._events)

    @property
    def is_full(self) -> bool:
        return not self._drained.is_set()

    def put(self, event: ClientEvent) -> None:
        self._numbers += 1
        self._events[self._numbers] = event
        if (kind := _kind(event)) is not None:
            self._enter(kind, self._numbers)
        if len(self._events) >= self._size and self._crowded:
            self._drop_one()
        if len(self._events) >= self._size:
            self._drained.clear()
        self._filled.set()

    async def get(self) -> ClientEvent | None:
        """The next event; None after the last. Raises what `end` was given, when all before it was read."""
        while not self._events and not self._ended:
            self._filled.clear()
            await self._filled.wait()
        if not self._events:
            if self._error is not None:
                raise self._error
            return None
        number, event = self._events.popitem(last=False)
        if (kind := _kind(event)) is not None:
            self._leave(kind, number)
        if len(self._events) < self._size:
            self._drained.set()
        return event

    async def room(self) -> None:
        """Wait until the reader has made room. Nothing is lost meanwhile: it waits in the connection."""
        await self._drained.wait()

    def end(self, error: BaseException | None = None) -> None:
        """There will be no more. What is there can still be read."""
        if not self._ended:
            self._ended, self._error = True, error
        self._filled.set()

    def _enter(self, kind: Hashable, number: int) -> None:
        of_kind = self._kinds.setdefault(kind, OrderedDict())
        of_kind[number] = None
        if len(of_kind) > 1:
            self._crowded[kind] = None

    def _leave(self, kind: Hashable, number: int) -> None:
        of_kind = self._kinds[kind]
        del of_kind[number]
        if len(of_kind) < 2:
            self._crowded.pop(kind, None)
        if not of_kind:
            del self._kinds[kind]

    def _drop_one(self) -> None:
        """The oldest of a crowded kind goes; what it stood for is counted in the next of its kind."""
        kind = next(iter(self._crowded))
        oldest, successor = list(self._kinds[kind])[:2]
        dropped, kept = self._events.pop(oldest), self._events[successor]
        if isinstance(dropped, Event) and isinstance(kept, Event):
            skipped = kept.skipped + dropped.skipped + 1
            self._events[successor] = msgspec.structs.replace(kept, skipped=skipped)
        self._leave(kind, oldest)


def _kind(event: ClientEvent) -> Hashable | None:
    """What the latest of which stands for all; None for what must not be dropped."""
    if isinstance(event, Condition):
        return "condition"
    if not isinstance(event, Event):
        return None
    if event.event == WAVEFORM:
        data = event.data
        said = data.get if isinstance(data, Mapping) else lambda name: getattr(data, name, None)
        return "waveform", event.room, said("device_id"), said("signal")
    if isinstance(event.data, PatientVitals):
        vitals = frozenset(vital for vital in Vital if getattr(event.data, vital) is not UNSET)
        if vitals and vitals <= CONTINUOUS:
            return event.room, event.data.patient_id, event.data.device_id, vitals, event.test, event.late
    return None
