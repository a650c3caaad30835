"""TaiDoc's and FORA's devices, over Bluetooth LE and on a serial line."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from device_drivers.checksums import sum8
from device_drivers.cuffs import taidoc
from device_drivers.cuffs.taidoc import BloodPressure, Frame, Glucose, RecordTime, Saturation, Temperature
from device_drivers.cuffs.taidoc_session import CHARACTERISTIC, SERVICE
from device_drivers.date_time import DateTime
from device_drivers.framing import Frame as Found
from device_drivers.framing import FrameReader
from simulators.models.model import Body, DeviceModel, Gatt, Look, Property, Said


@dataclass(frozen=True, slots=True, kw_only=True)
class Make:
    """One kind of device: its name, its model number (four digits in hexadecimal), and the value of a record; None where it finds nothing."""

    name: str
    number: int
    value: Callable[[Body], bytes | None]
    kind: int = 0
    live: bool = False


def _pressure(body: Body) -> bytes | None:
    if body.systolic is None or body.diastolic is None:
        return None
    return bytes(BloodPressure(systolic=body.systolic, diastolic=body.diastolic, pulse_rate=body.pulse_rate))


def _temperature(body: Body) -> bytes | None:
    return None if body.temperature is None else bytes(Temperature(temperature=body.temperature))


def _saturation(body: Body) -> bytes | None:
    return None if body.spo2 is None else bytes(Saturation(spo2=body.spo2, pulse_rate=body.pulse_rate))


def _glucose(body: Body) -> bytes | None:
    return None if body.glucose is None else bytes(Glucose(glucose=body.glucose))


CUFF: Final = Make(name="FORA P60", number=0x3138, value=_pressure, kind=2)
THERMOMETER: Final = Make(name="FORA IR40", number=0x1241, value=_temperature)
OXIMETER: Final = Make(name="TAIDOC TD8255", number=0x8255, value=_saturation, live=True)
METER: Final = Make(name="FORA GD40", number=0x4272, value=_glucose)


def measure_request(buffer: bytearray, at: int) -> int | None:
    """A frame from the host."""
    frame = bytes(buffer[at : at + taidoc.FRAME_LENGTH])
    if frame[0] != taidoc.START:
        return 0
    if len(frame) < taidoc.FRAME_LENGTH:
        return None
    return taidoc.FRAME_LENGTH if sum8(frame[:7]) == frame[7] and frame[6] == taidoc.FROM_HOST else 0


class TaiDocDevice(DeviceModel):
    """It measures before each connection and answers what it is asked; number 0 is the newest record. It says once, unasked, that it listens."""

    def __init__(self, look: Look, *, make: Make, characteristic: str | None = CHARACTERISTIC) -> None:
        super().__init__(look)
        self.make, self._where = make, characteristic
        self.records: list[tuple[bytes, bytes]] = []
        self._reader = FrameReader(measure_request)
        self._awake = False
        self._listens = characteristic is None
        if characteristic is not None:
            properties = frozenset({Property.WRITE, Property.NOTIFY})
            self.gatt = Gatt(name=make.name, services={SERVICE: {characteristic: properties}}, advertised=(SERVICE,))

    def connected(self, now: datetime) -> Sequence[Said]:
        self._wake(now)
        return ()

    def disconnected(self) -> None:
        """The host has left; with the next one everything begins anew, but for the memory."""
        self._awake, self._listens = False, self._where is None

    def _wake(self, now: datetime) -> None:
        if not self._awake:
            self._awake = True
            self.measure(now)

    def measure(self, now: datetime) -> None:
        """Store what there is to measure, as the newest record."""
        value = self.make.value(self.look(now))
        if value is not None:
            time = RecordTime(timestamp=DateTime.of(now.replace(second=0)), kind=self.make.kind)
            self.records.insert(0, (bytes(time), value))

    def subscribed(self, now: datetime, characteristic: str) -> Sequence[Said]:
        self._wake(now)
        self._listens = True
        return [self._said(taidoc.reply(taidoc.LISTENING, bytes(4)))]

    def received(self, now: datetime, data: bytes, characteristic: str | None = None) -> Sequence[Said]:
        self._wake(now)
        self._reader.receive_data(data)
        requests = [Frame.from_bytes(found.data) for found in self._reader.events() if isinstance(found, Found)]
        answers = [self._answer(now, request) for request in requests]
        return [self._said(answer) for answer in answers if answer is not None and self._listens]

    def _said(self, data: bytes) -> Said:
        return Said(data=data, characteristic=self._where)

    def _answer(self, now: datetime, request: Frame) -> bytes | None:
        number = int.from_bytes(request.data[:2], "little")
        match request.cmd:
            case taidoc.READ_MODEL | taidoc.CONNECT:
                return taidoc.reply(request.cmd, self.make.number.to_bytes(2, "little") + bytes(2))
            case taidoc.READ_CLOCK:
                return bytes(RecordTime(timestamp=DateTime.of(now.replace(second=0)), clock=True))
            case taidoc.COUNT_RECORDS:
                return taidoc.reply(request.cmd, len(self.records).to_bytes(2, "little") + bytes(2))
            case taidoc.READ_RECORD_TIME | taidoc.READ_RECORD_VALUE if number < len(self.records):
                return self.records[number][request.cmd == taidoc.READ_RECORD_VALUE]
            case taidoc.READ_NOW if self.make.live:
                value = self.make.value(self.look(now)) or bytes(taidoc.FRAME_LENGTH)
                return taidoc.reply(request.cmd, value[2:6])
            case _:
                return None


MODELS: Final[Mapping[str, Callable[[Look], DeviceModel]]] = {
    "fora-bp": partial(TaiDocDevice, make=CUFF),
    "fora-thermometer": partial(TaiDocDevice, make=THERMOMETER),
    "fora-oximeter": partial(TaiDocDevice, make=OXIMETER),
    "fora-glucose": partial(TaiDocDevice, make=METER),
    "taidoc-glucose-serial": partial(TaiDocDevice, make=METER, characteristic=None),
}
