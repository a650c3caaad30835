"""Packets of Contec's protocol V7.0: how they are made, the host's commands, and the live packet.

Source: Contec, "Communication protocol of pulse oximeter V7.0", 2010 (in albertcbraun/CMS50FW). A packet is a type below 0x80, then bytes with bit 7 set:
the first of them holds bit 7 of each of the others, lowest bit first. There is no checksum. The other packets of the device are in `contec_v7_replies`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import IntEnum, unique
from types import MappingProxyType
from typing import Final, Self

from device_drivers.bounds import or_marker, within
from device_drivers.errors import Malformed, Truncated
from device_drivers.framing import FrameReader, Measure
from vitals.identifiers import DeviceKey
from vitals.parameters import Parameter, Vital
from vitals.readings import Reading, Reason, Value, measured_value, missing_value

LIVE: Final = 0x01
DEVICE_ID: Final = 0x04
USER: Final = 0x05
START_DATE: Final = 0x07
STORED_LENGTH: Final = 0x08
STORED_WITH_PERFUSION: Final = 0x09
SEGMENTS: Final = 0x0A
FEEDBACK: Final = 0x0B
FREE: Final = 0x0C
DISCONNECT: Final = 0x0D
PERFUSION_FLAG: Final = 0x0E
STORED: Final = 0x0F
USERS: Final = 0x10
NOTICE: Final = 0x11
START_TIME: Final = 0x12
DATA_ID: Final = 0x15
CONTROL: Final = 0x7D

PACKET_LENGTHS: Final = MappingProxyType(
    {
        LIVE: 9,
        DEVICE_ID: 9,
        USER: 9,
        START_DATE: 8,
        STORED_LENGTH: 8,
        STORED_WITH_PERFUSION: 6,
        SEGMENTS: 4,
        FEEDBACK: 4,
        FREE: 2,
        DISCONNECT: 3,
        PERFUSION_FLAG: 3,
        STORED: 8,
        USERS: 3,
        NOTICE: 9,
        START_TIME: 8,
        DATA_ID: 9,
    }
)
"""Packet types of the device, and the whole length of each."""
CONTROL_LENGTH: Final = 9
NO_PULSE: Final = 0xFF
NO_SPO2: Final = 0x7F
NO_PERFUSION: Final = 0xFFFF
_ARGUMENTS: Final = 6
_NIBBLE: Final = 0x0F
_HIGH_BITS: Final = [int.from_bytes(b"\x80" * count, "little") for count in range(CONTROL_LENGTH)]
"""Bit 7 of so many bytes."""
_SPREAD: Final = [sum(1 << 8 * bit + 7 for bit in range(7) if high >> bit & 1) for high in range(0x80)]
"""The high bits of a packet, each at the top of its own byte."""


@unique
class ControlCommand(IntEnum):
    """What the host may say. What deletes recordings, or names the device anew, is not among them and can't be said."""

    START_LIVE = 0xA1
    STOP_LIVE = 0xA2
    ASK_SEGMENTS = 0xA3
    ASK_STORED_LENGTH = 0xA4
    ASK_START = 0xA5
    START_STORED = 0xA6
    STOP_STORED = 0xA7
    ASK_DEVICE_ID = 0xAA
    ASK_USER = 0xAB
    ASK_PERFUSION_SUPPORT = 0xAC
    ASK_USERS = 0xAD
    KEEP_ALIVE = 0xAF
    ASK_HAS_STORED = 0xB0
    SET_TIME = 0xB1
    SET_DATE = 0xB2
    ASK_DATA_ID = 0xB6


def pack(kind: int, values: Sequence[int]) -> bytes:
    """A packet with these data bytes, their high bits gathered in the second byte. Raises ValueError for what is no byte."""
    high = sum(1 << place for place, value in enumerate(values) if value & 0x80)
    return bytes((kind, high | 0x80, *(value | 0x80 for value in values)))


def unpack(packet: bytes) -> bytes:
    """The data bytes of a packet, their high bits put back."""
    count = len(packet) - 2
    low = int.from_bytes(packet[2:], "little") & ~_HIGH_BITS[count]
    return (low | _SPREAD[packet[1] & 0x7F] & _HIGH_BITS[count]).to_bytes(count, "little")


def unpack_kind(kind: int, data: bytes, length: int) -> bytes:
    """The data bytes of a packet of `kind`, which is so long; what follows is ignored. Raises Truncated, Malformed."""
    if len(data) < length:
        raise Truncated(length, len(data))
    if data[0] != kind or int.from_bytes(data[1:length], "little") & _HIGH_BITS[length - 1] != _HIGH_BITS[length - 1]:
        raise Malformed("not_such_a_packet")
    return unpack(data[:length])


def control(command: ControlCommand, arguments: Sequence[int] = ()) -> bytes:
    """A control command of nine bytes."""
    values = [command, *arguments]
    return pack(CONTROL, values + [0] * (1 + _ARGUMENTS - len(values)))


def parse_control(packet: bytes) -> int:
    """The command's number in a host's nine bytes, for whoever plays the device."""
    return unpack(packet)[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCommand:
    """Type 0x7D: a command and its six arguments, 0 where it has fewer."""

    command: ControlCommand
    arguments: tuple[int, ...] = (0,) * _ARGUMENTS

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode nine bytes. Raises Truncated, Malformed also for a command that is none of ours."""
        number, *arguments = unpack_kind(CONTROL, data, CONTROL_LENGTH)
        try:
            return cls(command=ControlCommand(number), arguments=tuple(arguments))
        except ValueError:
            raise Malformed("not_a_command_of_ours") from None

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for arguments that are not six bytes."""
        within("number of arguments", len(self.arguments), _ARGUMENTS)
        return control(self.command, [within("arguments", argument, 0xFF) for argument in self.arguments])


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
    def from_bytes(cls, data: bytes) -> Self:
        """Decode nine bytes. Raises Truncated, Malformed."""
        first, wave, bar, pulse, spo2, low, high = unpack_kind(LIVE, data, PACKET_LENGTHS[LIVE])
        pi_valid = not bar & 0x10
        return cls(
            signal_strength=first & _NIBBLE,
            search_too_long=bool(first & 0x10),
            low_spo2=bool(first & 0x20),
            beep=bool(first & 0x40),
            probe_error=bool(first & 0x80),
            waveform=wave & 0x7F,
            searching=bool(wave & 0x80),
            bargraph=bar & _NIBBLE,
            pi_valid=pi_valid,
            pulse_rate=None if pulse == NO_PULSE else pulse,
            spo2=None if spo2 == NO_SPO2 else spo2,
            perfusion_index=percent(high << 8 | low) if pi_valid else None,
        )

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for a number that does not fit."""
        flags = self.search_too_long << 4 | self.low_spo2 << 5 | self.beep << 6 | self.probe_error << 7
        values = (
            within("signal_strength", self.signal_strength, _NIBBLE) | flags,
            within("waveform", self.waveform, 0x7F) | self.searching << 7,
            within("bargraph", self.bargraph, _NIBBLE) | (not self.pi_valid) << 4,
            or_marker("pulse_rate", self.pulse_rate, NO_PULSE),
            spo2_byte(self.spo2),
            *hundredths(self.perfusion_index).to_bytes(2, "little"),
        )
        return pack(LIVE, values)

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why a number is missing."""
        if self.probe_error:
            return (Reason.NO_FINGER,)
        if self.search_too_long:
            return (Reason.NO_PULSE_FOUND,)
        return (Reason.SEARCHING,) if self.searching else (Reason.NOT_MEASURED,)

    @property
    def doubts(self) -> tuple[Reason, ...]:
        """What puts the numbers in doubt."""
        said = ((Reason.NO_PULSE_FOUND, self.search_too_long), (Reason.SEARCHING, self.searching))
        return tuple(reason for reason, holds in said if holds)

    @property
    def sample(self) -> int | None:
        """The plethysmogram's value; without a finger the device sends 64 throughout, which is none."""
        return None if self.probe_error else self.waveform

    @property
    def state(self) -> tuple[bool, ...]:
        """Equal while nothing of note changes."""
        flags = (self.probe_error, self.searching, self.search_too_long)
        return (*flags, self.spo2 is None, self.pulse_rate is None)

    def reading(self, device: DeviceKey, *, raw: bytes, at: datetime, has_perfusion: bool = True) -> Reading:
        """The reading that is measured at `at`. An oximeter that has no perfusion index says nothing of it."""
        return Reading(
            data_type=Vital.SPO2,
            device=device,
            values=self._values(has_perfusion=has_perfusion),
            measured=at,
            received=at,
            raw=raw,
        )

    def _values(self, *, has_perfusion: bool) -> tuple[Value, ...]:
        missing = self.reasons
        if self.probe_error:  # what the display then holds is not the patient's
            return values_of(None, None, None, doubts=(), missing=missing, has_perfusion=has_perfusion)
        return values_of(
            self.spo2,
            self.pulse_rate,
            self.perfusion_index,
            doubts=self.doubts,
            missing=missing,
            has_perfusion=has_perfusion,
        )


def values_of(
    spo2: int | None,
    pulse_rate: int | None,
    perfusion_index: Decimal | None,
    *,
    doubts: tuple[Reason, ...],
    missing: tuple[Reason, ...],
    has_perfusion: bool,
) -> tuple[Value, ...]:
    """The values of a live packet or a stored sample. An SpO2 and a pulse of 0 are none."""
    numbers: list[tuple[Parameter, int | Decimal | None]] = [
        (Parameter.SPO2, spo2 or None),
        (Parameter.OXIMETER_PULSE_RATE, pulse_rate or None),
    ]
    if has_perfusion:
        numbers.append((Parameter.PERFUSION_INDEX, perfusion_index))
    return tuple(
        missing_value(parameter, *missing) if number is None else measured_value(parameter, number, *doubts)
        for parameter, number in numbers
    )


def percent(word: int) -> Decimal | None:
    """A perfusion index in %, None where there is none."""
    return None if word == NO_PERFUSION else Decimal(word).scaleb(-2)


def hundredths(perfusion_index: Decimal | None) -> int:
    """The inverse of `percent`. Raises ValueError for what is not of whole hundredths, or too large."""
    if perfusion_index is None:
        return NO_PERFUSION
    word = perfusion_index.scaleb(2)
    if word != word.to_integral_value():
        raise ValueError(f"perfusion_index: {perfusion_index} has more than two decimals")
    return or_marker("perfusion_index in hundredths", int(word), NO_PERFUSION)


def spo2_byte(spo2: int | None) -> int:
    """The byte that says it. Raises ValueError for a number that does not fit, or that would say "none"."""
    if spo2 == NO_SPO2:
        raise ValueError(f"spo2: {NO_SPO2} means none")
    return NO_SPO2 if spo2 is None else within("spo2", spo2, 0xFF)


def _packet_at(buffer: bytearray, at: int, length: int) -> int | None:
    """Whether bytes with bit 7 set follow the type at `at`."""
    body = buffer[at + 1 : at + length]
    if int.from_bytes(body, "little") & (mask := _HIGH_BITS[len(body)]) != mask:
        return 0
    return length if len(body) == length - 1 else None


def measure(buffer: bytearray, at: int) -> int | None:
    """The packet at `at`, of whichever of the device's types."""
    length = PACKET_LENGTHS.get(buffer[at])
    return 0 if length is None else _packet_at(buffer, at, length)


def measure_kind(kind: int, length: int) -> Measure:
    """What finds packets of one type."""

    def find(buffer: bytearray, at: int) -> int | None:
        return _packet_at(buffer, at, length) if buffer[at] == kind else 0

    return find


def frame_reader() -> FrameReader:
    """Finds packets of every type."""
    return FrameReader(measure)
