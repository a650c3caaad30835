"""One room that someone on this node watches: where it stands, who follows it, who is still being let in, and who was cut off.

Messages from both sides, live and read, come in by `accept`, in any order and more than once; they go out in the order of their
offsets, each once. Whoever follows a room is at its position. A gap cuts its followers off: what comes after it is kept for
them until they have been told of the gap and given the room's latest state, in one piece with what was kept.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Generic, Protocol, TypeVar

import msgspec

from hub.rooms.messages import NOWHERE, Gap, Message, Position, RoomAddress, RoomTop
from vitals.rooms import is_live_only

Frame_contra = TypeVar("Frame_contra", contravariant=True)
Frame = TypeVar("Frame")
MAX_PENDING: Final = 1000


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A room that a subscriber asks for: from `since` on, or from now on; `snapshot` where its latest state is wanted too."""

    address: RoomAddress
    since: Position | None = None
    snapshot: bool = False


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A room's latest state at N = `n`, as JSON. Messages of `epoch` up to `n` are in it, among them all up to `position`."""

    position: Position
    n: int
    state: msgspec.Raw


class Joined(msgspec.Struct, frozen=True, kw_only=True):
    """A subscription that holds from now on: the next message delivered is the one after `position`, once `messages` are seen.

    `messages` are those after the `since` that was asked for. Where some of them are gone, `gap` says which: then `messages` is
    empty, and `snapshot` is the state to go on from; None where the kind of room has none, or where it can't be had now.
    """

    address: RoomAddress
    position: Position
    n: int
    messages: tuple[Message, ...] = ()
    gap: Gap | None = None
    snapshot: Snapshot | None = None


Announce = Callable[[Joined], None]


class Subscriber(Protocol[Frame_contra]):
    """One client. Its methods are called from the event loop and must neither wait nor raise."""

    def deliver(self, frame: Frame_contra) -> None:
        """The next message of a joined room."""

    def deliver_live(self, frame: Frame_contra) -> None:
        """A message of a joined room that remembers nothing; it may be left out."""

    def missed(self, joined: Joined) -> None:
        """Messages of a joined room are gone (`joined.gap`); the next delivered one is the one after `joined.position`."""


class Entrant(Generic[Frame]):
    """A subscriber on its way into one room. `arrived` is what the room has passed on since it was last cleared."""

    def __init__(self, wanted: Wanted, subscriber: Subscriber[Frame]) -> None:
        self.wanted = wanted
        self.subscriber = subscriber
        self.arrived: list[Message] = []


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """Where a room stood. `generation` tells whether it has skipped anything since."""

    position: Position
    record_epoch: int
    n: int
    generation: int


class Watched(Generic[Frame]):
    """Whoever is in `cut_off` is to be told `gap`, by `mend`."""

    def __init__(self, address: RoomAddress, frame: Callable[[Message], Frame]) -> None:
        self.address = address
        self.is_live_only = is_live_only(address.room)
        self.position: Position | None = NOWHERE if self.is_live_only else None
        self.record_epoch = 0
        self.n = 0
        self.subscribers: dict[Subscriber[Frame], None] = {}
        self.entering: dict[Entrant[Frame], None] = {}
        self.cut_off: dict[Subscriber[Frame], None] = {}
        self.behind = False
        self.reading = asyncio.Lock()
        self._generation = 0
        self._gap: Gap | None = None
        self._kept: list[Message] = []
        self._pending: list[Message] = []
        self._frame = frame

    @property
    def idle(self) -> bool:
        return not self.subscribers and not self.entering and not self.cut_off

    def holds(self, subscriber: Subscriber[Frame]) -> bool:
        """Whether a subscription holds; whoever was cut off still has one."""
        return subscriber in self.subscribers or subscriber in self.cut_off

    def drop(self, subscriber: Subscriber[Frame]) -> None:
        """End a subscription, also one that is being made."""
        self.subscribers.pop(subscriber, None)
        self.cut_off.pop(subscriber, None)
        for entrant in [entrant for entrant in self.entering if entrant.subscriber is subscriber]:
            del self.entering[entrant]
        self._forget_gap()

    def mark(self) -> Mark:
        """Where the room stands."""
        assert self.position is not None  # noqa: S101 - who asks has waited for it
        return Mark(position=self.position, record_epoch=self.record_epoch, n=self.n, generation=self._generation)

    def stands_since(self, mark: Mark) -> bool:
        """Whether all messages after `mark` were passed on without a break."""
        return mark.generation == self._generation

    def start(self, top: RoomTop) -> None:
        """The first position; messages that came before it was known follow."""
        self.position, self.record_epoch, self.n = top.position, top.record_epoch, top.n
        pending, self._pending = self._pending, []
        for message in pending:
            self.accept(message)

    def accept(self, message: Message) -> None:
        """A message from either side. Sets `behind` when the Stream must be read."""
        if self.position is None:
            self._pending.append(message)
            if len(self._pending) > MAX_PENDING:
                self._pending.clear()
                self.behind = True
        elif message.epoch != self.position.epoch:  # delivery rule 24: epoch first
            self.behind = True
        elif message.offset == self.position.offset + 1:
            self.position, self.n = message.position, message.n
            self._pass_on(message)
        elif message.offset > self.position.offset:
            self.behind = True

    def skip(self, gap: Gap) -> None:
        """Go on after a gap, with what the history still has. Whoever follows the room is cut off."""
        kept = gap.messages[0].offset - 1 if gap.messages else gap.top.offset
        self._gap = _widened(self._gap, gap)
        self._generation += 1
        self.position = Position(epoch=gap.top.epoch, offset=kept)
        self.record_epoch, self.n = gap.top.record_epoch, gap.top.n
        self.cut_off |= self.subscribers
        self.subscribers.clear()
        self._kept.clear()
        for message in gap.messages:
            self.accept(message)
        self._forget_gap()

    def mend(self, snapshot: Snapshot | None) -> None:
        """Tell those who were cut off of the gap, and let them follow again."""
        if self._gap is None:
            return
        shown = [message for message in self._kept if snapshot is None or message.n > snapshot.n]
        joined = msgspec.structs.replace(self.joined(before=shown), gap=self._gap, snapshot=snapshot)
        frames = [self._frame(message) for message in shown]
        for subscriber in tuple(self.cut_off):
            del self.cut_off[subscriber]
            self.subscribers[subscriber] = None
            subscriber.missed(joined)
            for frame in frames:
                subscriber.deliver(frame)
        self._forget_gap()

    def pass_on_live(self, message: Message) -> None:
        """Give a message without a place to everybody here."""
        frame = self._frame(message)
        for subscriber in tuple(self.subscribers):
            subscriber.deliver_live(frame)

    def joined(self, *, before: Sequence[Message] = ()) -> Joined:
        """The room's position, or the one just before messages that are still to be delivered."""
        assert self.position is not None  # noqa: S101 - who asks has waited for it
        if not before:
            return Joined(address=self.address, position=self.position, n=self.n)
        position = Position(epoch=before[0].epoch, offset=before[0].offset - 1)
        return Joined(address=self.address, position=position, n=before[0].n - 1)

    def admit(self, entrant: Entrant[Frame], joined: Joined, announce: Announce, after: Sequence[Message] = ()) -> None:
        """Let an entrant follow from here on; `after` are those after `joined.position` that the room has had already."""
        del self.entering[entrant]
        self.cut_off.pop(entrant.subscriber, None)
        self.subscribers[entrant.subscriber] = None
        self._forget_gap()
        announce(joined)
        for message in after:
            entrant.subscriber.deliver(self._frame(message))

    def _pass_on(self, message: Message) -> None:
        for entrant in self.entering:
            entrant.arrived.append(message)
        if self.cut_off:
            self._kept.append(message)
        if self.subscribers:
            frame = self._frame(message)
            for subscriber in tuple(self.subscribers):
                subscriber.deliver(frame)

    def _forget_gap(self) -> None:
        if not self.cut_off:
            self._gap = None
            self._kept = []


def _widened(earlier: Gap | None, gap: Gap) -> Gap:
    """A gap that covers also an earlier one, of which nobody has been told."""
    if earlier is None or gap.first is None:
        return gap
    if earlier.first is None:
        return msgspec.structs.replace(gap, first=None, last=None)
    return msgspec.structs.replace(gap, first=earlier.first)
