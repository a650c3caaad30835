"""A client that follows a patient through every loss: it reconnects, resumes each room where it stood, and keeps what it was told."""

import asyncio
import json
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

import websockets

RETRY_SECONDS = 0.2


@dataclass(slots=True)
class Follower:
    """`events` counts each event of a room by its id; `gaps` are what it was told to be missing; `silent` what it was not told."""

    url: str
    rooms: tuple[str, ...]
    events: dict[str, Counter[str]] = field(default_factory=dict)
    data: dict[str, dict] = field(default_factory=dict)
    gaps: list[dict] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)
    connections: int = 0
    _positions: dict[str, dict] = field(default_factory=dict)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            with suppress(OSError, websockets.WebSocketException, TimeoutError):
                async with websockets.connect(self.url, open_timeout=2) as socket:
                    self.connections += 1
                    await self._follow(socket)
            await asyncio.sleep(RETRY_SECONDS)

    async def wait_for(self, seen: str, *, seconds: float) -> None:
        """Until some event's data holds that text. Fails after `seconds`."""
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(lambda: any(seen in json.dumps(data) for data in self.data.values()))

    async def _follow(self, socket: websockets.ClientConnection) -> None:
        for room in self.rooms:
            await self._subscribe(socket, room)
        async for text in socket:
            message = json.loads(text)
            match message["type"]:
                case "ping":
                    await socket.send('{"type": "pong"}')
                case "subscription":
                    self._stand(message)
                case "error" if message["code"] == "unavailable":
                    await asyncio.sleep(RETRY_SECONDS)
                    await self._subscribe(socket, message["room"])
                case _:
                    await self._take(message)

    async def _subscribe(self, socket: websockets.ClientConnection, room: str) -> None:
        since = {"since": self._positions[room]} if room in self._positions else {}
        await socket.send(json.dumps({"type": "subscribe", "room": room} | since))

    def _stand(self, message: dict) -> None:
        """A subscription holds: recovered and then what was missed follows, or the gap is told and we stand where it says."""
        room = message["room"]
        known = self._positions.get(room)
        if missing := message.get("missing"):
            self.gaps.append({"room": room, **missing})
        elif known and not message["recovered"]:
            self.silent.append(f"{room}: resumed at {known}, neither recovered nor a gap")
        after = message["offset"] - message["replayed"]
        if message["recovered"] and known and known["offset"] != after:
            self.silent.append(f"{room}: {message['replayed']} replayed do not join {known} to {message['offset']}")
        self._positions[room] = {"epoch": message["epoch"], "offset": after}

    async def _take(self, message: dict) -> None:
        room, position = message["room"], self._positions[message["room"]]
        if (message["epoch"], message["offset"]) != (position["epoch"], position["offset"] + 1):
            self.silent.append(f"{room}: {message['offset']} of {message['epoch']} after {position}")
        self._positions[room] = {"epoch": message["epoch"], "offset": message["offset"]}
        self.events.setdefault(room, Counter())[message["event_id"]] += 1
        self.data[message["event_id"]] = message["data"]
        async with self._changed:
            self._changed.notify_all()
