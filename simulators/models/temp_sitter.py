"""The Temp Sitter: worn, and speaking every two seconds once somebody listens."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

from device_drivers.thermometers import temp_sitter
from simulators.models.model import Cadence, DeviceModel, Gatt, Look, Property, Said

PER_SECOND: Final = 0.5


class TempSitter(DeviceModel):
    """Notifies of 0xFFE1."""

    gatt = Gatt(
        name=temp_sitter.NAME,
        services={temp_sitter.SERVICE: {temp_sitter.NOTIFY: frozenset({Property.NOTIFY})}},
        advertised=(temp_sitter.SERVICE,),
    )

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        self._times = Cadence(PER_SECOND)
        self._is_heard = False

    def subscribed(self, now: datetime, characteristic: str) -> Sequence[Said]:
        self._is_heard |= characteristic == temp_sitter.NOTIFY
        return ()

    def step(self, now: datetime) -> Sequence[Said]:
        temperature = self.look(now).temperature
        if not self._is_heard or temperature is None or not self._times.due(now):
            return ()
        frame = temp_sitter.TemperatureFrame(temperature=round(temperature, 2))
        return (Said(data=bytes(frame), characteristic=temp_sitter.NOTIFY),)


MODELS: Final[Mapping[str, Callable[[Look], DeviceModel]]] = {"temp-sitter": TempSitter}
