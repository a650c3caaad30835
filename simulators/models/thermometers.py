"""Thermometers that follow no standard: Welch Allyn's module on a serial line, one on Bluetooth."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from device_drivers.thermometers import gaomu, suretemp
from device_drivers.thermometers import suretemp_packets as packets
from device_drivers.thermometers.suretemp_packets import Packet, TemperatureRecord
from simulators.models.model import Cadence, DeviceModel, Gatt, Look, Property, Said

PREDICTS: Final = timedelta(seconds=5)
SHOWS: Final = timedelta(minutes=2)
"""How long the module takes for a temperature, and how long it shows it before the probe is taken again."""
_SAMPLES_A_SECOND: Final = 1 / 0.173
_READY: Final = 2
_FINAL: Final = 6
_GAOMUS_HZ: Final = 1 / 30
_NOTIFY: Final = frozenset({Property.NOTIFY})


class SureTempPlus(DeviceModel):
    """Answers, and never speaks unasked. The probe is taken when the line is opened, and again and again."""

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        self._taken: datetime | None = None

    def connected(self, now: datetime) -> Sequence[Said]:
        self._taken = now
        return ()

    def received(self, now: datetime, data: bytes, characteristic: str | None = None) -> Sequence[Said]:
        if data != suretemp.SEND_RECORD:
            return (Said(data=bytes(Packet(command=data[3:5].hex().ljust(4, "0"), type=packets.BAD))),)
        return (Said(data=bytes(self._record(now))),)

    def _record(self, now: datetime) -> TemperatureRecord:
        if self._taken is None or now - self._taken >= PREDICTS + SHOWS:
            self._taken = now
        passed = now - self._taken
        temperature = self.look(self._taken).temperature
        kelvin = None if temperature is None else temperature + packets.ZERO_CELSIUS
        final = kelvin if passed >= PREDICTS else None
        return TemperatureRecord(
            final_kelvin=final,
            probe_kelvin=kelvin,
            counter=int(passed.total_seconds() * _SAMPLES_A_SECOND),
            method=0,
            algorithm=0,
            state=_READY if final is None else _FINAL,
            error=0,
            active=True,
            probe_type=0,
        )


class Gaomu(DeviceModel):
    """Notifies of a temperature now and then, once somebody listens."""

    gatt = Gatt(name="Thermometer", services={gaomu.SERVICE: {gaomu.NOTIFY: _NOTIFY}}, advertised=(gaomu.SERVICE,))

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        self._times = Cadence(_GAOMUS_HZ)
        self._is_heard = False

    def subscribed(self, now: datetime, characteristic: str) -> Sequence[Said]:
        self._is_heard |= characteristic == gaomu.NOTIFY
        return ()

    def step(self, now: datetime) -> Sequence[Said]:
        temperature = self.look(now).temperature
        if not self._is_heard or temperature is None or not self._times.due(now):
            return ()
        value = gaomu.TemperatureValue(temperature=round(temperature, 1))
        return (Said(data=bytes(value), characteristic=gaomu.NOTIFY),)


MODELS: Final[Mapping[str, Callable[[Look], DeviceModel]]] = {
    "suretemp-plus": SureTempPlus,
    "gaomu-thermometer": Gaomu,
}
