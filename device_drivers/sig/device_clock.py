"""A Bluetooth device's own clock: found, read, set, and used to place what the device measured.

The offset that was measured when the clock was read places what was measured before it was set. What is stamped after the setting, and of
now by the new time, is live: the old offset would put it elsewhere.

What it measured before the setting may come over a later connection, when the clock is right and tells nothing of that: so the shell's memory keeps when the
clock was last put right, and by how much. A time that can be of both, before and after, is uncertain.
"""

from collections.abc import MutableMapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from device_drivers import uuids
from device_drivers.binary import ByteReader
from device_drivers.clocks import LIVE_WINDOW, Placed, offset_of, place
from device_drivers.date_time import CurrentTime, DateTime
from device_drivers.sessions import WriteValue

KNOWN: Final = (uuids.DATE_TIME, uuids.CURRENT_TIME)
"""The first that the device has is taken for its clock."""
_SECOND: Final = timedelta(seconds=1)
_PUT_RIGHT: Final = "clock_put_right"
"""In the shell's memory: when, in seconds since 1970, and the offset of before in seconds."""


class DeviceClock:
    """The clock of one connection's device, whose zone is taken to be `zone`; `memory` is kept between connections."""

    def __init__(self, zone: tzinfo, memory: MutableMapping[str, str]) -> None:
        self._zone = zone
        self._memory = memory
        self._remembered = memory.get(_PUT_RIGHT)
        self._offset: timedelta | None = None
        self._set: tuple[datetime, timedelta] | None = None
        self.characteristic: str | None = None

    def find(self, characteristics: frozenset[str]) -> str | None:
        """The characteristic that is the clock, None where the device has none."""
        self.characteristic = next((clock for clock in KNOWN if clock in characteristics), None)
        return self.characteristic

    def read(self, data: bytes, at: datetime) -> None:
        """The clock said `data` when it was `at` by ours. Raises Undecodable."""
        fields = ByteReader(data)
        said = fields.current_time().date_time if self.characteristic == uuids.CURRENT_TIME else fields.date_time()
        self._offset = offset_of(said, at)

    def setting(self, at: datetime) -> WriteValue:
        """What sets the clock; it counts as set until `not_set`."""
        assert self.characteristic is not None  # noqa: S101 - found before
        ours = at.astimezone(self._zone)
        whole = self.characteristic == uuids.CURRENT_TIME
        offset = offset_of(DateTime.of(ours), at.replace(microsecond=0))
        self._set = None if offset is None else (at, offset)
        if self._offset is not None and offset is not None and abs(offset - self._offset) > LIVE_WINDOW:
            self._memory[_PUT_RIGHT] = f"{at.timestamp():.0f} {self._offset.total_seconds():.0f}"
        data = bytes(CurrentTime.of(ours) if whole else DateTime.of(ours))
        return WriteValue(characteristic=self.characteristic, data=data)

    def not_set(self) -> None:
        """The device refused."""
        self._set = None
        self._memory.pop(_PUT_RIGHT, None)
        if self._remembered is not None:
            self._memory[_PUT_RIGHT] = self._remembered

    def place(self, timestamp: DateTime | None, at: datetime) -> Placed:
        """When a measurement that arrived `at` was made."""
        if self._set is not None and self._is_of_the_new_time(timestamp, at, *self._set):
            return Placed(measured=at, stored=False, uncertain=False)
        placed = place(timestamp, at=at, zone=self._zone, offset=self._offset)
        return self._by_either_time(placed, timestamp, at) if placed.stored and not placed.uncertain else placed

    def _by_either_time(self, placed: Placed, timestamp: DateTime | None, at: datetime) -> Placed:
        """`placed` is by the present offset: as it is where the clock was not put right since, or by the offset of before, or uncertain where it may be either."""
        if (known := self._memory.get(_PUT_RIGHT)) is None:
            return placed
        since, seconds = (int(number) for number in known.split())
        setting = datetime.fromtimestamp(since, UTC)
        before = place(timestamp, at=at, zone=self._zone, offset=timedelta(seconds=seconds))
        is_new, is_old = placed.measured >= setting - _SECOND, before.measured <= setting and not before.uncertain
        if is_new is not is_old:
            return placed if is_new else before
        return Placed(measured=placed.measured, stored=True, uncertain=True)

    def _is_of_the_new_time(self, timestamp: DateTime | None, at: datetime, since: datetime, offset: timedelta) -> bool:
        """Whether it is of now, and stamped since the setting. What an hour-fast clock stamped an hour ago may come a moment later by the new time: that is no
        measurement of now, for nothing is stamped after it has come."""
        moment = timestamp.moment if timestamp is not None else None
        if moment is None or place(timestamp, at=at, zone=self._zone, offset=offset).stored:
            return False
        return since - _SECOND <= (moment + offset).replace(tzinfo=UTC) <= at + _SECOND
