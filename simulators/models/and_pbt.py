"""A&D's PBT series, as the serial port that rfcomm makes of a device that has connected."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from device_drivers.cuffs import and_pbt
from device_drivers.cuffs.and_pbt import Measurement
from device_drivers.cuffs.and_pbt_payloads import BloodPressure, Weighing
from device_drivers.date_time import DateTime
from simulators.models.model import Body, DeviceModel, Look, Said
from simulators.models.spot_check import AHEAD, EARLIER

SAYS_AGAIN: Final = timedelta(seconds=5)
MEASURES_AGAIN: Final = timedelta(minutes=2)
SOMEBODY: Final = Decimal("71.5")
"""Kilograms of whoever stands on a scale that nobody is said to stand on: it sends no failed measurement."""
_FAILED: Final = 0x0A
"""Any status but that of a measurement."""


class PbtDevice(DeviceModel):
    """Says what it has measured, the oldest first, again and again until the host accepts it. Its clock is wrong, and nobody can set it."""

    device_type: int

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        self.kept: deque[datetime] = deque()
        self._said: datetime | None = None
        self._measured: datetime | None = None

    def payload(self, body: Body) -> BloodPressure | Weighing:
        """What it has measured."""
        raise NotImplementedError

    def connected(self, now: datetime) -> Sequence[Said]:
        if self._measured is None:
            self.kept.append(now - EARLIER)
        self._measure(now)
        return self._say(now)

    def received(self, now: datetime, data: bytes, characteristic: str | None = None) -> Sequence[Said]:
        if data != and_pbt.ACCEPTED or not self.kept:
            return ()
        self.kept.popleft()
        return self._say(now)

    def step(self, now: datetime) -> Sequence[Said]:
        if self._measured is not None and now - self._measured >= MEASURES_AGAIN:
            self._measure(now)
        return self._say(now) if self._said is None or now - self._said >= SAYS_AGAIN else ()

    def _measure(self, now: datetime) -> None:
        self._measured = now
        self.kept.append(now)

    def _say(self, now: datetime) -> Sequence[Said]:
        if not self.kept:
            return ()
        self._said = now
        return (Said(data=bytes(self._measurement(self.kept[0], now))),)

    def _measurement(self, made: datetime, now: datetime) -> Measurement:
        return Measurement(
            prefix="PWCAPI",
            device_type=self.device_type,
            measured=DateTime.of(made.astimezone(UTC) + AHEAD),
            transmitted=DateTime.of(now.astimezone(UTC) + AHEAD),
            bdaddr="00:09:1F:00:00:01",
            serial="5120000001",
            payload=self.payload(self.look(made)),
        )


class Cuff(PbtDevice):
    """UA-767PBT."""

    device_type = and_pbt.CUFF

    def payload(self, body: Body) -> BloodPressure:
        if body.systolic is None or body.diastolic is None:
            return BloodPressure(systolic=None, diastolic=None, mean=None, pulse_rate=None, status=_FAILED)
        return BloodPressure(
            systolic=body.systolic, diastolic=body.diastolic, mean=body.mean, pulse_rate=body.pulse_rate
        )


class Scale(PbtDevice):
    """UC-321PBT: it says nothing but a steady weight."""

    device_type = and_pbt.SCALE

    def payload(self, body: Body) -> Weighing:
        return Weighing(weight_kg=body.weight or SOMEBODY)


MODELS: Final[Mapping[str, Callable[[Look], DeviceModel]]] = {"and-pbt": Cuff, "and-pbt-scale": Scale}
