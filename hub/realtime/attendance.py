"""Who of this node is in which room: figures that are kept as connections change, so that asking for them costs nothing."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, Protocol

from hub.rooms.messages import RoomAddress
from hub.rooms.presence import Activity

_MOST_ACTIVE_FIRST: Final = tuple(Activity)


class Attendant(Protocol):
    """One connection of a user. `rooms` are those it is subscribed to; in those that `is_present_in` allows, others see its user."""

    rooms: dict[str, RoomAddress]
    activity: Activity

    @property
    def user(self) -> str: ...

    def is_present_in(self, room: str) -> bool: ...


class Listener(Protocol):
    """Called from the event loop; must neither wait nor raise."""

    def moved(self, attendant: Attendant, entered: Iterable[RoomAddress], left: Iterable[RoomAddress]) -> None: ...

    def gone(self, user: str) -> None: ...


class Attendance:
    """All connections of this node. `version` changes with every figure."""

    def __init__(self) -> None:
        self.version = 0
        self.rooms: Counter[RoomAddress] = Counter()
        self.listeners: list[Listener] = []
        self._rooms_of: dict[Attendant, tuple[RoomAddress, ...]] = {}
        self._of_user: dict[str, list[Attendant]] = {}

    @property
    def users(self) -> Mapping[str, int]:
        """Connections by user."""
        return {user: len(attendants) for user, attendants in self._of_user.items()}

    def connections(self, user: str) -> int:
        return len(self._of_user.get(user, ()))

    def enter(self, attendant: Attendant) -> None:
        """Take a connection in; its rooms are seen by `look`."""
        self._rooms_of[attendant] = ()
        self._of_user.setdefault(attendant.user, []).append(attendant)
        self.version += 1

    def look(self, attendant: Attendant) -> None:
        """See which rooms a connection has entered and left since the last look."""
        before = self._rooms_of.get(attendant)
        known = {address.room for address in before or ()}
        if before is None or known == attendant.rooms.keys():
            return
        self._rooms_of[attendant] = tuple(attendant.rooms.values())
        entered = [address for room, address in attendant.rooms.items() if room not in known]
        self._count(attendant, entered, [address for address in before if address.room not in attendant.rooms])

    def glance(self, attendant: Attendant) -> None:
        """Look where the number of rooms has changed."""
        if len(self._rooms_of.get(attendant, ())) != len(attendant.rooms):
            self.look(attendant)

    def leave(self, attendant: Attendant) -> None:
        """Let a connection go, out of all rooms."""
        if (before := self._rooms_of.pop(attendant, None)) is None:
            return
        others = self._of_user[attendant.user]
        others.remove(attendant)
        if not others:
            del self._of_user[attendant.user]
        self._count(attendant, (), before)
        for listener in self.listeners:
            listener.gone(attendant.user)

    def everywhere(self) -> Iterable[tuple[RoomAddress, str]]:
        """Every room that a user of this node is seen in."""
        return {
            (address, attendant.user)
            for attendant, rooms in self._rooms_of.items()
            for address in rooms
            if attendant.is_present_in(address.room)
        }

    def status(self, address: RoomAddress, user: str) -> Activity | None:
        """The most active of a user's connections that are seen in a room; None where none is."""
        seen = {
            attendant.activity
            for attendant in self._of_user.get(user, ())
            if address.room in attendant.rooms and attendant.is_present_in(address.room)
        }
        return next((status for status in _MOST_ACTIVE_FIRST if status in seen), None)

    def _count(self, attendant: Attendant, entered: Iterable[RoomAddress], left: Iterable[RoomAddress]) -> None:
        self.version += 1
        self.rooms.update(entered)
        for address in left:
            self.rooms[address] -= 1
            if not self.rooms[address]:
                del self.rooms[address]
        for listener in self.listeners:
            listener.moved(attendant, entered, left)
