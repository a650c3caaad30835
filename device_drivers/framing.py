"""Finding frames in a byte stream that may start anywhere and lose anything.

A `Framing` says of the bytes at the front of the buffer: a frame of so many bytes, not yet to be told, or no frame. On no frame
one byte is dropped and the next looked at; how many were dropped is said. At most `limit` bytes are held (a security
limit: a line that never makes a frame costs no more).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias

BUFFER_LIMIT: Final = 16 * 1024
"""Several reads of a line: a burst that follows the rest of a frame loses nothing."""
REPORT_NOISE_BYTES: Final = 64
"""Noise of this length is said before a frame ends it."""

QUIET: Final = timedelta(seconds=0.5)
"""So long after the last noise, frames without a checksum are believed again."""

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

    def _discard(self, count: int) -> None:
        self._discarded += count
        self.discarded_total += count


class NoiseGate:
    """Whether frames of a format without a checksum can be believed: some of any noise looks like them.

    One cut frame leaves fewer bytes than a frame has; where more are discarded within `QUIET`, what lies between them is noise
    too. Give it the reader after each read's events, before they are used.
    """

    def __init__(self, reader: FrameReader, *, frame_length: int) -> None:
        self._reader = reader
        self._frame_length = frame_length
        self._seen = 0
        self._noise = 0
        self._last: datetime | None = None

    def is_open(self, at: datetime) -> bool:
        """Whether the frames of the read that came at `at` are no noise."""
        discarded = self._reader.discarded_total - self._seen
        self._seen += discarded
        if self._last is not None and at - self._last >= QUIET:
            self._noise, self._last = 0, None
        if discarded:
            self._noise, self._last = self._noise + discarded, at
        return self._noise < self._frame_length


def refused_bytes(found: list[Frame | Discarded]) -> int:
    """All bytes of a read, frames among them."""
    return sum(event.count if isinstance(event, Discarded) else len(event.data) for event in found)
