"""Nonin oximeters and monitors on a serial line, and the 3230 on the radio.

A `Nonin9560` is one device that has four data formats, as the real one: it answers the choice of a format in the first five seconds, knows the time, and
starts with the format in which it was left.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Final

from device_drivers import uuids
from device_drivers.date_time import DateTime
from device_drivers.framing import Frame, FrameReader
from device_drivers.oximeters import nonin_ascii, nonin_ble, nonin_df2, nonin_df7, nonin_df8, nonin_df13
from device_drivers.oximeters.nonin_host import (
    ACK,
    ANSWER_WINDOW,
    NAK,
    SelectFormat,
    TimeMessage,
    TimeWord,
    either,
    measure_select,
    measure_time,
)
from device_drivers.oximeters.nonin_packets import FRAMES_PER_PACKET, FRAMES_PER_SECOND, Packet, Perfusion
from simulators.models.model import Body, Cadence, DeviceModel, Gatt, Look, Property, Said
from simulators.models.pleth import pleth

SPOT_CHECK_SECONDS: Final = 10
"""A new finger is measured so often."""
SMARTPOINT_SECONDS: Final = 2
_STILL: Final = timedelta(seconds=0)


class Nonin9560(DeviceModel):
    """`clock_ahead` is how far its clock runs ahead of the host's; `memory` are spot checks that no host has had yet, the oldest first."""

    def __init__(
        self,
        look: Look,
        *,
        data_format: int = 13,
        clock_ahead: timedelta = _STILL,
        memory: Sequence[nonin_df13.SpotCheck] = (),
        formats: tuple[int, ...] = (2, 7, 8, 13),
    ) -> None:
        super().__init__(look)
        self.data_format = data_format
        self.clock_ahead = clock_ahead
        self.memory = list(memory)
        self._formats = formats
        self._heard = FrameReader(_measure_command)
        self._connected: datetime | None = None
        self._packets = Cadence(FRAMES_PER_SECOND / FRAMES_PER_PACKET)
        self._seconds = Cadence(1)
        self._fingers = Cadence(1 / SPOT_CHECK_SECONDS)

    def connected(self, now: datetime) -> Sequence[Said]:
        self._connected = now
        return ()

    def received(self, now: datetime, data: bytes, characteristic: str | None = None) -> Sequence[Said]:
        self._connected = self._connected or now
        self._heard.receive_data(data)
        found = [event.data for event in self._heard.events() if isinstance(event, Frame)]
        return [Said(data=answer) for command in found if (answer := self._answer(now, command))]

    def step(self, now: datetime) -> Sequence[Said]:
        match self.data_format:
            case 2:
                return self._waveform(now, nonin_df2.Packet)
            case 7:
                return self._waveform(now, nonin_df7.Packet)
            case 8:
                return self._each_second(now)
            case _:
                return self._spot_checks(now)

    def _answer(self, now: datetime, command: bytes) -> bytes:
        if command[1] == bytes(SelectFormat(data_format=2))[1]:
            return self._choose(now, SelectFormat.from_bytes(command))
        message = TimeMessage.from_bytes(command)
        if message.timestamp is None:
            time = DateTime.of(now + self.clock_ahead)
            return bytes(TimeMessage(word=TimeWord.REPLY, timestamp=time))
        if message.word is TimeWord.SET and message.timestamp.moment:
            self.clock_ahead = message.timestamp.moment - now.replace(tzinfo=None)
        return b""

    def _choose(self, now: datetime, choice: SelectFormat) -> bytes:
        if self._connected is None or now - self._connected > ANSWER_WINDOW:
            return b""
        if choice.data_format not in self._formats:
            return bytes((NAK,))
        self.data_format = choice.data_format
        return bytes((ACK,))

    def _waveform(self, now: datetime, kind: type[Packet]) -> Sequence[Said]:
        body = self.look(now)
        return [Said(data=bytes(_packet(at, body, kind))) for at in self._packets.moments(now)]

    def _each_second(self, now: datetime) -> Sequence[Said]:
        body = self.look(now)
        frame = nonin_df8.DataFrame(hr=body.pulse_rate, spo2=body.spo2, sensor_alarm=body.spo2 is None)
        return [Said(data=bytes(frame))] * self._seconds.due(now)

    def _spot_checks(self, now: datetime) -> Sequence[Said]:
        """What is in memory, and then a finger at a time."""
        if self._connected is None or now - self._connected < timedelta(seconds=SMARTPOINT_SECONDS):
            return ()
        said = [Said(data=bytes(check)) for check in self.memory]
        self.memory.clear()
        body = self.look(now)
        fingers = self._fingers.due(now) if body.spo2 is not None else 0
        time = DateTime.of(now + self.clock_ahead)
        check = nonin_df13.SpotCheck(timestamp=time, hr=body.pulse_rate, spo2=body.spo2, smartpoint=True)
        return said + [Said(data=bytes(check))] * fingers


def _measure_command(buffer: bytearray, at: int) -> int | None:
    return either((measure_select(buffer, at), measure_time(buffer, at)))


def _packet(now: datetime, body: Body, kind: type[Packet]) -> Packet:
    finger = body.spo2 is not None
    times = (now + timedelta(seconds=place / FRAMES_PER_SECOND) for place in range(FRAMES_PER_PACKET))
    rates = dict.fromkeys(("hr", "hr_d", "e_hr", "e_hr_d"), body.pulse_rate)
    saturations = dict.fromkeys(("spo2", "spo2_d", "spo2_fast", "spo2_bb", "e_spo2", "e_spo2_d"), body.spo2)
    return kind(
        **rates,
        **saturations,
        srev=0x30,
        timer=int(now.timestamp() * 3) & 0x3FFF,
        smartpoint=finger,
        perfusion=Perfusion.GREEN if finger else Perfusion.NONE,
        sensor_alarm=not finger,
        pleth=tuple(pleth(at, body.pulse_rate, kind.LAYOUT.highest_sample) for at in times),
    )


class NoninMonitor(DeviceModel):
    """A header at power-up, and a line a second, unasked."""

    HEADER: Final = b"NONIN REAL-TIME DATA\r\n"

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        self._seconds = Cadence(1)

    def connected(self, now: datetime) -> Sequence[Said]:
        return [Said(data=self.HEADER)]

    def step(self, now: datetime) -> Sequence[Said]:
        body = self.look(now)
        line = nonin_ascii.Line(spo2=body.spo2, pulse_rate=body.pulse_rate, time=f"{now:%H:%M:%S}")
        return [Said(data=bytes(line))] * self._seconds.due(now)


class Nonin3230(DeviceModel):
    """A notification a second from the subscription on."""

    gatt = Gatt(
        name="Nonin3230_500000001",
        services={
            nonin_ble.SERVICE: {
                nonin_ble.CONTINUOUS_OXIMETRY: frozenset({Property.NOTIFY}),
                nonin_ble.CONTROL_POINT: frozenset({Property.WRITE, Property.INDICATE}),
            },
            uuids.BATTERY_SERVICE: {uuids.BATTERY_LEVEL: frozenset({Property.READ})},
        },
        advertised=(nonin_ble.SERVICE,),
    )

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        self._seconds = Cadence(1)
        self._subscribed = False
        self._counter = 0

    def subscribed(self, now: datetime, characteristic: str) -> Sequence[Said]:
        self._subscribed |= characteristic == nonin_ble.CONTINUOUS_OXIMETRY
        return ()

    def read(self, now: datetime, characteristic: str) -> bytes:
        if characteristic != uuids.BATTERY_LEVEL:
            raise KeyError(characteristic)
        return bytes((90,))

    def step(self, now: datetime) -> Sequence[Said]:
        if not self._subscribed:
            return ()
        return [self._notification(self.look(now)) for _ in range(self._seconds.due(now))]

    def _notification(self, body: Body) -> Said:
        finger = body.spo2 is not None
        said = nonin_ble.ContinuousOximetry(
            spo2=body.spo2,
            pulse_rate=body.pulse_rate,
            pai=body.perfusion_index or Decimal(0),
            battery_volts=Decimal("2.9"),
            counter=self._counter,
            smartpoint=finger,
            searching=not finger,
            correct_check=finger,
        )
        self._counter = (self._counter + 1) & 0xFFFF
        return Said(data=bytes(said), characteristic=nonin_ble.CONTINUOUS_OXIMETRY)


MODELS: Final[Mapping[str, Callable[[Look], DeviceModel]]] = {
    "nonin-df2": partial(Nonin9560, data_format=2),
    "nonin-df7": partial(Nonin9560, data_format=7),
    "nonin-df8": partial(Nonin9560, data_format=8),
    "nonin-df13": partial(Nonin9560, data_format=13),
    "nonin-ascii": NoninMonitor,
    "nonin-ble": Nonin3230,
}
