"""One pub/sub connection to Redis, without the client library's silent reconnection: when it ends, it says so.

Redis answers SUBSCRIBE and UNSUBSCRIBE of one connection in order, so a channel counts as subscribed when as many
confirmations came as were asked for.
"""

import asyncio
import math
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from hub.errors import RoomsUnavailable

CHANNELS_A_COMMAND: Final = 256


class Subscription:
    """Passes what is published on its channels to `received(channel, payload)`. Every wait raises RoomsUnavailable at the connection's end."""

    def __init__(self, client: "Redis", received: Callable[[str, bytes], None]) -> None:
        self._client = client
        self._received = received
        pool = client.connection_pool
        self._connection = pool.connection_class(**pool.connection_kwargs | {"socket_timeout": None})
        self._commands: asyncio.Queue[tuple[str, list[str]]] = asyncio.Queue()
        self._due: Counter[str] = Counter()
        self._confirmed: dict[str, asyncio.Event] = {}
        self._echoes: dict[bytes, asyncio.Event] = {}
        self._closed = False

    async def connect(self) -> None:
        try:
            await self._connection.connect()  # type: ignore[no-untyped-call]
        except (RedisError, OSError) as error:
            raise RoomsUnavailable(f"can't connect to Redis ({type(error).__name__})") from error

    async def listen(self) -> None:
        """Receive until the connection ends, which raises RoomsUnavailable."""
        try:
            while True:
                answer = await self._connection.read_response(timeout=math.inf)
                self._take(answer)
        except (RedisError, OSError) as error:
            raise RoomsUnavailable(f"the connection to Redis was lost ({type(error).__name__})") from error

    async def send(self) -> None:
        """Send what `request` and `withdraw` ask for, until the connection ends."""
        try:
            while True:
                command, channels = await self._commands.get()
                await self._connection.send_command(command, *channels, check_health=False)
        except (RedisError, OSError) as error:
            raise RoomsUnavailable(f"the connection to Redis was lost ({type(error).__name__})") from error

    def request(self, channels: Sequence[str]) -> None:
        """Ask for channels; `confirmed` says when they hold."""
        for channel in channels:
            self._due[channel] += 1
            self._confirmed.setdefault(channel, asyncio.Event()).clear()
        self._command("SUBSCRIBE", channels)

    def withdraw(self, channels: Sequence[str]) -> None:
        """Ask for no more of channels."""
        for channel in channels:
            self._confirmed.pop(channel, asyncio.Event()).set()
        self._command("UNSUBSCRIBE", channels)

    async def confirmed(self, channels: Iterable[str]) -> None:
        """Return when Redis has confirmed all these channels."""
        for channel in channels:
            if (event := self._confirmed.get(channel)) is not None:
                await event.wait()
        if self._closed:
            raise RoomsUnavailable("the connection to Redis was lost; subscribe again")

    async def echo(self, channel: str) -> None:
        """Publish a canary on `channel` and return when it has come back on this connection."""
        token = secrets.token_hex(8).encode()
        event = self._echoes[token] = asyncio.Event()
        try:
            await self._client.publish(channel, token)
            await event.wait()
        except (RedisError, OSError) as error:
            raise RoomsUnavailable(f"Redis does not answer ({type(error).__name__})") from error
        finally:
            self._echoes.pop(token, None)

    async def close(self) -> None:
        """End the connection, and every wait on it."""
        self._closed = True
        for event in self._confirmed.values():
            event.set()
        await self._connection.disconnect(nowait=True)

    def _command(self, command: str, channels: Sequence[str]) -> None:
        for start in range(0, len(channels), CHANNELS_A_COMMAND):
            self._commands.put_nowait((command, [*channels[start : start + CHANNELS_A_COMMAND]]))

    def _take(self, answer: list[bytes]) -> None:
        kind, channel, payload = answer
        if kind == b"message":
            if (event := self._echoes.get(payload)) is not None:
                event.set()
                return
            self._received(channel.decode(), payload)
        elif kind == b"subscribe":
            self._confirm(channel.decode())

    def _confirm(self, channel: str) -> None:
        self._due[channel] -= 1
        if self._due[channel] <= 0:
            del self._due[channel]
            if (event := self._confirmed.get(channel)) is not None:
                event.set()
