"""Devices that measure now and then: a cuff and a thermometer, by the Bluetooth SIG's profiles.

They sleep. When they have measured they wake, advertise, wait for a host that subscribes, indicate everything that no host has confirmed
yet, the oldest first, and sleep again. A measurement that was never confirmed is kept and sent on the next connection under the
time at which it was made, as A&D's cuffs do. Their clock is offered for reading and can be set.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Final

from device_drivers import uuids
from device_drivers.date_time import DateTime
from device_drivers.ieee11073 import Special
from device_drivers.sig.blood_pressure import BloodPressureMeasurement, Status
from device_drivers.sig.health_thermometer import TemperatureMeasurement, TemperatureType
from simulators.damage import Fault, spoiled
from simulators.errors import LinkGone
from simulators.ledger import Ledger
from simulators.models.model import Property
from simulators.peripherals.gatt import CharacteristicSpec, GattPeripheral, ServiceSpec
from simulators.radio import Radio

log = logging.getLogger(__name__)

MEMORY: Final = 60
"""Measurements that a device keeps; the oldest is overwritten."""
SUBSCRIBE_SECONDS: Final = 10.0
LINGER_SECONDS: Final = 0.5
"""After the last confirmation, so that the host's own work is done before the device leaves."""
LONGEST_MEASUREMENT: Final = 19
"""Bytes, of the two profiles."""
NO_STATUS: Final = Status(0)
_INDICATED: Final = frozenset({Property.INDICATE})
_CLOCK: Final = frozenset({Property.READ, Property.WRITE})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """A measurement that waits for its confirmation; `entry` is its number in the ledger, None for a fault's bytes."""

    value: bytes
    entry: int | None


class SpotCheck:
    """A sleeping device with one measurement characteristic. `measure` is what a person pressing its button does."""

    def __init__(
        self,
        radio: Radio,
        *,
        device_id: str,
        address: str,
        service: str,
        measurement: str,
        ledger: Ledger,
        clock: Callable[[], datetime],
    ) -> None:
        self.device_id = device_id
        self._ledger = ledger
        self._clock = clock
        self._clock_error = timedelta(0)
        self._measurement = measurement
        self._kept: deque[_Kept] = deque(maxlen=MEMORY)
        self._last = bytes(LONGEST_MEASUREMENT)
        self._measured = asyncio.Event()
        self._peripheral = GattPeripheral(
            radio,
            name=device_id,
            address=address,
            services=[
                ServiceSpec(
                    uuid=service,
                    characteristics=[
                        CharacteristicSpec(uuid=measurement, properties=_INDICATED),
                        CharacteristicSpec(
                            uuid=uuids.DATE_TIME, properties=_CLOCK, read=self._read_clock, written=self._set_clock
                        ),
                    ],
                ),
                ServiceSpec(
                    uuid=uuids.BATTERY_SERVICE,
                    characteristics=[
                        CharacteristicSpec(
                            uuid=uuids.BATTERY_LEVEL, properties=frozenset({Property.READ}), read=lambda: bytes([88])
                        )
                    ],
                ),
            ],
        )

    @property
    def now(self) -> datetime:
        """The device's own clock."""
        return self._clock() + self._clock_error

    def keep(self, value: bytes, numbers: dict[str, float] | None) -> None:
        """Keep a measurement and wake up; `numbers` go to the ledger, None for bytes that are no measurement."""
        entry = None if numbers is None else self._ledger.made(self.device_id, self._clock(), numbers)
        self._last = value
        self._kept.append(_Kept(value=value, entry=entry))
        self._measured.set()

    def spoil(self, fault: Fault, random: Random) -> None:
        """Say once more what was said last, damaged."""
        self.keep(spoiled(self._last, fault, random), None)

    async def lose_link(self, reason: int) -> None:
        """End the connection, as walking away would."""
        await self._peripheral.drop(reason)

    async def run(self) -> None:
        """Sleep, wake and send until cancelled."""
        await self._peripheral.power_on()
        while True:
            await self._measured.wait()
            try:
                await self._send_all()
            except LinkGone as gone:
                log.debug("%s: %s; it will send again", self.device_id, gone)

    async def _send_all(self) -> None:
        await self._peripheral.advertise()
        await self._peripheral.wait_connected()
        try:
            async with asyncio.timeout(SUBSCRIBE_SECONDS):
                await self._peripheral.wait_subscribed(self._measurement)
            while self._kept:
                kept = self._kept[0]
                await self._peripheral.indicate(self._measurement, kept.value)
                if kept.entry is not None:
                    self._ledger.heard(kept.entry, self._clock())
                if self._kept and self._kept[0] is kept:
                    self._kept.popleft()
            self._measured.clear()
            await asyncio.sleep(LINGER_SECONDS)
        except TimeoutError as error:
            raise LinkGone("the host did not subscribe") from error
        finally:
            await self._peripheral.drop()
            await self._peripheral.wait_disconnected()

    def _read_clock(self) -> bytes:
        return bytes(DateTime.of(self.now))

    def _set_clock(self, data: bytes) -> None:
        if len(data) == DateTime.SIZE and (moment := DateTime.from_bytes(data).moment):
            self._clock_error = moment.replace(tzinfo=UTC) - self._clock()


class Cuff(SpotCheck):
    """A blood-pressure cuff."""

    def __init__(
        self, radio: Radio, *, device_id: str, address: str, ledger: Ledger, clock: Callable[[], datetime]
    ) -> None:
        super().__init__(
            radio,
            device_id=device_id,
            address=address,
            service=uuids.BLOOD_PRESSURE_SERVICE,
            measurement=uuids.BLOOD_PRESSURE_MEASUREMENT,
            ledger=ledger,
            clock=clock,
        )

    def measure(
        self,
        systolic: int,
        diastolic: int,
        *,
        mean: int | None = None,
        pulse_rate: int | None = None,
        status: Status = NO_STATUS,
        user_id: int | None = None,
    ) -> None:
        """A measurement, in mmHg and beats a minute."""
        value = BloodPressureMeasurement(
            systolic=Decimal(systolic),
            diastolic=Decimal(diastolic),
            mean=Special.NAN if mean is None else Decimal(mean),
            timestamp=DateTime.of(self.now),
            pulse_rate=None if pulse_rate is None else Decimal(pulse_rate),
            user_id=user_id,
            status=int(status),
        )
        numbers = {"systolic": systolic, "diastolic": diastolic, "mean": mean, "pulse_rate": pulse_rate}
        self.keep(bytes(value), {name: float(number) for name, number in numbers.items() if number is not None})

    def fail(self) -> None:
        """A measurement that failed: NaN in every field, as real cuffs send it."""
        nan = Special.NAN
        value = BloodPressureMeasurement(
            systolic=nan, diastolic=nan, mean=nan, timestamp=DateTime.of(self.now), pulse_rate=nan, status=0
        )
        self.keep(bytes(value), {})


class Thermometer(SpotCheck):
    """An ear thermometer."""

    def __init__(
        self, radio: Radio, *, device_id: str, address: str, ledger: Ledger, clock: Callable[[], datetime]
    ) -> None:
        super().__init__(
            radio,
            device_id=device_id,
            address=address,
            service=uuids.HEALTH_THERMOMETER_SERVICE,
            measurement=uuids.TEMPERATURE_MEASUREMENT,
            ledger=ledger,
            clock=clock,
        )

    def measure(self, temperature: Decimal) -> None:
        """A measurement, in °C."""
        value = TemperatureMeasurement(
            temperature=temperature, timestamp=DateTime.of(self.now), site=TemperatureType.TYMPANUM
        )
        self.keep(bytes(value), {"temperature": float(temperature)})
