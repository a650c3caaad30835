"""Masimo's and Nellcor's monitors on a serial line: lines unasked."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

from device_drivers.oximeters import masimo_ascii1, nellcor_ascii
from device_drivers.oximeters.masimo_ascii1 import Exceptions
from device_drivers.oximeters.nellcor_ascii import ColumnsLine, DataLine, LimitsLine, SettingsLine
from simulators.models.model import Cadence, DeviceModel, Look, Said

HEADINGS_EVERY: Final = 25
"""Lines, the headings among them."""


class MasimoRad8(DeviceModel):
    """A line a second, and an empty one after it."""

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        self._seconds = Cadence(1)

    def step(self, now: datetime) -> Sequence[Said]:
        body = self.look(now)
        off = body.spo2 is None
        line = masimo_ascii1.Line(
            timestamp_raw=now.strftime("%m/%d/%y %H:%M:%S"),
            serial="0000056661",
            spo2=body.spo2,
            pulse_rate=None if off else body.pulse_rate,
            perfusion_index=None if off else body.perfusion_index,
            spco=None,
            spmet=None,
            alarm="0000",
            exc=f"{int(Exceptions.SET_RUNNING | (Exceptions.SENSOR_OFF if off else 0)):06X}",
        )
        return [Said(data=bytes(line) + b"\r\n")] * self._seconds.due(now)


class NellcorN595(DeviceModel):
    """A line every two seconds, headings before every 25th."""

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        self._lines = Cadence(1 / 2)
        self._count = 0

    def step(self, now: datetime) -> Sequence[Said]:
        return [Said(data=self._next(now)) for _ in range(self._lines.due(now))]

    def _next(self, now: datetime) -> bytes:
        headings = self._headings() if self._count % HEADINGS_EVERY == 0 else b""
        self._count += 1
        body = self.look(now)
        line = DataLine(
            timestamp_raw=now.strftime("%d-%b-%y %H:%M:%S"),
            spo2=body.spo2,
            pulse_rate=body.pulse_rate,
            pulse_amplitude=None if body.spo2 is None else 50,
            status=("SO",) if body.spo2 is None else (),
        )
        return headings + nellcor_ascii.encode(line)

    def _headings(self) -> bytes:
        limits = LimitsLine(
            monitor="N-595",
            version="1.0.0.0",
            software_crc="A1B2",
            spo2_low=85,
            spo2_high=100,
            pulse_low=40,
            pulse_high=170,
        )
        settings = SettingsLine(patient="ADULT", sat_seconds=0, response="NORMAL")
        return b"".join(nellcor_ascii.encode(line) for line in (limits, settings, ColumnsLine()))


MODELS: Final[Mapping[str, Callable[[Look], DeviceModel]]] = {
    "masimo-ascii1": MasimoRad8,
    "nellcor-ascii": NellcorN595,
}
