"""Beurer's BM65 with a USB-to-serial bridge, in its memory mode. (There is no simulated USB bus for those with HID.)"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

from device_drivers.cuffs.beurer import HERE
from device_drivers.cuffs.beurer_records import NO_SUCH_RECORD, SerialRecord
from device_drivers.date_time import DateTime
from simulators.models.model import DeviceModel, Look, Said
from simulators.models.spot_check import EARLIER

DESCRIPTION: Final = b"Simulated BM65".ljust(32)


class BM65(DeviceModel):
    """Answers to its four words; it has stored two measurements, of when it was first spoken to and of earlier."""

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        self.records: list[SerialRecord] = []

    def received(self, now: datetime, data: bytes, characteristic: str | None = None) -> Sequence[Said]:
        if not self.records:
            found = (self._record(moment) for moment in (now, now - EARLIER))
            self.records = [record for record in found if record is not None]
        match list(data):
            case [0xAA]:
                return (Said(data=bytes((HERE,))),)
            case [0xA2]:
                return (Said(data=bytes((len(self.records),))),)
            case [0xA3, number]:
                return (Said(data=self._stored(number)),)
            case [0xA4]:
                return (Said(data=DESCRIPTION),)
        return ()

    def _stored(self, number: int) -> bytes:
        if not 1 <= number <= len(self.records):
            return bytes((NO_SUCH_RECORD,))
        return bytes(self.records[number - 1])

    def _record(self, moment: datetime) -> SerialRecord | None:
        body = self.look(moment)
        if body.systolic is None or body.diastolic is None or body.pulse_rate is None:
            return None
        return SerialRecord(
            systolic=body.systolic,
            diastolic=body.diastolic,
            pulse_rate=body.pulse_rate,
            timestamp=DateTime.of(moment.replace(second=0)),
        )


MODELS: Final[Mapping[str, Callable[[Look], DeviceModel]]] = {"beurer-bm65": BM65}
