"""A client that follows rooms through any fault, as a careful client would: it reconnects, resumes each room from where it stands,
and believes itself complete only between its positions. What it is told is missing is a gap; what it isn't told is a fault."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

import websockets
from websockets.exceptions import WebSocketException

from tests.end_to_end.ledger_of_road import RecordSeen
from tests.end_to_end.road import Road
from tests.support.waiting import eventually

WAIT_SECONDS = 40
PAUSE_SECONDS = 0.2  # between a client's attempts: its own back-off


@dataclass(slots=True, kw_only=True)
class RoomSeen:
    """One room as the client saw it: every N with its message, in order, and the gaps, as the N before and the N after each."""

    first_n: int | None = None
    epoch: str = ""
    offset: int = 0
    messages: dict[int, dict[str, Any]] = field(default_factory=dict)
    events: Counter[str] = field(default_factory=Counter)
    gaps: list[tuple[int, int | None]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def last_n(self) -> int:
        return max(self.messages, default=self.first_n or 0)

    def subscribed(self, answer: dict[str, Any]) -> None:
        """A subscription holds: for the first time, recovered, or with a gap."""
        if self.first_n is None:
            self.first_n = answer["n"]
        elif answer["recovered"]:
            if self.offset != answer["offset"] - answer["replayed"]:
                self.faults.append(f"{answer['replayed']} replayed do not join {self.offset} to {answer['offset']}")
            return
        else:
            if "missing" not in answer:
                self.faults.append("a subscription that recovered nothing does not say what is missing")
            self.gaps.append((self.last_n, None))
        self.epoch, self.offset = answer["epoch"], answer["offset"]

    def message(self, message: dict[str, Any]) -> None:
        n, epoch, offset = message["n"], message["epoch"], message["offset"]
        if (epoch, offset) != (self.epoch, self.offset + 1):
            self.faults.append(f"after {self.offset} of {self.epoch} came {offset} of {epoch}, and no word of a gap")
        self.epoch, self.offset = epoch, offset
        if self.gaps and self.gaps[-1][1] is None:
            self.gaps[-1] = (self.gaps[-1][0], n)
        if n in self.messages and not self.gaps:
            self.faults.append(f"N {n} came twice")
        self.messages[n] = message
        self.events[message["event_id"]] += 1

    def has_reached(self, n: int) -> bool:
        """Whether it has seen everything up to N, or knows that it has not."""
        return self.last_n >= n or any(after is None for _, after in self.gaps)

    def missed(self, expected: Iterable[int]) -> list[int]:
        """Those of `expected` that it should have seen, did not see, and was not told of."""
        declared = [(before, after if after is not None else float("inf")) for before, after in self.gaps]
        return [
            n
            for n in expected
            if n not in self.messages
            and n > (self.first_n or 0)
            and not any(before < n < after for before, after in declared)
        ]

    def repeated(self) -> list[str]:
        """Events that it saw twice and was not told why."""
        return [] if self.gaps else [event for event, times in self.events.items() if times > 1]

    def faults_beside(self, expected: Iterable[int]) -> list[str]:
        """All that is wrong, where it should have seen `expected`."""
        missed = [f"never saw N {n}" for n in self.missed(expected)]
        return [*self.faults, *missed, *(f"saw event {event} twice" for event in self.repeated())]


class Watcher:
    """One WebSocket at a time, in `rooms`; `run` until cancelled."""

    def __init__(self, road: Road, *rooms: str) -> None:
        self.rooms: dict[str, RoomSeen] = {room: RoomSeen() for room in rooms}
        self.connections = 0
        self.faults: list[str] = []
        self._road = road
        self._may_connect = asyncio.Event()
        self._may_connect.set()
        self._socket: websockets.ClientConnection | None = None

    @property
    def stands(self) -> bool:
        """Whether every room was subscribed to at least once."""
        return all(room.first_n is not None for room in self.rooms.values())

    @asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        """Its network is gone for a while."""
        self._may_connect.clear()
        if self._socket is not None:
            await self._socket.close()
        yield
        self._may_connect.set()

    async def run(self) -> None:
        while True:
            await self._may_connect.wait()
            try:
                async with websockets.connect(f"{self._road.live}/ws?token={self._road.token}") as socket:
                    self.connections += 1
                    self._socket = socket
                    await self._follow(socket)
            except (OSError, TimeoutError, WebSocketException):
                await asyncio.sleep(PAUSE_SECONDS)

    async def _follow(self, socket: websockets.ClientConnection) -> None:
        await socket.send(json.dumps({"type": "subscribe", "rooms": [self._wanted(room) for room in self.rooms]}))
        async for text in socket:
            await self._take(socket, json.loads(text))

    async def _take(self, socket: websockets.ClientConnection, message: dict[str, Any]) -> None:
        match message["type"]:
            case "subscription":
                self.rooms[message["room"]].subscribed(message)
            case "ping":
                await socket.send(json.dumps({"type": "pong"}))
            case "error" if message["code"] == "unavailable":
                await asyncio.sleep(PAUSE_SECONDS)
                await socket.send(json.dumps({"type": "subscribe", **self._wanted(message["room"])}))
            case "error":
                self.faults.append(f"{message['code']}: {message['message']}")
            case _:
                self.rooms[message["room"]].message(message)

    def _wanted(self, room: str) -> dict[str, Any]:
        seen = self.rooms[room]
        since = {"epoch": seen.epoch, "offset": seen.offset}
        return {"room": room} if seen.first_n is None else {"room": room, "since": since}


@asynccontextmanager
async def watchers(road: Road) -> AsyncIterator[dict[str, Watcher]]:
    """A client for each patient, in the rooms of vitals and alerts, once all of them are subscribed."""
    watching = {patient: Watcher(road, *rooms_of(patient)) for patient in road.patients}
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(watcher.run()) for watcher in watching.values()]
        await eventually(lambda: all(watcher.stands for watcher in watching.values()), seconds=WAIT_SECONDS)
        yield watching
        for task in running:
            task.cancel()


def rooms_of(patient: str) -> tuple[str, str]:
    return f"patient:{patient}:vitals", f"patient:{patient}:alerts"


async def come_so_far(watching: Mapping[str, Watcher], record: RecordSeen) -> None:
    """Wait until every client has come as far as the record, or knows that it has not."""
    for patient, watcher in watching.items():
        for name, expected in _expected(patient, record).items():
            room, last = watcher.rooms[name], max(expected, default=0)
            await eventually(partial(room.has_reached, last), seconds=WAIT_SECONDS)


def wrongly_seen(watching: Mapping[str, Watcher], record: RecordSeen) -> list[str]:
    """What a client missed without being told, saw twice, or saw otherwise than it is recorded."""
    faults = [fault for watcher in watching.values() for fault in watcher.faults]
    for patient, watcher in watching.items():
        for name, expected in _expected(patient, record).items():
            faults += [f"{name}: {fault}" for fault in watcher.rooms[name].faults_beside(expected)]
    return faults + _otherwise_seen(watching, record)


def _expected(patient: str, record: RecordSeen) -> dict[str, list[int]]:
    vitals, alerts = rooms_of(patient)
    return {vitals: record.numbers_of(patient), alerts: record.alerts_of(patient)}


def _otherwise_seen(watching: Mapping[str, Watcher], record: RecordSeen) -> list[str]:
    """A message of vitals carries the reading that has its N: that device's, measured then."""
    return [
        f"N {reading.n_vitals} is of {message['data']['device_id']}, recorded of {reading.device_id}"
        for reading in record.readings
        if (
            message := watching[reading.patient_id]
            .rooms[rooms_of(reading.patient_id)[0]]
            .messages.get(reading.n_vitals)
        )
        and (message["data"]["device_id"], _instant(message["data"]["timestamp"]))
        != (reading.device_id, reading.measured)
    ]


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
