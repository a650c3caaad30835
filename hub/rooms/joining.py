"""Letting a subscriber into rooms: all it missed, or the gap and the latest state, and then without a break what is live.

What a room passes on while its history or the record is read is kept for the entrant; what was read and what was kept overlap,
and together they reach without a hole to where the room stands at the instant in which the subscription begins to hold.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Generic

import msgspec

from hub.errors import RoomsUnavailable
from hub.latest import LatestReader
from hub.rooms.messages import Gap, Message, Position, Recovered, RoomAddress
from hub.rooms.rooms import Rooms
from hub.rooms.states import States, read_states
from hub.rooms.watched import Announce, Entrant, Frame, Mark, Snapshot, Watched

ATTEMPTS: Final = 5
"""How often a room is read again that was not to be had at one instant."""

ENVELOPE_BYTES: Final = 150
"""What a message's place adds to its own bytes, about."""

Outcomes = Mapping[RoomAddress, Recovered | Gap]


class _Joining(Generic[Frame]):
    """One room of one request. `given_up`: the record does not answer, so its state can't be had."""

    def __init__(self, room: Watched[Frame], entrant: Entrant[Frame]) -> None:
        self.room = room
        self.entrant = entrant
        self.given_up = False
        self._mark: Mark | None = None

    @property
    def address(self) -> RoomAddress:
        return self.room.address

    @property
    def is_due(self) -> bool:
        """Whether it can still be let in: not if it left, nor where the hospital has no epoch."""
        return self.entrant in self.room.entering and self.room.position is not None and not self.given_up

    def mark(self) -> None:
        self.entrant.arrived.clear()
        self._mark = self.room.mark()

    @property
    def since(self) -> Position | None:
        """From where on to read; nothing is missed where nothing is kept."""
        return None if self.room.is_live_only else self.entrant.wanted.since

    def wants_state(self, outcomes: Outcomes) -> bool:
        if self.room.is_live_only:
            return False
        return self.entrant.wanted.snapshot or isinstance(outcomes.get(self.address), Gap)

    def settle(self, outcomes: Outcomes, states: States, announce: Announce) -> None:
        """Let the entrant in, where all that was read fits together; else leave it due, and the room perhaps behind."""
        assert self._mark is not None  # noqa: S101 - marked before anything is read
        outcome = outcomes.get(self.address)
        if not self.room.stands_since(self._mark) or not self._reaches(outcome, self._mark):
            return
        snapshot: Snapshot | None = None
        if self.wants_state(outcomes):
            self.given_up = not states.known(self.address)
            if not states.covers(self.address, self._mark):
                return
            snapshot = states.snapshot(self.address, self._mark)
        self._admit(outcome, snapshot, announce)

    def _reaches(self, outcome: Recovered | Gap | None, mark: Mark) -> bool:
        """Whether what was read and what has arrived meet without a hole; brings the room on where it is behind what was read."""
        room = self.room
        if outcome is None or room.position is None:
            return True
        if outcome.top.epoch != room.position.epoch:
            room.behind = True
            return False
        if outcome.top.offset < mark.position.offset:  # a Redis that went back; its owner brings it on again
            return False
        for message in outcome.messages:
            room.accept(message)
        if room.position.offset < outcome.top.offset:
            room.behind = True
            return False
        return True

    def _admit(self, outcome: Recovered | Gap | None, snapshot: Snapshot | None, announce: Announce) -> None:
        room, arrived = self.room, self.entrant.arrived
        read = outcome.messages if outcome else ()
        reached = outcome.top.offset if outcome else 0
        messages = (*read, *(message for message in arrived if message.offset > reached))
        gap = outcome if isinstance(outcome, Gap) else None
        if isinstance(outcome, Recovered):
            after = self.since.offset if self.since else 0
            missed = tuple(message for message in messages if message.offset > after)
            joined = msgspec.structs.replace(room.joined(), messages=missed, snapshot=snapshot)
            room.admit(self.entrant, joined, announce)
            return
        if snapshot is not None:
            shown = [message for message in messages if message.n > snapshot.n]  # delivery rule 27
        else:
            shown = list(messages) if gap else []
        joined = msgspec.structs.replace(room.joined(before=shown), gap=gap, snapshot=snapshot)
        room.admit(self.entrant, joined, announce, shown)


async def settle(
    rooms: Rooms,
    latest: LatestReader,
    entering: Sequence[tuple[Watched[Frame], Entrant[Frame]]],
    announce: Announce,
    catch_up: Callable[[Sequence[Watched[Frame]]], Awaitable[None]],
    *,
    replay_bytes: int,
) -> None:
    """Let entrants in whose rooms are placed. Those whose room or state can't be had are still entering afterwards.

    Raises RoomsUnavailable where Redis does not answer, or never to be read at one instant.
    """
    joining = [_Joining(room, entrant) for room, entrant in entering]
    for _ in range(ATTEMPTS):
        due = [each for each in joining if each.is_due]
        if not due:
            return
        for each in due:
            each.mark()
        since = {each.address: each.since for each in due}
        read = await rooms.read_many({address: position for address, position in since.items() if position})
        outcomes = within(read, since, replay_bytes)
        states = await read_states(latest, [each.address for each in due if each.wants_state(outcomes)])
        for each in due:
            if each.is_due:
                each.settle(outcomes, states, announce)
        await catch_up([each.room for each in due if each.room.behind])
    if left := [each.address.room for each in joining if each.is_due]:
        raise RoomsUnavailable(f"{left[0]} can't be read at one instant now; try again")


def within(outcomes: Outcomes, since: Mapping[RoomAddress, Position | None], replay_bytes: int) -> Outcomes:
    """At most so many bytes to replay: where there are more, the rooms that have most are told as a gap instead.

    A client gets a replay in one piece, and its connection holds only so much; what it may read at leisure is in the history.
    """
    sizes = {address: sum(map(_size, outcome.messages)) for address, outcome in outcomes.items()}
    left = replay_bytes
    fitting: dict[RoomAddress, Recovered | Gap] = {}
    for address in sorted(sizes, key=lambda address: sizes[address]):
        outcome, left = outcomes[address], left - sizes[address]
        fitting[address] = outcome if left >= 0 else _unreplayed(outcome, since[address])
    return fitting


def _size(message: Message) -> int:
    return len(message.data) + len(message.members) + ENVELOPE_BYTES


def _unreplayed(outcome: Recovered | Gap, since: Position | None) -> Gap:
    if isinstance(outcome, Gap):
        last = outcome.last if outcome.first is None else outcome.top.offset
        return msgspec.structs.replace(outcome, last=last, messages=())
    return Gap(top=outcome.top, first=since.offset + 1 if since else None, last=outcome.top.offset)
