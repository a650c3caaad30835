"""Reading a datagram's fields in order; every read is checked against what is there."""

from typing import Final

from device_drivers.date_time import CurrentTime, DateTime
from device_drivers.errors import Truncated
from device_drivers.ieee11073 import FLOAT, SFLOAT, Number

_KNOWN_SFLOATS: Final = SFLOAT.known


class ByteReader:
    """Takes fields from the front of `data`. Every method raises Truncated where bytes are missing."""

    __slots__ = ("_at", "_data", "_end")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._end = len(data)
        self._at = 0

    def take(self, size: int) -> bytes:
        at = self._advance(size)
        return self._data[at : at + size]

    @property
    def rest(self) -> int:
        """Bytes not yet taken."""
        return self._end - self._at

    def u8(self) -> int:
        at = self._at
        self._at = at + 1
        if at >= self._end:
            raise Truncated(at + 1, self._end)
        return self._data[at]

    def u16(self) -> int:
        at = self._at
        self._at = end = at + 2
        if end > self._end:
            raise Truncated(end, self._end)
        return self._data[at] | self._data[at + 1] << 8

    def s16(self) -> int:
        return (self.u16() ^ 0x8000) - 0x8000

    def u24(self) -> int:
        return int.from_bytes(self.take(3), "little")

    def u32(self) -> int:
        return int.from_bytes(self.take(4), "little")

    def sfloat(self) -> Number:
        word = self.u16()
        known = _KNOWN_SFLOATS.get(word)
        return SFLOAT.number(word) if known is None else known

    def float32_11073(self) -> Number:
        return FLOAT.number(self.u32())

    def date_time(self) -> DateTime:
        return DateTime.at(self._data, self._advance(DateTime.SIZE))

    def current_time(self) -> CurrentTime:
        return CurrentTime.from_bytes(self.take(CurrentTime.SIZE))

    def _advance(self, size: int) -> int:
        """Where the next `size` bytes begin."""
        at = self._at
        self._at = end = at + size
        if end > self._end:
            raise Truncated(end, self._end)
        return at
