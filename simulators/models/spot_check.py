"""What cuffs, thermometers, scales and meters on Bluetooth have in common: they have measured, wake, send to a host that listens, and leave.

Their clock is their own: it is wrong until a host sets it. What they have measured before bears the time that it showed then.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from device_drivers import uuids
from device_drivers.date_time import CurrentTime, DateTime
from device_drivers.ieee11073 import Number, Special
from simulators.models.model import STEPS_PER_SECOND, DeviceModel, Look, Property, Said

AHEAD: Final = timedelta(minutes=13)
"""How wrong the clock is, and its zone is UTC."""
EARLIER: Final = timedelta(minutes=47)
"""How long ago a measurement was made that no host has fetched."""
BATTERY_PERCENT: Final = 88
LINGER_STEPS: Final = 2 * STEPS_PER_SECOND
"""It leaves so long after it has sent all."""

READ: Final = frozenset({Property.READ})
INDICATE: Final = frozenset({Property.INDICATE})
NOTIFY: Final = frozenset({Property.NOTIFY})
WRITE_AND_INDICATE: Final = frozenset({Property.WRITE, Property.INDICATE})
CLOCK: Final = frozenset({Property.READ, Property.WRITE})
BATTERY: Final[Mapping[str, Mapping[str, frozenset[Property]]]] = {uuids.BATTERY_SERVICE: {uuids.BATTERY_LEVEL: READ}}
CURRENT_TIME: Final[Mapping[str, Mapping[str, frozenset[Property]]]] = {
    uuids.CURRENT_TIME_SERVICE: {uuids.CURRENT_TIME: CLOCK}
}


class SpotCheck(DeviceModel):
    """A subclass gives a measurement's bytes (`value`), and says when they are sent (`may_send`): here, once a host listens to `measurement`."""

    measurement: str
    clock: str = uuids.DATE_TIME

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        self.listeners: set[str] = set()
        self.clock_was_set = False
        self._ahead = AHEAD
        self._waiting: deque[Said] = deque()
        self._has_sent = False
        self._idle_steps = 0

    def value(self, moment: datetime) -> bytes:
        """What was measured at `moment`."""
        raise NotImplementedError

    @property
    def may_send(self) -> bool:
        return self.measurement in self.listeners

    def kept(self, now: datetime) -> Iterable[bytes]:
        """What it sends by itself: what was measured earlier, and now."""
        return self.value(now - EARLIER), self.value(now)

    def say(self, characteristic: str, *values: bytes) -> None:
        """Send these, one a step."""
        self._waiting.extend(Said(data=value, characteristic=characteristic) for value in values)
        self._has_sent, self._idle_steps = True, 0

    def stamp(self, moment: datetime) -> DateTime:
        """What the clock showed before it was set."""
        return DateTime.of(moment.astimezone(UTC) + AHEAD)

    def subscribed(self, now: datetime, characteristic: str) -> Sequence[Said]:
        self.listeners.add(characteristic)
        return ()

    def received(self, now: datetime, data: bytes, characteristic: str | None = None) -> Sequence[Said]:
        if characteristic == self.clock:
            self._set_clock(now, data)
        return ()

    def read(self, now: datetime, characteristic: str) -> bytes:
        shown = now.astimezone(UTC) + self._ahead
        if characteristic == self.clock:
            return bytes(CurrentTime.of(shown) if self.clock == uuids.CURRENT_TIME else DateTime.of(shown))
        if characteristic == uuids.BATTERY_LEVEL:
            return bytes((BATTERY_PERCENT,))
        return super().read(now, characteristic)

    def step(self, now: datetime) -> Sequence[Said]:
        if not self._has_sent and self.may_send:
            self.say(self.measurement, *self.kept(now))
        if self._waiting:
            return (self._waiting.popleft(),)
        self._idle_steps += self._has_sent
        return ()

    @property
    def finished(self) -> bool:
        return self._idle_steps >= LINGER_STEPS

    def _set_clock(self, now: datetime, data: bytes) -> None:
        size = CurrentTime.SIZE if self.clock == uuids.CURRENT_TIME else DateTime.SIZE
        moment = DateTime.from_bytes(data).moment if len(data) == size else None
        if moment is not None:
            self.clock_was_set, self._ahead = True, moment.replace(tzinfo=UTC) - now


def number(found: Decimal | int | None) -> Number:
    """What a device sends of what it found; no number where it found nothing."""
    return Special.NAN if found is None else Decimal(found)
