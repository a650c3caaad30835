"""The serving nodes that live, and the figures each gives of itself, in Redis under a short lease."""

from collections.abc import Mapping
from typing import Final

from hub.limits import Limits
from hub.rooms.scripts import Script
from hub.rooms.servers import Servers

_KEY: Final = "bedside:{nodes}:figures"


class Nodes:
    """As `name` says and sees it; `seen` is how many lived when it last looked. Every method raises RoomsUnavailable while Redis does not answer."""

    def __init__(self, servers: Servers, limits: Limits, *, name: str) -> None:
        self._script = Script(servers, "nodes.lua")
        self._lease = int(limits.node_lease_seconds * 1000)
        self._name = name
        self.seen = 0

    async def live(self, figures: bytes | None = None) -> bool:
        """Say that this node lives, until the lease ends, and its figures where they have changed; False where they are lost."""
        answer = await self._script(_KEY, [self._name, self._lease, figures or b"", ""])
        self.seen = len(answer) // 2
        return (self._name.encode(), b"1") in zip(answer[::2], answer[1::2], strict=True)

    async def stop(self) -> None:
        """Say that this node stops."""
        await self._script(_KEY, [self._name, 0, b"", ""])

    async def living(self) -> list[str]:
        """Every node that lives."""
        answer = await self._script(_KEY, ["", 0, b"", ""])
        return [name.decode() for name in answer[::2]]

    async def figures(self) -> Mapping[str, bytes]:
        """What every other node that lives has said of itself; empty bytes where it has said nothing yet."""
        answer = await self._script(_KEY, ["", 0, b"", "figures"])
        said = {name.decode(): figures for name, figures in zip(answer[::2], answer[1::2], strict=True)}
        said.pop(self._name, None)
        return said
