"""What a SunTech Advantage OEM module and its host say: 9600 baud, 8N1.

Sources: ak-git/DesktopFX (with its test's frames), JanuityUI's BloodPressure.cs (which cites SunTech's Operations Manual, Rev K, p. 55, for the
error codes), AtCor's SphygmoCor and nPM's SuntechProvider: four programs that agree but for error code 3 and for the pulse, which two of them read with the
spare byte behind it. A frame of the module is 3E, its whole length, a payload and a check byte that makes the sum of all bytes 0 mod 256; a host's is 3A, a
command, its arguments and such a check byte, without a length.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from struct import Struct
from types import MappingProxyType
from typing import Final, Self, TypeAlias

from device_drivers.checksums import sum8, twos_complement8
from device_drivers.errors import Malformed, Truncated
from device_drivers.fields import Json, message_from, named
from device_drivers.format import Parts
from device_drivers.packing import of_length, pack

HOST: Final = 0x3A
MODULE: Final = 0x3E
_START: Final = 0x20
_SUBCOMMAND: Final = 0x79
_INITIAL_PRESSURE: Final = 0x17
_PNEUMATICS: Final = 0x0C
_HOST_LENGTHS: Final = MappingProxyType({_START: 3, _SUBCOMMAND: 5, _INITIAL_PRESSURE: 5, _PNEUMATICS: 6})
"""Whole lengths of the host's frames; of another command it is not known where it ends."""
_COMMANDS: Final = MappingProxyType(
    {_START: "start a measurement (adult): the cuff inflates", _PNEUMATICS: "move the pump and the valves"}
)
_SUBCOMMANDS: Final = MappingProxyType(
    {b"\x01": "abort the measurement", b"\x03": "send the last result", b"\x05": "send the cuff's pressure"}
)
_ANSWERS: Final = MappingProxyType(
    {
        "O": "command accepted",
        "K": "done",
        "B": "busy",
        "A": "aborted",
        "E": "error",
        "S": "asleep",
    }
)
ERRORS: Final = MappingProxyType(
    {
        0: "none",
        1: "weak or no signal",
        2: "artifact or erratic signal",
        3: "out of range, or too many tries (the sources differ)",
        4: "time exceeded",
        85: "pneumatic blockage",
        86: "ended by a person",
        87: "inflation takes too long: a leak or a loose cuff",
        88: "safety timeout",
        89: "overpressure in the cuff",
        90: "power supply or other hardware",
        91: "not permitted, or zero out of range",
        97: "transducer out of range",
        99: "calibration data lost",
    }
)
"""What ended a measurement, by the code in its result."""


def _framed(payload: bytes) -> bytes:
    body = bytes((MODULE, len(payload) + 3)) + payload
    return body + bytes((twos_complement8(body),))


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """Four bytes: one letter for a command that was taken, refused, or has ended."""

    ack: str

    @classmethod
    def from_payload(cls, payload: bytes) -> Self:
        """Decode one byte. Raises Malformed for what is no printable letter."""
        if not 0x20 < payload[0] < 0x7F:
            raise Malformed("not_a_letter")
        return cls(ack=chr(payload[0]))

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for more or less than a letter."""
        letter = self.ack.encode("ascii")
        if len(letter) != 1:
            raise ValueError(f"an answer is one letter, not {self.ack!r}")
        return _framed(letter)


@dataclass(frozen=True, slots=True, kw_only=True)
class CuffPressure:
    """Five bytes: the cuff's pressure at this moment, in mmHg; below 0 where the module has none."""

    cuff_pressure: int

    @classmethod
    def from_payload(cls, payload: bytes) -> Self:
        return cls(cuff_pressure=int.from_bytes(payload, "little", signed=True))

    def __bytes__(self) -> bytes:
        return _framed(pack(_PRESSURE, self.cuff_pressure))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnCode:
    """Six bytes: what came of a calibration or a test, as sent."""

    return_code: bytes

    @classmethod
    def from_payload(cls, payload: bytes) -> Self:
        return cls(return_code=payload)

    def __bytes__(self) -> bytes:
        return _framed(of_length(self.return_code, 3))


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleInformation:
    """67 bytes: version and serial numbers, as sent."""

    information: bytes

    @classmethod
    def from_payload(cls, payload: bytes) -> Self:
        return cls(information=payload)

    def __bytes__(self) -> bytes:
        return _framed(of_length(self.information, 64))


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """24 bytes: the last measurement, in mmHg and beats a minute; a number that is 0 on the wire is None. `beats` were counted during the measurement.

    `bp_status` has bit 0 where the numbers are a blood pressure. `test_codes` mean something to SunTech.
    """

    systolic: int | None
    diastolic: int | None
    mean: int | None = named("map")
    pulse_rate: int | None
    beats: int
    bp_status: int
    error_code: int
    test_codes: bytes = bytes(8)

    @classmethod
    def from_payload(cls, payload: bytes) -> Self:
        systolic, diastolic, beats, status, codes, rate, mean, error = _RESULT.unpack(payload)
        return cls(
            systolic=systolic or None,
            diastolic=diastolic or None,
            mean=mean or None,
            pulse_rate=rate or None,
            beats=beats,
            bp_status=status,
            error_code=error,
            test_codes=codes,
        )

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for a number that its field can't hold."""
        return _framed(
            pack(
                _RESULT,
                *(self.systolic or 0, self.diastolic or 0, self.beats, self.bp_status),
                of_length(self.test_codes, 8),
                *(self.pulse_rate or 0, self.mean or 0, self.error_code),
            )
        )

    @property
    def measured(self) -> bool:
        """Whether the numbers are a blood pressure."""
        return bool(self.error_code == 0 and self.bp_status & 1 and self.systolic and self.diastolic)

    @property
    def empty(self) -> bool:
        """Whether the module has measured nothing since it was switched on."""
        return self.error_code == 0 and not (self.systolic or self.diastolic or self.beats)


_PRESSURE: Final = Struct("<h")
_RESULT: Final = Struct("<HHBB8sBxHB2x")
ModuleFrame: TypeAlias = Acknowledgement | CuffPressure | ReturnCode | Result | ModuleInformation
_KINDS: Final[Mapping[int, type[ModuleFrame]]] = MappingProxyType(
    {4: Acknowledgement, 5: CuffPressure, 6: ReturnCode, 24: Result, 67: ModuleInformation}
)
_MARKS: Final[Mapping[str, type[ModuleFrame]]] = MappingProxyType(
    {
        "ack": Acknowledgement,
        "cuff_pressure": CuffPressure,
        "return_code": ReturnCode,
        "information": ModuleInformation,
    }
)


def decode(data: bytes) -> ModuleFrame:
    """A frame of the module; what follows it is ignored. Raises Truncated, Malformed."""
    if not data or data[0] != MODULE:
        raise Malformed("not_a_frame")
    length = data[1] if len(data) > 1 else min(_KINDS)
    if length not in _KINDS:
        raise Malformed("unknown_length")
    if len(data) < length:
        raise Truncated(length, len(data))
    if sum8(data[:length]):
        raise Malformed("checksum")
    return _KINDS[length].from_payload(data[2 : length - 1])


def frame_from(fields: Mapping[str, Json]) -> ModuleFrame:
    """The frame that these fields say; a result, unless one of them belongs to another. Raises ValueError."""
    kind = next((kind for name, kind in _MARKS.items() if name in fields), Result)
    return message_from(kind, fields)


def measure(buffer: bytearray, at: int) -> int | None:
    """The length of the frame that begins at `at`; see `Measure`."""
    if buffer[at] != MODULE:
        return 0
    if at + 1 == len(buffer):
        return None
    length = buffer[at + 1]
    if length not in _KINDS:
        return 0
    frame = bytes(buffer[at : at + length])
    if len(frame) < length:
        return None
    return 0 if sum8(frame) else length


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCommand:
    """A frame of the host."""

    command: int
    arguments: bytes
    checksum: int

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode; what follows a known command is ignored, an unknown one is all that is there. Raises Truncated, Malformed."""
        if len(data) < 3:
            raise Truncated(3, len(data))
        if data[0] != HOST:
            raise Malformed("not_a_command")
        length = _HOST_LENGTHS.get(data[1], len(data))
        if len(data) < length:
            raise Truncated(length, len(data))
        if sum8(data[:length]):
            raise Malformed("checksum")
        return cls(command=data[1], arguments=data[2 : length - 1], checksum=data[length - 1])

    @classmethod
    def of(cls, command: int, arguments: bytes = b"") -> Self:
        """With the check byte that it needs."""
        checksum = twos_complement8(bytes((HOST, command)) + arguments)
        return cls(command=command, arguments=arguments, checksum=checksum)

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for a check byte that is wrong, and for arguments of another length than the command has."""
        frame = bytes((HOST, self.command)) + self.arguments + bytes((self.checksum,))
        if sum8(frame):
            raise ValueError(f"the check byte is {twos_complement8(frame[:-1])}, not {self.checksum}")
        return of_length(frame, _HOST_LENGTHS.get(self.command, len(frame)))

    @property
    def words(self) -> str:
        """What it asks for."""
        if self.command == _SUBCOMMAND:
            return _SUBCOMMANDS.get(self.arguments[:1], "a request that is not known")
        if self.command == _INITIAL_PRESSURE:
            return f"inflate to {int.from_bytes(self.arguments, 'little')} mmHg at first"
        return _COMMANDS.get(self.command, "a command that is not known")


START_ADULT: Final = bytes(HostCommand.of(_START))
ABORT: Final = bytes(HostCommand.of(_SUBCOMMAND, b"\x01\x00"))
SEND_RESULT: Final = bytes(HostCommand.of(_SUBCOMMAND, b"\x03\x00"))
SEND_PRESSURE: Final = bytes(HostCommand.of(_SUBCOMMAND, b"\x05\x00"))


def describe(data: bytes) -> Parts:
    """Every byte of a frame of the module."""
    frame, parts = decode(data), Parts(data)
    parts.add(1, "start", "a frame of the module follows")
    parts.add(1, "length", f"{data[1]} bytes in all")
    match frame:
        case Acknowledgement(ack=letter):
            parts.add(1, "ack", f"{letter}: {_ANSWERS.get(letter, 'not known')}")
        case CuffPressure(cuff_pressure=pressure):
            parts.add(2, "cuff_pressure", f"{pressure} mmHg")
        case ReturnCode(return_code=code):
            parts.add(3, "return_code", code.hex(" "))
        case ModuleInformation(information=information):
            parts.add(64, "information", ascii(information.decode("latin-1")))
        case Result():
            _describe_result(frame, parts)
    parts.add(1, "checksum", "right: all bytes add up to 0 mod 256")
    parts.rest()
    return parts


def _describe_result(result: Result, parts: Parts) -> None:
    parts.add(2, "systolic", _number(result.systolic, "mmHg"))
    parts.add(2, "diastolic", _number(result.diastolic, "mmHg"))
    parts.add(1, "beats", f"{result.beats} beats counted")
    parts.add(1, "bp_status", f"{result.bp_status:08b}: {'' if result.bp_status & 1 else 'no '}blood pressure")
    parts.add(8, "test_codes", "SunTech's own")
    parts.add(1, "pulse_rate", _number(result.pulse_rate, "/min"))
    parts.add(1, "spare", "unused")
    parts.add(2, "map", _number(result.mean, "mmHg"))
    parts.add(1, "error_code", f"{result.error_code}: {ERRORS.get(result.error_code, 'not known')}")
    parts.add(2, "spare", "unused")


def _number(number: int | None, unit: str) -> str:
    return "none (0)" if number is None else f"{number} {unit}"


def describe_command(data: bytes) -> Parts:
    """Every byte of a frame of the host."""
    frame, parts = HostCommand.from_bytes(data), Parts(data)
    parts.add(1, "start", "a command of the host follows")
    own = ("command",) if frame.arguments else ("command", "arguments")
    parts.add(1, "command", frame.words, *own)
    parts.add(len(frame.arguments), "arguments", frame.arguments.hex(" "))
    parts.add(1, "checksum", "right: all bytes add up to 0 mod 256")
    parts.rest()
    return parts
