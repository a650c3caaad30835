"""A Nonin in data format 8 on a serial line, with its readings in the ledger: the driver makes one of every frame."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from device_drivers.errors import Undecodable
from device_drivers.oximeters.nonin_df8 import FRAME_LENGTH, DataFrame
from simulators.ledger import Ledger
from simulators.models.model import DeviceModel, Said
from simulators.on_line import OnLine
from simulators.serial_line import SerialLine

NOTED: Final = "nonin-df8"
"""The model of which the ledger is told."""


class NotedLine(OnLine):
    """Notes each frame before it goes out, and again when somebody was there to hear it whole."""

    def __init__(
        self, model: DeviceModel, line: SerialLine, clock: Callable[[], datetime], *, device_id: str, ledger: Ledger
    ) -> None:
        super().__init__(model, line, clock)
        self._device_id = device_id
        self._ledger = ledger

    def _say(self, now: datetime, said: Sequence[Said]) -> None:
        """Equal frames of one step are one: it was this process that stood still, not the device that measured twice."""
        for data in dict.fromkeys(one.data for one in said):
            numbers = _numbers(data)
            entry = None if numbers is None else self._ledger.made(self._device_id, now, numbers)
            if self.line.write(data) and entry is not None:
                self._ledger.heard(entry, now)


def _numbers(data: bytes) -> dict[str, float] | None:
    """Those of a frame, without what it could not measure; None for what is no frame, such as an answer."""
    if len(data) != FRAME_LENGTH:
        return None
    try:
        frame = DataFrame.from_bytes(data)
    except Undecodable:
        return None
    measured = {"spo2": frame.spo2, "oximeter_pulse_rate": frame.hr}
    return {name: float(number) for name, number in measured.items() if number is not None}
