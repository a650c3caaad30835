"""Tickets and browser sessions in Redis: shared by all nodes, and gone by themselves at their end, or with Redis; then their users log in again.

Redis holds only the SHA-256 of what the client has, so that whoever reads Redis can't come in with it. Each is one key, on a Cluster too.
"""

import hashlib
from typing import Final

from hub.rooms.rooms import Rooms

_PREFIX: Final = "bedside:credential:"


def name_of(secret: str) -> str:
    """What a credential is called where it isn't kept: nobody can come in with it."""
    return hashlib.sha256(secret.encode()).hexdigest()


class CredentialStore:
    """Content by a secret that the client holds. Every method raises RoomsUnavailable while Redis does not answer."""

    def __init__(self, rooms: Rooms) -> None:
        self._servers = rooms.servers

    async def put(self, secret: str, content: bytes, *, seconds: float) -> None:
        """Keep `content` for so long."""
        key, milliseconds = _key(secret), max(1, int(seconds * 1000))
        await self._servers.led(key, lambda client, _: client.set(key, content, px=milliseconds))

    async def look(self, secret: str) -> bytes | None:
        key = _key(secret)
        return _bytes(await self._servers.led(key, lambda client, _: client.get(key)))

    async def take(self, secret: str) -> bytes | None:
        """The content, for one caller alone, however many ask at once."""
        key = _key(secret)
        return _bytes(await self._servers.led(key, lambda client, _: client.getdel(key)))

    async def remove(self, secret: str) -> None:
        key = _key(secret)
        await self._servers.led(key, lambda client, _: client.delete(key))


def _bytes(found: bytes | str | None) -> bytes | None:
    """What redis-py may answer, as bytes."""
    return found.encode() if isinstance(found, str) else found


def _key(secret: str) -> str:
    return _PREFIX + name_of(secret)
