"""Which client on the bus is subscribed to which characteristic: a client that leaves the bus is subscribed to nothing any more."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from dbus_fast import Message

NAME_OWNER_CHANGED: Final = "NameOwnerChanged"
_BUS: Final = "org.freedesktop.DBus"

Received = Callable[[bytes], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subscription:
    client: str
    received: Received


class Subscriptions:
    """By the characteristic's path. A client is its unique name on the bus."""

    def __init__(self) -> None:
        self._by_path: dict[str, _Subscription] = {}

    def add(self, path: str, *, client: str, received: Received) -> None:
        self._by_path[path] = _Subscription(client=client, received=received)

    def remove(self, path: str) -> Received | None:
        """What was to be called with the characteristic's values."""
        subscription = self._by_path.pop(path, None)
        return subscription.received if subscription else None

    def left_by(self, signal: Message) -> list[str]:
        """The paths whose client has left the bus, by what a NameOwnerChanged says."""
        name, _, after = signal.body
        return [] if after else [path for path, one in self._by_path.items() if one.client == name]


def watch_clients() -> Message:
    """Asks the bus for NameOwnerChanged."""
    rule = f"type='signal',sender='{_BUS}',member='{NAME_OWNER_CHANGED}'"
    return Message(
        destination=_BUS,
        path=f"/{_BUS.replace('.', '/')}",
        interface=_BUS,
        member="AddMatch",
        signature="s",
        body=[rule],
    )
