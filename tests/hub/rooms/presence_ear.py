"""Who hears presence in tests."""

from hub.rooms.messages import RoomAddress
from hub.rooms.presence import Activity


class Ear:
    """A watcher that remembers."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def present(self, address: RoomAddress, users: dict[str, Activity]) -> None:
        self.heard.append((address.room, dict(users)))

    def presence_changed(self, address: RoomAddress, user: str, status: Activity | None) -> None:
        self.heard.append((address.room, user, status))
