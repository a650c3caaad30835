"""Clients of many nodes: each follows one room over a load balancer, and resumes where it stood whenever its connection ends."""

import asyncio
import ssl
from dataclasses import dataclass, field
from random import Random

import msgspec
import websockets

SUBSCRIBE_SECONDS = 30


@dataclass(kw_only=True)
class Follower:
    """`offsets` are those of the messages that came, in order; `outages` how long each loss lasted (s); `gaps` what was told of gaps."""

    address: str
    token: str
    room: str
    tls: ssl.SSLContext
    random: Random
    offsets: list[int] = field(default_factory=list)
    outages: list[float] = field(default_factory=list)
    gaps: list[object] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    holds: asyncio.Event = field(default_factory=asyncio.Event)
    position: dict[str, object] | None = None
    _lost_at: float | None = None

    async def follow(self) -> None:
        """Until cancelled: connect, resume, listen; after a loss again, at a random moment within a second."""
        while True:
            try:
                await self._connection()
            except (OSError, websockets.WebSocketException) as error:
                self.refusals.append(f"{type(error).__name__}: {error}")
            if self._lost_at is None and self.position is not None:
                self._lost_at = asyncio.get_running_loop().time()
            self.holds.clear()
            await asyncio.sleep(self.random.uniform(0.1, 1.0))

    async def _connection(self) -> None:
        headers = {"Authorization": f"Bearer {self.token}"}
        async with websockets.connect(
            self.address, additional_headers=headers, compression=None, ssl=self.tls, open_timeout=SUBSCRIBE_SECONDS
        ) as connection:
            since = {"since": self.position} if self.position else {}
            await connection.send(msgspec.json.encode({"type": "subscribe", "room": self.room, **since}).decode())
            async for text in connection:
                self._take(msgspec.json.decode(text))
                if not self.holds.is_set() and self.position is None:  # refused for now: the owner is about to begin
                    await asyncio.sleep(0.1)
                    await connection.send(msgspec.json.encode({"type": "subscribe", "room": self.room}).decode())

    def _take(self, message: dict[str, object]) -> None:
        if message["type"] == "subscription" and message["status"] == "subscribed":
            self._subscribed(message)
        elif message.get("room") == self.room and "offset" in message:
            self.offsets.append(int(str(message["offset"])))
            self.position = {"epoch": message["epoch"], "offset": message["offset"]}

    def _subscribed(self, answer: dict[str, object]) -> None:
        if self.position is None:
            self.position = {"epoch": answer["epoch"], "offset": answer["offset"]}
        elif not answer["recovered"]:
            self.gaps.append(answer)
        if self._lost_at is not None:
            self.outages.append(asyncio.get_running_loop().time() - self._lost_at)
            self._lost_at = None
        self.holds.set()
