"""Where event streams stand: their rooms' positions and the cursor made of them, shared by all streams that stand in the same place.

Streams of the same rooms get the same messages in the same order, so each message leads all of them from one standing to one other,
and the cursor, and the bytes of the event with its cursor, are made once for all.
"""

from collections.abc import Hashable, Mapping
from typing import Any, Final
from weakref import WeakValueDictionary

from hub.realtime.cursor import encode_cursor
from hub.realtime.frames import Frame, chunk_of, with_cursor
from hub.rooms.messages import Position

Place = frozenset[tuple[str, Position]]


class Standing:
    """Positions, which never change; `NOWHERE` has none."""

    __slots__ = ("__weakref__", "_chunk", "_chunk_frame", "_cursor", "positions")

    def __init__(self, positions: Mapping[str, Position]) -> None:
        self.positions = positions
        self._cursor: str | None = None
        self._chunk = b""
        self._chunk_frame: Frame | None = None

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

    def after(self, frame: Frame, turn: dict[Hashable, Any]) -> "Standing":
        """The standing once `frame` has been seen; this one where the frame's room has no position here.

        Within one `turn` the same object for all who come from this one. Whoever keeps the turn forgets it at its end: else a frame
        that waits for a slow client, or a stream that stays behind, would keep the standings of all others.
        """
        message = frame.message
        if message.room not in self.positions:
            return self
        step = self, frame
        following: Standing | None = turn.get(step)
        if following is None:
            following = turn[step] = self.at(message.room, message.position)
        return following

    def chunk(self, frame: Frame) -> bytes:
        """`frame` as an event with this standing's cursor, as a chunk of the response."""
        if self._chunk_frame is not frame:
            self._chunk = chunk_of(with_cursor(frame.sse, self.cursor))
            self._chunk_frame = frame
        return self._chunk

    def shared(self) -> "Standing":
        """The one standing of all who stand here."""
        return _shared.setdefault(frozenset(self.positions.items()), self)


NOWHERE: Final = Standing({})
_shared: Final[WeakValueDictionary[Place, Standing]] = WeakValueDictionary()
