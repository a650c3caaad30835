"""What one user may do over all nodes: messages at a rate, and connections. Keys name users by a digest, and end by themselves."""

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec

from hub.limits import Limits
from hub.rooms.scripts import Script
from hub.rooms.servers import Servers

ANSWER_SECONDS: Final = 2.0
"""What Redis gets to answer: a message waits for it."""
_ANY: Final = 1_000_000


class Granted(msgspec.Struct, frozen=True, kw_only=True):
    """`tokens` that are the caller's now; where there are none, there is one in `wait_seconds`."""

    tokens: int
    wait_seconds: float


class Quotas:
    """Quotas as `node` uses them. Every method raises RoomsUnavailable while Redis does not answer."""

    def __init__(self, servers: Servers, limits: Limits, *, node: str) -> None:
        self._rate = Script(servers, "rate.lua")
        self._connections = Script(servers, "user_connections.lua")
        self._limits = limits
        self._node = node

    async def tokens(self, user: str, most: int) -> Granted:
        """Take up to `most` tokens, each good for one message, out of the user's one bucket. What is given is never given again."""
        limits = self._limits
        arguments: list[str | int] = [str(limits.user_messages_a_second), limits.user_message_burst, most]
        given, wait = await self._rate(_key(user, "rate"), arguments, seconds=ANSWER_SECONDS)
        return Granted(tokens=given, wait_seconds=wait / 1_000_000)

    async def may_have(self, user: str, count: int, *, living: Sequence[str] = ()) -> bool:
        """Whether the user may have `count` connections here, by what they have on other nodes; where so, it is said as by `have`.

        Given the nodes that live, what others left does not count.
        """
        return await self._say(user, count, self._limits.user_connections, living)

    async def have(self, user: str, count: int) -> None:
        """Say that the user has `count` connections here, for `presence_lease_seconds`."""
        await self._say(user, count, _ANY, ())

    async def _say(self, user: str, count: int, most: int, living: Sequence[str]) -> bool:
        lease = int(self._limits.presence_lease_seconds * 1000)
        arguments: list[str | int] = [self._node, count, most, lease, *living]
        allowed, _ = await self._connections(_key(user, "connections"), arguments, seconds=ANSWER_SECONDS)
        return bool(allowed)


def _key(user: str, what: str) -> str:
    digest = hashlib.blake2b(user.encode(), digest_size=12).hexdigest()
    return f"bedside:{{user:{digest}}}:{what}"
