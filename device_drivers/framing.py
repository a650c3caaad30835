"""Finding frames in a byte stream that may start anywhere and lose anything.

A `Framing` says of the bytes at the front of the buffer: a frame of so many bytes, not yet to be told, or no frame. On no frame
one byte is dropped and the next looked at; how many were dropped is said. At most `limit` bytes are held (a security
limit: a line that never makes a frame costs no more).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias

BUFFER_LIMIT: Final = 16 * 1024
"""Several reads of a line: a burst that follows the rest of a frame loses nothing."""
REPORT_NOISE_BYTES: Final = 64
"""Noise of this length is said before a frame ends it."""

QUIET: Final = timedelta(seconds=0.5)
"""So long after the last noise, frames without a checksum are believed again; and a frame that takes longer to come is none."""
IN_A_ROW: Final = 3
"""Frames without a checksum that show a device: one alone may be noise, or bytes of another format."""
TOGETHER: Final = timedelta(seconds=3)
"""Frames that come further apart say nothing for each other."""

Measure: TypeAlias = Callable[[bytearray, int], int | None]
"""From the buffer and a position to the frame's length there; 0 where no frame begins, None where more bytes must come first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The bytes of one frame whose form is right."""

    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Discarded:
    """So many bytes, one after the other, were part of no frame."""

    count: int


class FrameReader:
    """Give it bytes with `receive_data`, then take `events`; the same bytes make the same frames however they are cut."""

    def __init__(self, measure: Measure, *, limit: int = BUFFER_LIMIT) -> None:
        self._measure = measure
        self._limit = limit
        self._buffer = bytearray()
        self._discarded = 0
        self.discarded_total = 0

    def receive_data(self, data: bytes) -> None:
        """Take what the line gave; what goes beyond the limit is dropped from the front."""
        self._buffer += data
        if (over := len(self._buffer) - self._limit) > 0:
            del self._buffer[:over]
            self._discard(over)

    def events(self) -> Iterator[Frame | Discarded]:
        """Frames, and what lay between them, in order. Bytes that may still become a frame are kept."""
        position = 0
        while position < len(self._buffer):
            length = self._measure(self._buffer, position)
            if length is None:
                break
            if length == 0:
                position += 1
                self._discard(1)
                continue
            if self._discarded:
                yield Discarded(count=self._discarded)
                self._discarded = 0
            yield Frame(data=bytes(self._buffer[position : position + length]))
            position += length
        del self._buffer[:position]
        if self._discarded >= REPORT_NOISE_BYTES:
            yield Discarded(count=self._discarded)
            self._discarded = 0

    def forget(self) -> None:
        """What has come of a frame that is not whole is none of the next one's."""
        self._discard(len(self._buffer))
        self._buffer.clear()

    def _discard(self, count: int) -> None:
        self._discarded += count
        self.discarded_total += count


class NoiseGate:
    """Which frames of a format without a checksum can be believed: some of any noise looks like them.

    One cut frame leaves fewer bytes than a frame has; where more are discarded within `QUIET`, what lies between them is noise
    too. A frame (one of `frame_length`; others are believed at once) waits until `in_a_row` have come with nothing between them, and then they are
    believed together, each from when it came: of bytes by chance, and of another format's, too many have the form of one. Give it each read in
    order: `begin`, then the reader its bytes, then `sift` its events.
    """

    def __init__(self, reader: FrameReader, *, frame_length: int, in_a_row: int = IN_A_ROW) -> None:
        self._reader = reader
        self._frame_length = frame_length
        self._in_a_row = in_a_row
        self._seen = 0
        self._noise = 0
        self._last_noise: datetime | None = None
        self._last_read: datetime | None = None
        self._last_frame: datetime | None = None
        self._held: list[tuple[datetime, Frame]] = []
        self._believes = False

    def begin(self, at: datetime) -> None:
        """Bytes come at `at`: a frame that was begun too long ago is not theirs to end."""
        if _apart(at, self._last_read) >= QUIET:
            self._reader.forget()
        self._last_read = at

    def sift(self, at: datetime, events: Sequence[Frame | Discarded]) -> list[tuple[datetime, Frame | Discarded]]:
        """What of a read's events is to be used, and when each came. Frames that are not believed are discarded bytes."""
        if self._is_open(at):
            return [sifted for event in events for sifted in self._sifted(at, event)]
        refused = self._give_up() + refused_bytes(events)
        return [(at, Discarded(count=refused))] if refused else []

    def _is_open(self, at: datetime) -> bool:
        """Whether the frames of the read that came at `at` lie between no noise."""
        discarded = self._reader.discarded_total - self._seen
        self._seen += discarded
        if _apart(at, self._last_noise) >= QUIET:
            self._noise, self._last_noise = 0, None
        if discarded:
            self._noise, self._last_noise = self._noise + discarded, at
        return self._noise < self._frame_length

    def _sifted(self, at: datetime, event: Frame | Discarded) -> list[tuple[datetime, Frame | Discarded]]:
        if isinstance(event, Discarded):
            return [(at, Discarded(count=event.count + self._give_up()))]
        if len(event.data) != self._frame_length:
            return [(at, event)]
        alone = self._give_up() if _apart(at, self._last_frame) > TOGETHER else 0
        self._last_frame = at
        return [*([(at, Discarded(count=alone))] if alone else []), *self._in_company(at, event)]

    def _in_company(self, at: datetime, frame: Frame) -> list[tuple[datetime, Frame]]:
        """The frames that are believed with this one."""
        self._held.append((at, frame))
        self._believes |= len(self._held) >= self._in_a_row
        if not self._believes:
            return []
        believed, self._held = self._held, []
        return believed

    def _give_up(self) -> int:
        """Begin again: how many bytes waited to be believed."""
        refused = sum(len(frame.data) for _, frame in self._held)
        self._held, self._believes = [], False
        return refused


def _apart(at: datetime, before: datetime | None) -> timedelta:
    """How far two moments lie apart; not at all where there is no earlier one. A clock that was set back makes a distance too."""
    return timedelta(0) if before is None else abs(at - before)


def refused_bytes(found: Sequence[Frame | Discarded]) -> int:
    """All bytes of a read, frames among them."""
    return sum(event.count if isinstance(event, Discarded) else len(event.data) for event in found)
