"""The live side of all the rooms' Redis servers: one pub/sub line to each master, and a canary through each.

Any line's end is the end of the whole, and so is another master or another place of the rooms: whoever follows them makes a new
one, and reads the Streams again.
"""

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Final

from hub.errors import RoomsUnavailable
from hub.rooms.layout import Layout
from hub.rooms.line import Line
from hub.rooms.servers import Servers, script_text

CANARY_KEPT_SECONDS: Final = 60


class Subscription:
    """Passes what is published on its channels to `received(channel, payload)`. Every wait raises RoomsUnavailable at the end.

    `canary` begins the names of the channels of its own. Call `connect`, then run `works` side by side.
    """

    def __init__(self, servers: Servers, received: Callable[[str, bytes], None], *, canary: str) -> None:
        self._servers = servers
        self._received = received
        self._canary = canary
        self._script = servers.script(script_text("canary.lua"))
        self._layout = Layout(shards=())
        self._lines: list[Line] = []
        self._canaries: list[str] = []
        self._echoes: dict[bytes, asyncio.Event] = {}

    async def connect(self) -> None:
        self._layout = layout = await self._servers.refresh()
        for shard in layout.shards:
            connection = self._servers.connection(shard.master)
            self._lines.append(Line(connection, self._take, sharded=self._servers.is_sharded))
        for line in self._lines:
            await line.connect()
        self._canaries = [layout.name_on(shard, self._canary) for shard in layout.shards]
        self.request(self._canaries)

    def works(self) -> Sequence[tuple[str, Coroutine[object, object, None]]]:
        """What must run for as long as it is used, each with its name; each raises RoomsUnavailable when a line ends."""
        return [
            (f"rooms-{name}", work)
            for line in self._lines
            for name, work in (("listener", line.listen()), ("sender", line.send()))
        ]

    def request(self, channels: Sequence[str]) -> None:
        """Ask for channels; `confirmed` says when they hold."""
        for line, names in self._by_line(channels):
            line.request(names)

    def withdraw(self, channels: Sequence[str]) -> None:
        """Ask for no more of channels."""
        for line, names in self._by_line(channels):
            line.withdraw(names)

    async def confirmed(self, channels: Iterable[str]) -> None:
        """Return when Redis has confirmed all these channels."""
        for line, names in self._by_line([*channels]):
            await line.confirmed(names)

    async def echo(self) -> None:
        """Return when a canary has come back from every master, and each still is the one that the others name."""
        if (await self._servers.refresh()).places != self._layout.places:
            raise RoomsUnavailable("rooms are on another Redis server now; subscribing again")
        await self.confirmed(self._canaries)
        for channel in self._canaries:
            await self._echo(channel)

    async def close(self) -> None:
        """End the lines, and every wait on them."""
        for line in self._lines:
            await line.close()

    async def _echo(self, channel: str) -> None:
        token = secrets.token_hex(8)
        event = self._echoes[token.encode()] = asyncio.Event()
        try:
            await self._servers.run(self._script, [channel], [token, CANARY_KEPT_SECONDS * 1000], acknowledged=True)
            await event.wait()
        finally:
            self._echoes.pop(token.encode(), None)

    def _by_line(self, channels: Sequence[str]) -> Iterable[tuple[Line, list[str]]]:
        places = {shard.master: line for shard, line in zip(self._layout.shards, self._lines, strict=True)}
        groups: defaultdict[Line, list[str]] = defaultdict(list)
        for channel in channels:
            groups[places[self._layout.shard_of(channel).master]].append(channel)
        return groups.items()

    def _take(self, channel: str, payload: bytes) -> None:
        if channel not in self._canaries:
            self._received(channel, payload)
        elif (event := self._echoes.get(payload)) is not None:
            event.set()
