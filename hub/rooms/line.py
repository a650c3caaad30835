"""One pub/sub connection to one Redis server, without the client library's silent reconnection: when it ends, it says so.

Redis answers the subscribing commands of one connection in order, so a channel counts as subscribed when as many confirmations came
as were asked for. A sharded channel that its server gives up unasked has moved to another: that ends the line too.
"""

import asyncio
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from redis.asyncio.connection import AbstractConnection
from redis.crc import key_slot
from redis.exceptions import RedisError

from hub.errors import RoomsUnavailable
from hub.rooms.connections import reason, server_of

CHANNELS_A_COMMAND: Final = 256


class Line:
    """Passes what is published on its channels to `received(channel, payload)`. Every wait raises RoomsUnavailable at the connection's end."""

    def __init__(
        self, connection: AbstractConnection, received: Callable[[str, bytes], None], *, sharded: bool
    ) -> None:
        self._connection = connection
        self._received = received
        self._sharded = sharded
        self._commands: asyncio.Queue[tuple[str, list[str]]] = asyncio.Queue()
        self._due: Counter[str] = Counter()
        self._leaving: Counter[str] = Counter()
        self._confirmed: dict[str, asyncio.Event] = {}
        self._closed = False

    async def connect(self) -> None:
        try:
            await self._connection.connect()  # type: ignore[no-untyped-call]
        except (RedisError, OSError) as error:
            raise RoomsUnavailable(
                f"can't connect to Redis at {server_of(self._connection)} ({reason(error)})"
            ) from error

    async def listen(self) -> None:
        """Receive until the connection ends, which raises RoomsUnavailable."""
        try:
            while True:
                answer = await self._connection.read_response(timeout=math.inf)
                self.take(answer)
        except (RedisError, OSError) as error:
            raise self._lost(error) from error

    async def send(self) -> None:
        """Send what `request` and `withdraw` ask for, until the connection ends."""
        try:
            while True:
                command, channels = await self._commands.get()
                await self._connection.send_command(command, *channels, check_health=False)
        except (RedisError, OSError) as error:
            raise self._lost(error) from error

    def request(self, channels: Sequence[str]) -> None:
        """Ask for channels; `confirmed` says when they hold."""
        for channel in channels:
            self._due[channel] += 1
            self._confirmed.setdefault(channel, asyncio.Event()).clear()
        self._command("SUBSCRIBE", channels)

    def withdraw(self, channels: Sequence[str]) -> None:
        """Ask for no more of channels."""
        for channel in channels:
            self._leaving[channel] += 1
            self._confirmed.pop(channel, asyncio.Event()).set()
        self._command("UNSUBSCRIBE", channels)

    async def confirmed(self, channels: Iterable[str]) -> None:
        """Return when Redis has confirmed all these channels."""
        for channel in channels:
            if (event := self._confirmed.get(channel)) is not None:
                await event.wait()
        if self._closed:
            raise RoomsUnavailable("the connection to Redis was lost; subscribe again")

    def take(self, answer: list[bytes]) -> None:
        """One answer of Redis. Raises RoomsUnavailable for a channel that has moved."""
        kind, name, payload = answer
        channel = name.decode()
        match kind.removeprefix(b"s") if self._sharded else kind:
            case b"message":
                self._received(channel, payload)
            case b"subscribe":
                self._confirm(channel)
            case b"unsubscribe":
                self._leave(channel)

    async def close(self) -> None:
        """End the connection, and every wait on it."""
        self._closed = True
        for event in self._confirmed.values():
            event.set()
        await self._connection.disconnect(nowait=True)

    def _lost(self, error: Exception) -> RoomsUnavailable:
        return RoomsUnavailable(f"the connection to Redis at {server_of(self._connection)} was lost ({reason(error)})")

    def _command(self, command: str, channels: Sequence[str]) -> None:
        for group in self._groups(channels):
            for start in range(0, len(group), CHANNELS_A_COMMAND):
                name = f"S{command}" if self._sharded else command
                self._commands.put_nowait((name, [*group[start : start + CHANNELS_A_COMMAND]]))

    def _groups(self, channels: Sequence[str]) -> Iterable[Sequence[str]]:
        """Sharded channels of one command are of one hash slot."""
        if not self._sharded:
            return [channels]
        slots: defaultdict[int, list[str]] = defaultdict(list)
        for channel in channels:
            slots[key_slot(channel.encode())].append(channel)
        return slots.values()

    def _confirm(self, channel: str) -> None:
        self._due[channel] -= 1
        if self._due[channel] <= 0:
            del self._due[channel]
            if (event := self._confirmed.get(channel)) is not None:
                event.set()

    def _leave(self, channel: str) -> None:
        self._leaving[channel] -= 1
        if self._leaving[channel] < 0:
            raise RoomsUnavailable("rooms have moved to another server of the Redis Cluster; subscribing again")
        if not self._leaving[channel]:
            del self._leaving[channel]
