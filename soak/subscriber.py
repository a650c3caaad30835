"""A subscriber that believes only what the contract promises, and writes down where that does not hold.

For each room: what follows a position has the next offset, in the same epoch; after a gap or a snapshot everything above its N comes,
once and in the order of N; and no state is older than what was shown before it.
"""

from dataclasses import dataclass, field

import msgspec

from hub.rooms.messages import Message, Position, RoomAddress
from hub.rooms.watched import Joined


@dataclass(slots=True)
class View:
    """What a client knows of one room: it has everything after N `floor` in `shown`, up to `position`."""

    position: Position
    floor: int
    shown: list[int] = field(default_factory=list)
    newest: tuple[int, int] = (0, 0)  # record epoch and N of what was shown last


class Subscriber:
    """`views` outlive connections. `faults` are sentences, each a promise that was broken."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.views: dict[RoomAddress, View] = {}
        self.joined: set[RoomAddress] = set()
        self.faults: list[str] = []
        self.gaps = 0
        self._rooms: dict[str, RoomAddress] = {}

    def deliver(self, frame: Message) -> None:
        view = self.views[self._rooms[frame.room]]
        expected = Position(epoch=view.position.epoch, offset=view.position.offset + 1)
        if frame.position != expected:
            self._fault(frame.room, f"{frame.position} came where {expected} was due")
        view.position = frame.position
        self._show(view, frame)

    def deliver_live(self, frame: Message) -> None:
        self._fault(frame.room, "a live-only message came to a room that remembers")

    def missed(self, joined: Joined) -> None:
        self._begin(joined)

    def announce(self, joined: Joined, since: Position | None) -> None:
        """A subscription holds."""
        self.joined.add(joined.address)
        self._rooms[joined.address.room] = joined.address
        if since is None or joined.gap is not None:
            self._begin(joined)
            return
        view = self.views[joined.address]
        if view.position != since:
            self._fault(joined.address.room, "it was resumed from another position than the one it was asked for")
        for message in joined.messages:
            self.deliver(message)
        if view.position != joined.position:
            self._fault(joined.address.room, f"the replay ends at {view.position}, the answer says {joined.position}")

    def check(self, address: RoomAddress, position: Position, due: list[int]) -> None:
        """When all is quiet: it stands at the top, and has every N that is due."""
        view = self.views[address]
        if view.position != position:
            self._fault(address.room, f"it stands at {view.position}, the room at {position}")
        if view.shown != due:
            lost = sorted(set(due) - set(view.shown))
            self._fault(address.room, f"after N {view.floor} it never saw {lost[:5]}, or {view.shown[-5:]} in disorder")

    def _begin(self, joined: Joined) -> None:
        """Go on from a state, or from a position alone."""
        floor = joined.n if joined.snapshot is None else joined.snapshot.n
        if joined.snapshot is not None and msgspec.json.decode(joined.snapshot.state) != {"n": floor}:
            self._fault(joined.address.room, f"a state that says to be of N {floor} is not")
        before = self.views.get(joined.address)
        newest = before.newest if before else (0, 0)
        if joined.gap is not None:
            self.gaps += 1
            if joined.snapshot is not None and (joined.gap.top.record_epoch, floor) < newest:
                self._fault(joined.address.room, f"a state of N {floor} came after {newest}")
        self.views[joined.address] = View(position=joined.position, floor=floor, newest=newest)

    def _show(self, view: View, message: Message) -> None:
        if message.n <= view.floor:
            return  # in the state that it began with
        key = message.record_epoch, message.n
        if key <= view.newest:
            self._fault(message.room, f"{key} was shown after {view.newest}")
        view.newest = key
        view.shown.append(message.n)

    def _fault(self, room: str, words: str) -> None:
        self.faults.append(f"{self.name}, {room}: {words}")
