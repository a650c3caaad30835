"""A Bluetooth device's own clock: found, read, set, and used to place what the device measured.

The offset that was measured when the clock was read places what was measured before it was set. What is stamped after the setting, and of
now by the new time, is live: the old offset would put it elsewhere.
"""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from device_drivers import uuids
from device_drivers.binary import ByteReader
from device_drivers.clocks import Placed, offset_of, place
from device_drivers.date_time import CurrentTime, DateTime
from device_drivers.sessions import WriteValue

KNOWN: Final = (uuids.DATE_TIME, uuids.CURRENT_TIME)
"""The first that the device has is taken for its clock."""
_SECOND: Final = timedelta(seconds=1)


class DeviceClock:
    """The clock of one connection's device, whose zone is taken to be `zone`."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
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
        data = bytes(CurrentTime.of(ours) if whole else DateTime.of(ours))
        return WriteValue(characteristic=self.characteristic, data=data)

    def not_set(self) -> None:
        """The device refused."""
        self._set = None

    def place(self, timestamp: DateTime | None, at: datetime) -> Placed:
        """When a measurement that arrived `at` was made."""
        if self._set is not None and self._is_of_the_new_time(timestamp, at, *self._set):
            return Placed(measured=at, stored=False, uncertain=False)
        return place(timestamp, at=at, zone=self._zone, offset=self._offset)

    def _is_of_the_new_time(self, timestamp: DateTime | None, at: datetime, since: datetime, offset: timedelta) -> bool:
        moment = timestamp.moment if timestamp is not None else None
        if moment is None or place(timestamp, at=at, zone=self._zone, offset=offset).stored:
            return False
        return (moment + offset).replace(tzinfo=UTC) >= since - _SECOND
