"""Contec oximeters that speak protocol V7.0 (CMS50D+ from firmware 4.6, CMS50E, CMS50FW): 115200 baud, 8N1.

Source: Contec, "Communication protocol of pulse oximeter V7.0" (in albertcbraun/CMS50FW). A packet is a type byte below 0x80, then
bytes with bit 7 set: the first of them holds bit 7 of each of the others. Live packets come 60 times a second after the host asked
for them, for as long as it says every five seconds that it is there.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import IntEnum, unique
from types import MappingProxyType
from typing import Final, Self

from device_drivers.cadence import Cadence
from device_drivers.errors import Malformed, Truncated
from device_drivers.framing import Discarded, Frame, FrameReader, NoiseGate, refused_bytes
from device_drivers.sessions import (
    BytesReceived,
    Command,
    Deliver,
    Event,
    LinkEstablished,
    ReportRefused,
    ReportStatus,
    SendBytes,
    SessionContext,
    TimePassed,
)
from vitals.identifiers import DeviceKey
from vitals.parameters import Parameter, Vital
from vitals.readings import Reading, Reason, Value, measured_value, missing_value

PACKET_LENGTHS: Final = MappingProxyType(
    {
        0x01: 9,  # live
        0x04: 9,  # device id
        0x05: 9,  # user
        0x07: 8,  # start date of stored data
        0x08: 8,  # length of stored data
        0x09: 6,  # stored, with perfusion index
        0x0A: 4,  # number of segments
        0x0B: 4,  # feedback
        0x0C: 2,  # free
        0x0D: 3,  # disconnect
        0x0E: 3,  # perfusion index flag
        0x0F: 8,  # stored, without perfusion index
        0x10: 3,  # number of users
        0x11: 9,  # notice
        0x12: 8,  # start time
        0x15: 9,  # data id
    }
)
"""Packet types of the device, and the whole length of each."""

LIVE: Final = 0x01
FEEDBACK: Final = 0x0B
DISCONNECT: Final = 0x0D
_CONTROL: Final = 0x7D
_INVALID_PULSE: Final = 0xFF
_INVALID_SPO2: Final = 0x7F
_INVALID_PERFUSION: Final = 0xFFFF
KEEP_ALIVE_EVERY: Final = timedelta(seconds=4)  # the device stops after 5
ASK_AGAIN_AFTER: Final = timedelta(seconds=3)


@unique
class ControlCommand(IntEnum):
    """What the host may say. Erasing stored data is not among them."""

    START_LIVE = 0xA1
    STOP_LIVE = 0xA2
    STOP_STORED = 0xA7
    ASK_DEVICE_ID = 0xAA
    ASK_PERFUSION_SUPPORT = 0xAC
    KEEP_ALIVE = 0xAF


def pack(kind: int, values: Sequence[int]) -> bytes:
    """A packet with these data bytes, their high bits gathered in the second byte."""
    high = sum(1 << place for place, value in enumerate(values) if value & 0x80)
    return bytes((kind, high | 0x80, *(value | 0x80 for value in values)))


def unpack(packet: bytes) -> bytes:
    """The data bytes of a packet, their high bits put back."""
    high = packet[1]
    return bytes((byte & 0x7F) | (0x80 if high >> place & 1 else 0) for place, byte in enumerate(packet[2:]))


def control(command: ControlCommand, arguments: Sequence[int] = ()) -> bytes:
    """A control command of nine bytes."""
    values = [command, *arguments]
    return pack(_CONTROL, values + [0] * (7 - len(values)))


def parse_control(packet: bytes) -> int:
    """The command's number in a host's nine bytes, for whoever plays the device."""
    return unpack(packet)[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePacket:
    """Type 0x01, in the oximeter's own words; a number that it does not have is None. `waveform` is 0 to 127, `perfusion_index` %."""

    spo2: int | None
    pulse_rate: int | None
    perfusion_index: Decimal | None
    waveform: int
    bargraph: int
    signal_strength: int
    beep: bool = False
    probe_error: bool = False
    searching: bool = False
    search_too_long: bool = False
    low_spo2: bool = False
    pi_valid: bool = True

    @classmethod
    def from_bytes(cls, packet: bytes) -> Self:
        """Decode nine bytes. Raises Truncated, Malformed."""
        if len(packet) < PACKET_LENGTHS[LIVE]:
            raise Truncated(PACKET_LENGTHS[LIVE], len(packet))
        packet = packet[: PACKET_LENGTHS[LIVE]]
        if packet[0] != LIVE or any(byte < 0x80 for byte in packet[1:]):
            raise Malformed("not_a_live_packet")
        d = unpack(packet)
        perfusion = int.from_bytes(d[5:7], "little")
        pi_valid = not d[2] & 0x10
        return cls(
            signal_strength=d[0] & 0x0F,
            search_too_long=bool(d[0] & 0x10),
            low_spo2=bool(d[0] & 0x20),
            beep=bool(d[0] & 0x40),
            probe_error=bool(d[0] & 0x80),
            waveform=d[1] & 0x7F,
            searching=bool(d[1] & 0x80),
            bargraph=d[2] & 0x0F,
            pi_valid=pi_valid,
            pulse_rate=None if d[3] == _INVALID_PULSE else d[3],
            spo2=None if d[4] == _INVALID_SPO2 else d[4],
            perfusion_index=None if perfusion == _INVALID_PERFUSION or not pi_valid else Decimal(perfusion) / 100,
        )

    def __bytes__(self) -> bytes:
        perfusion = _INVALID_PERFUSION if self.perfusion_index is None else int(self.perfusion_index * 100)
        first = self.signal_strength | self.search_too_long << 4 | self.low_spo2 << 5 | self.beep << 6
        return pack(
            LIVE,
            (
                first | self.probe_error << 7,
                self.waveform | self.searching << 7,
                self.bargraph | (not self.pi_valid) << 4,
                _INVALID_PULSE if self.pulse_rate is None else self.pulse_rate,
                _INVALID_SPO2 if self.spo2 is None else self.spo2,
                *perfusion.to_bytes(2, "little"),
            ),
        )

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why a number is missing."""
        if self.probe_error:
            return (Reason.NO_FINGER,)
        if self.search_too_long:
            return (Reason.NO_PULSE_FOUND,)
        return (Reason.SEARCHING,) if self.searching else (Reason.NOT_MEASURED,)

    def reading(self, device: DeviceKey, *, raw: bytes, at: datetime) -> Reading:
        """The reading that is measured at `at`."""
        doubts = (Reason.SEARCHING,) if self.searching else ()
        numbers = (
            (Parameter.SPO2, self.spo2),
            (Parameter.OXIMETER_PULSE_RATE, self.pulse_rate),
            (Parameter.PERFUSION_INDEX, self.perfusion_index),
        )
        return Reading(
            data_type=Vital.SPO2,
            device=device,
            values=tuple(self._value(parameter, number, doubts) for parameter, number in numbers),
            measured=at,
            received=at,
            raw=raw,
        )

    def _value(self, parameter: Parameter, number: int | Decimal | None, doubts: tuple[Reason, ...]) -> Value:
        """A number, unless there is none or no finger: what the display then holds is not the patient's."""
        missing_zero = number == 0 and parameter is not Parameter.PERFUSION_INDEX
        if number is None or self.probe_error or missing_zero:
            return missing_value(parameter, *self.reasons)
        return measured_value(parameter, number, *doubts)


def _measure(buffer: bytearray, at: int) -> int | None:
    length = PACKET_LENGTHS.get(buffer[at])
    if length is None:
        return 0
    body = buffer[at + 1 : at + length]
    if any(byte < 0x80 for byte in body):
        return 0
    return length if len(body) == length - 1 else None


def frame_reader() -> FrameReader:
    """Finds packets of every type."""
    return FrameReader(_measure)


FAULTS: Final = MappingProxyType(
    {1: "shut_down", 2: "user_changed", 3: "recording", 4: "delete_failed", 5: "command_unsupported"}
)
"""Why the device did not carry out a command, by the second data byte of its feedback; 0 says that it did."""


def parse_feedback(packet: bytes) -> tuple[int, str | None]:
    """The command that the device answers, and the fault; None where there is none. Raises Truncated."""
    if len(packet) < PACKET_LENGTHS[FEEDBACK]:
        raise Truncated(PACKET_LENGTHS[FEEDBACK], len(packet))
    command, reason = unpack(packet[: PACKET_LENGTHS[FEEDBACK]])
    return command, FAULTS.get(reason, "refused_by_device") if reason else None


class Session:
    """Asks for live packets, keeps the oximeter awake, and delivers one reading a second."""

    def __init__(self, context: SessionContext) -> None:
        self._device = context.device
        self._frames = frame_reader()
        self._gate = NoiseGate(self._frames, frame_length=PACKET_LENGTHS[LIVE])
        self._cadence = Cadence()
        self._said: datetime | None = None
        self._heard: datetime | None = None
        self._faulty = False

    def handle(self, event: Event) -> list[Command]:
        match event:
            case LinkEstablished():
                self._said = event.at
                return [SendBytes(data=control(ControlCommand.START_LIVE))]
            case BytesReceived():
                self._frames.receive_data(event.data)
                return list(self._commands(event.at))
            case TimePassed():
                return self._keep_awake(event.at)
            case _:
                return []

    def _keep_awake(self, at: datetime) -> list[Command]:
        if self._said is not None and at - self._said < KEEP_ALIVE_EVERY:
            return []
        self._said = at
        silent = self._heard is None or at - self._heard > ASK_AGAIN_AFTER
        return [SendBytes(data=control(ControlCommand.START_LIVE if silent else ControlCommand.KEEP_ALIVE))]

    def _commands(self, at: datetime) -> Iterator[Command]:
        events = list(self._frames.events())
        if not self._gate.is_open(at):  # there is no checksum
            if events:
                yield ReportRefused(at=at, reason="not_a_packet", discarded=refused_bytes(events))
            return
        for found in events:
            match found:
                case Discarded():
                    yield ReportRefused(at=at, reason="not_a_packet", discarded=found.count)
                case Frame() if found.data[0] == FEEDBACK:
                    _, fault = parse_feedback(found.data)
                    if fault is not None:
                        self._faulty = True
                        yield ReportStatus(at=at, faults=(fault,))
                case Frame() if found.data[0] == DISCONNECT:
                    self._faulty = True
                    yield ReportStatus(at=at, faults=("disconnected_by_device",))
                case Frame() if found.data[0] == LIVE:
                    self._heard = at
                    if self._faulty:
                        self._faulty = False
                        yield ReportStatus(at=at)
                    packet = LivePacket.from_bytes(found.data)
                    if self._cadence.decides(at, (packet.probe_error, packet.searching, packet.search_too_long)):
                        yield Deliver(readings=(packet.reading(self._device, raw=found.data, at=at),))
