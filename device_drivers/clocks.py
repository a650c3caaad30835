"""When a measurement that carries the device's own time was made.

The device's clock is read before it is set. The difference to ours at that moment, the offset, places what the device measured while
we were not listening. A measurement whose own time, so corrected, is within `LIVE_WINDOW` of its arrival is live: measured at arrival.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from device_drivers.date_time import DateTime

LIVE_WINDOW: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """When it was measured, on our clock; `uncertain` where the device's clock could not be related to ours."""

    measured: datetime
    stored: bool
    uncertain: bool


def offset_of(device_clock: DateTime, at: datetime) -> timedelta | None:
    """What to add to the device's time to have ours in UTC; None for a clock that is not set.

    Taken without zones: between two settings the device's clock runs on, through a change of summer time as through any other hour.
    """
    moment = device_clock.moment
    return None if moment is None else at.astimezone(UTC).replace(tzinfo=None) - moment


def place(timestamp: DateTime | None, *, at: datetime, zone: tzinfo, offset: timedelta | None) -> Placed:
    """When a measurement that arrived `at` was made; `zone` is taken to be the device's where there is no offset.

    Without a device time it is live. With one that lies apart from now, and no offset, it is stored and its time uncertain.
    """
    moment = timestamp.moment if timestamp is not None else None
    if timestamp is None:
        return Placed(measured=at, stored=False, uncertain=False)
    if moment is None:
        return Placed(measured=at, stored=False, uncertain=True)
    try:
        measured = moment.replace(tzinfo=zone) if offset is None else (moment + offset).replace(tzinfo=UTC)
        apart = abs(at - measured)
    except OverflowError:  # a year that only a broken clock has
        return Placed(measured=at, stored=True, uncertain=True)
    if apart <= LIVE_WINDOW:
        return Placed(measured=at, stored=False, uncertain=False)
    if offset is None or measured > at:
        return Placed(measured=at, stored=True, uncertain=True)
    return Placed(measured=measured, stored=True, uncertain=False)
