"""Reading a datagram's fields in order; every read is checked against what is there."""

from device_drivers.date_time import CurrentTime, DateTime
from device_drivers.errors import Truncated
from device_drivers.ieee11073 import FLOAT, SFLOAT, Number


class ByteReader:
    """Takes fields from the front of `data`. Every method raises Truncated where bytes are missing."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._data):
            raise Truncated(end, len(self._data))
        taken = self._data[self._at : end]
        self._at = end
        return taken

    @property
    def rest(self) -> int:
        """Bytes not yet taken."""
        return len(self._data) - self._at

    def u8(self) -> int:
        return self.take(1)[0]

    def u16(self) -> int:
        return int.from_bytes(self.take(2), "little")

    def u24(self) -> int:
        return int.from_bytes(self.take(3), "little")

    def sfloat(self) -> Number:
        return SFLOAT.decode(self.take(2))

    def float32_11073(self) -> Number:
        return FLOAT.decode(self.take(4))

    def date_time(self) -> DateTime:
        return DateTime.from_bytes(self.take(DateTime.SIZE))

    def current_time(self) -> CurrentTime:
        return CurrentTime.from_bytes(self.take(CurrentTime.SIZE))
