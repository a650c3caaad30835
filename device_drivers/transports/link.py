"""What a transport gives: a link that carries commands to one device and its events back."""

from collections.abc import AsyncIterator
from typing import Protocol

from device_drivers.sessions import Event, LinkCommand


class Link(Protocol):
    """One standing connection.

    `events` yields what the device sends, in order and at most `EVENT_QUEUE` events behind (then the link is closed: a
    device that outruns its reader by that much is broken). It ends when the link is lost or closed. `perform` raises
    `CommandFailed` when the command was refused and `LinkLost` when there is no link any more. `close` is idempotent.
    """

    def events(self) -> AsyncIterator[Event]: ...

    async def perform(self, command: LinkCommand) -> None: ...

    async def close(self) -> None: ...
