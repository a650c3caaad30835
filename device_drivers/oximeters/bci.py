"""BCI protocol: Berry BM1000 and many oximeters of other names, over Bluetooth LE or a USB serial adapter; five bytes, 100 times a second.

Source: "BCI Protocol (v1.2) for Bluetooth & USB Oximeter" (in zh2x/BCI_Protocol); the GATT service is Microchip's transparent UART, whose UUIDs many
other devices have too, so that the name alone marks a Berry. Notifications hold several frames and end anywhere.

Bit 5 of the first byte is "probe unplugged" there, and "SpO2 is dropping" in Contec's frames of the same form. A number beside it is therefore kept,
in doubt: taking it away would hide a patient who desaturates from whoever reads a Contec with this driver.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final, Self

from device_drivers.advertisement import Marks
from device_drivers.cadence import Cadence
from device_drivers.driver import Driver, SerialSettings, Transport, Verified
from device_drivers.fields import named
from device_drivers.format import AnyFormat, Format, Parts, in_words
from device_drivers.oximeters import five_bytes
from device_drivers.sessions import Command, Deliver, SessionContext
from device_drivers.stream_session import StreamSession
from device_drivers.waveform import Chunks, Scale
from vitals.identifiers import DeviceKey, DeviceType
from vitals.parameters import Parameter, Vital
from vitals.readings import Reading, Reason, Value, measured_value, missing_value

BERRY_SERVICE: Final = "49535343-fe7d-4ae5-8fa9-9fafd205e455"
BERRY_NOTIFY: Final = "49535343-1e4d-4bd9-ba61-23c647249616"
BERRY_WRITE: Final = "49535343-8841-43f4-a8d4-ecbe34729bb3"
"""Nothing is written to it: the oximeter speaks unasked."""
FRAMES_PER_SECOND: Final = 100
SCALE: Final = Scale(rate_hz=FRAMES_PER_SECOND, low=0, high=100)
_NO_SIGNAL, _PROBE_UNPLUGGED, _BEEP = 0x10, 0x20, 0x40
_NO_FINGER, _SEARCHING = 0x10, 0x20


@dataclass(frozen=True, slots=True, kw_only=True)
class DataPacket:
    """One frame in the oximeter's own words; a number that it does not have is None. `pleth` is 1 to 100, 0 where there is none;
    `signal_strength` 0 to 8, `bargraph` 0 to 15."""

    spo2: int | None
    pulse_rate: int | None
    pleth: int
    bargraph: int
    signal_strength: int
    no_signal: bool = False
    probe_unplugged: bool = named("b0_bit5", default=False)
    beep: bool = False
    no_finger: bool = False
    searching: bool = False

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode five bytes. Raises Truncated, Malformed."""
        first, strength, pleth, third, bargraph, pulse_rate, spo2 = five_bytes.split(data)
        return cls(
            spo2=spo2,
            pulse_rate=pulse_rate,
            pleth=pleth,
            bargraph=bargraph,
            signal_strength=strength,
            no_signal=bool(first & _NO_SIGNAL),
            probe_unplugged=bool(first & _PROBE_UNPLUGGED),
            beep=bool(first & _BEEP),
            no_finger=bool(third & _NO_FINGER),
            searching=bool(third & _SEARCHING),
        )

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for a number that does not fit."""
        fields = five_bytes.Fields(
            first=self.no_signal * _NO_SIGNAL | self.probe_unplugged * _PROBE_UNPLUGGED | self.beep * _BEEP,
            strength=self.signal_strength,
            pleth=self.pleth,
            third=self.no_finger * _NO_FINGER | self.searching * _SEARCHING,
            bargraph=self.bargraph,
            pulse_rate=self.pulse_rate,
            spo2=self.spo2,
        )
        return five_bytes.join(fields)

    @property
    def sample(self) -> int | None:
        """The plethysmogram's value."""
        return None if self.no_finger else self.pleth or None

    @property
    def state(self) -> tuple[bool, ...]:
        """Equal while nothing of note changes."""
        flags = (self.no_signal, self.probe_unplugged, self.no_finger, self.searching)
        return (*flags, self.spo2 is None, self.pulse_rate is None)

    @property
    def missing(self) -> Reason:
        """Why a number is missing."""
        said = (
            (Reason.NO_FINGER, self.no_finger),
            (Reason.SENSOR_DISCONNECTED, self.probe_unplugged),
            (Reason.SEARCHING, self.searching),
            (Reason.WEAK_SIGNAL, self.no_signal),
        )
        return next((reason for reason, holds in said if holds), Reason.NOT_MEASURED)

    @property
    def doubts(self) -> tuple[Reason, ...]:
        """What puts the numbers in doubt."""
        said = (
            (Reason.SENSOR_DISCONNECTED, self.probe_unplugged),
            (Reason.SEARCHING, self.searching),
            (Reason.WEAK_SIGNAL, self.no_signal),
        )
        return tuple(reason for reason, holds in said if holds)

    def reading(self, device: DeviceKey, *, raw: bytes, at: datetime) -> Reading:
        """The reading that is measured at `at`."""
        return Reading(
            data_type=Vital.SPO2,
            device=device,
            values=(
                self._value(Parameter.SPO2, self.spo2),
                self._value(Parameter.OXIMETER_PULSE_RATE, self.pulse_rate),
            ),
            measured=at,
            received=at,
            raw=raw,
        )

    def _value(self, parameter: Parameter, number: int | None) -> Value:
        """A number, unless there is none or no finger: what the display then holds is not the patient's."""
        if not number or self.no_finger:
            return missing_value(parameter, self.missing)
        return measured_value(parameter, number, *self.doubts)


class Session(StreamSession):
    """Listens: the oximeter needs no words. One reading a second, and each frame's sample."""

    def __init__(self, context: SessionContext, *, notify: str | None = None) -> None:
        super().__init__(
            context,
            five_bytes.measure,
            notify=notify,
            frame_length=five_bytes.FRAME_LENGTH,
            chunks=Chunks(context.device, SCALE),
        )
        self._cadence = Cadence()

    def frame(self, at: datetime, data: bytes) -> list[Command]:
        packet = DataPacket.from_bytes(data)
        commands = self.sample(at, packet.sample)
        if self._cadence.decides(at, packet.state):
            commands.append(Deliver(readings=(packet.reading(self.context.device, raw=data, at=at),)))
        return commands


def _describe(data: bytes) -> Parts:
    packet, parts = DataPacket.from_bytes(data), Parts(data)
    first = (
        ("no signal", packet.no_signal),
        ("probe unplugged (Contec: SpO2 dropping)", packet.probe_unplugged),
        ("beep", packet.beep),
    )
    third = (("no finger", packet.no_finger), ("searching for a pulse", packet.searching))
    pulse = "none (255)" if packet.pulse_rate is None else f"{packet.pulse_rate} /min, with bit 7"
    parts.add(
        1,
        "status",
        f"{in_words(first)}; signal strength {packet.signal_strength}",
        *("no_signal", "b0_bit5", "beep", "signal_strength"),
    )
    parts.add(1, "pleth", packet.pleth or "none (0)")
    parts.add(
        1,
        "status 2",
        f"{in_words(third)}; bar {packet.bargraph}; pulse bit 7: {data[2] >> 6 & 1}",
        *("no_finger", "searching", "bargraph", "pulse_rate"),
    )
    parts.add(1, "pulse_rate", pulse)
    parts.add(1, "spo2", "none (127)" if packet.spo2 is None else f"{packet.spo2} %")
    parts.rest()
    return parts


FORMATS: Final[tuple[AnyFormat, ...]] = (
    Format(
        key="bci-5byte",
        title="BCI protocol (Berry), five bytes",
        source="BCI Protocol V1.2 for Bluetooth & USB oximeters (zh2x/BCI_Protocol)",
        message=DataPacket,
        decode=DataPacket.from_bytes,
        encode=bytes,
        describe=_describe,
        measure=five_bytes.measure,
    ),
)
DRIVERS: Final[tuple[Driver, ...]] = (
    Driver(
        key="bci-serial",
        title="BCI-protocol pulse oximeter (Berry and others) on a USB serial adapter",
        device_type=DeviceType.PULSE_OXIMETER,
        transport=Transport.SERIAL,
        serial=SerialSettings(baud=115200),
        formats=("bci-5byte",),
        measures=(Parameter.SPO2, Parameter.OXIMETER_PULSE_RATE),
        session=Session,
        verified=(Verified.VENDOR_DOCUMENT,),
        stale_after_seconds=10,
        missing="the document names no line settings: 115200 8N1 is how Berry's serial modules are set; oximeters of this protocol at 4800 or 9600 baud; the 20-byte format V1.5",
    ),
    Driver(
        key="berry-ble",
        title="Berry BM1000 pulse oximeter (Bluetooth LE)",
        device_type=DeviceType.PULSE_OXIMETER,
        transport=Transport.BLE,
        formats=("bci-5byte",),
        measures=(Parameter.SPO2, Parameter.OXIMETER_PULSE_RATE),
        marks=(Marks(names=("BerryMed",)),),
        session=partial(Session, notify=BERRY_NOTIFY),
        verified=(Verified.VENDOR_DOCUMENT, Verified.SECOND_SOURCE),
        stale_after_seconds=10,
        missing="the 20-byte format V1.5; the battery, which this protocol does not tell",
    ),
)
