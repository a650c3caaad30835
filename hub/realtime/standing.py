"""Where event streams stand: their rooms' positions and the cursor made of them, shared by all streams that stand in the same place.

Streams of the same rooms get the same messages in the same order, so each message leads all of them from one standing to one other,
and the cursor, and the bytes of the event with its cursor, are made once for all.
"""

from collections.abc import Mapping
from typing import Final
from weakref import WeakValueDictionary

from hub.realtime.cursor import encode_cursor
from hub.realtime.frames import Frame, chunk_of, with_cursor
from hub.rooms.messages import Position

Place = frozenset[tuple[str, Position]]


class Standing:
    """Positions, which never change; `NOWHERE` has none."""

    __slots__ = ("__weakref__", "_cursor", "positions")

    def __init__(self, positions: Mapping[str, Position]) -> None:
        self.positions = positions
        self._cursor: str | None = None

    @property
    def cursor(self) -> str:
        if self._cursor is None:
            self._cursor = encode_cursor(self.positions)
        return self._cursor

    def at(self, room: str, position: Position) -> "Standing":
        """The standing with one room at another position."""
        return Standing({**self.positions, room: position})

    def without(self, room: str) -> "Standing":
        """The standing of those who are in a room no more."""
        return Standing({name: position for name, position in self.positions.items() if name != room})

    def step(self, frame: Frame) -> "Step":
        """The standing once `frame` has been seen, this one where its room has no position here; and the frame with that standing's cursor, as a chunk of the response.

        The same objects for all who come from this one. The frame keeps them, and no longer than it is needed itself.
        """
        if (step := frame.steps.get(self)) is None:
            message = frame.message
            following = self.at(message.room, message.position) if message.room in self.positions else self
            step = frame.steps[self] = following, chunk_of(with_cursor(frame.sse, following.cursor))
        return step

    def shared(self) -> "Standing":
        """The one standing of all who stand here."""
        return _shared.setdefault(frozenset(self.positions.items()), self)


Step = tuple[Standing, bytes]
NOWHERE: Final = Standing({})
_shared: Final[WeakValueDictionary[Place, Standing]] = WeakValueDictionary()
