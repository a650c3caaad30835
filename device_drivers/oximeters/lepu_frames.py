"""Messages of Viatom's newer devices (lead A5 both ways): an envelope with a command, a flag and a counter, and a content.

Sources: nglessner/o2ring-s-protocol ("Frame format", "GET_INFO"), Viatom's LepuBle (Bp2BleCmd.java, Bp2DeviceInfo.kt), chalimov/viatom_bp2_ha (LP-BP2W_PROTOCOL.md,
sections 3, 7 and 9). The flag is 0 in a request and 1 in an answer; other values are answers that refuse. A device echoes the counter.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self, TypeAlias

from device_drivers.date_time import DateTime
from device_drivers.errors import Malformed, Truncated
from device_drivers.format import Parts
from device_drivers.oximeters.viatom_frames import (
    HEADER_LENGTH,
    Content,
    Data,
    Envelope,
    explain_rest,
    little,
    measure_of,
    packed,
    received_crc,
    unpacked,
)

LEAD: Final = 0xA5
REQUEST: Final = 0
ANSWER: Final = 1
MEASURE: Final = measure_of(LEAD)
Contents: TypeAlias = Mapping[tuple[int, int], type[Content]]
"""What a command's request (flag 0) or answer (1) holds; anything else is `Data`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    cmd: int
    flag: int = REQUEST
    seq: int = 0
    crc: int | None = received_crc()


@dataclass(frozen=True, slots=True, kw_only=True)
class Message(Head):
    """One frame."""

    content: Content

    @classmethod
    def of(cls, frame: bytes, contents: Contents, names: Mapping[int, str]) -> Self:
        """Decode a command that has a name: there are others, which erase, reset or inflate. Raises Truncated, Malformed."""
        cmd, (flag, seq), data = unpacked(LEAD, frame)
        if cmd not in names:
            raise Malformed("unknown_command")
        content = contents.get((cmd, flag), Data)
        said = content.from_data(data) if data else Data()
        return cls(cmd=cmd, flag=flag, seq=seq, crc=frame[HEADER_LENGTH + len(data)], content=said)

    def __bytes__(self) -> bytes:
        return packed(LEAD, self.cmd, bytes((self.flag, self.seq)), bytes(self.content))


def request(cmd: int, data: bytes = b"", *, seq: int = 0) -> Message:
    return Message(cmd=cmd, flag=REQUEST, seq=seq, content=Data(data=data))


def answer(cmd: int, content: Content, *, seq: int = 0) -> Message:
    return Message(cmd=cmd, flag=ANSWER, seq=seq, content=content)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceInfo:
    """Answer to 0xE1: what it is, and its clock. Versions are written highest part first; what no source explains is left out."""

    hardware: int
    firmware: str
    bootloader: str
    branch: str
    device_type: int
    protocol: str
    timestamp: DateTime
    longest: int
    serial: str

    SIZE = 38
    WHOLE = 60

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        end = cls.SIZE + (data[37] if len(data) >= cls.SIZE else 0)
        if len(data) < end:
            raise Truncated(end, len(data))
        return cls(
            hardware=data[0],
            firmware=_version(data[1:4]),
            bootloader=_version(data[5:8]),
            branch=_text(data[9:17]),
            device_type=int.from_bytes(data[20:22], "little"),
            protocol=_version(data[22:24]),
            timestamp=DateTime.from_bytes(data[24:31]),
            longest=int.from_bytes(data[31:33], "little"),
            serial=_text(data[cls.SIZE : end]),
        )

    def __bytes__(self) -> bytes:
        serial = self.serial.encode("ascii")
        versions = bytes((self.hardware, *_parts(self.firmware, 3), 0, *_parts(self.bootloader, 3), 0))
        kind = self.branch.encode("ascii").ljust(8, b"\0") + bytes(3) + little(self.device_type, 2)
        clock = bytes(_parts(self.protocol, 2)) + bytes(self.timestamp) + little(self.longest, 2) + bytes(4)
        return (versions + kind + clock + bytes((len(serial),)) + serial).ljust(self.WHOLE, b"\0")

    def explain(self, parts: Parts, size: int) -> None:
        parts.add(1, "hardware", self.hardware)
        parts.add(3, "firmware", f"{self.firmware}, lowest part first")
        parts.add(1, "unknown", "not known")
        parts.add(3, "bootloader", f"{self.bootloader}, lowest part first")
        parts.add(1, "unknown", "not known")
        parts.add(8, "branch", self.branch or "none")
        parts.add(3, "unknown", "not known")
        parts.add(2, "device_type", self.device_type)
        parts.add(2, "protocol", f"{self.protocol}, lowest part first")
        parts.add(DateTime.SIZE, "timestamp", f"{self.timestamp}, its clock")
        parts.add(2, "longest", f"{self.longest} bytes a frame")
        parts.add(4, "unknown", "not known")
        parts.add(1, "length of serial", len(self.serial))
        parts.add(len(self.serial), "serial", self.serial)
        parts.add(size - self.SIZE - len(self.serial), "padding", "nothing", "serial")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockSetting:
    """The request that sets the clock: a Date Time, then whatever the vendor's application sends; only the time means something."""

    timestamp: DateTime

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        if len(data) < DateTime.SIZE:
            raise Truncated(DateTime.SIZE, len(data))
        return cls(timestamp=DateTime.from_bytes(data[: DateTime.SIZE]))

    def __bytes__(self) -> bytes:
        return bytes(self.timestamp)

    def explain(self, parts: Parts, size: int) -> None:
        parts.add(DateTime.SIZE, "timestamp", self.timestamp)


def describe(frame: bytes, contents: Contents, envelope: Envelope[Message], names: Mapping[int, str]) -> Parts:
    """The parts of a frame whose commands have these names."""
    message, parts = Message.of(frame, contents, names), Parts(frame)
    size = int.from_bytes(frame[5:7], "little")
    parts.add(1, "lead", "A5")
    parts.add(1, "cmd", names[message.cmd])
    parts.add(1, "complement", "of the command")
    parts.add(1, "flag", {REQUEST: "a request", ANSWER: "an answer"}.get(message.flag, f"refused: {message.flag}"))
    parts.add(1, "seq", message.seq)
    parts.add(2, "length", f"{size} bytes: {envelope.kind_of(message.content)}", "kind", "data")
    explain_rest(parts, message.content, size, frame[HEADER_LENGTH + size])
    return parts


def checked(message: Message, names: Mapping[int, str]) -> bytes:
    """Encode. Raises ValueError for a command without a name."""
    if message.cmd not in names:
        raise ValueError(f"cmd: {message.cmd} is none of {', '.join(str(cmd) for cmd in names)}")
    return bytes(message)


def _version(parts: bytes) -> str:
    return ".".join(str(part) for part in reversed(parts))


def _parts(version: str, count: int) -> list[int]:
    """The parts of a version, lowest first. Raises ValueError."""
    parts = [int(part) for part in reversed(version.split("."))]
    if len(parts) != count:
        raise ValueError(f"{version!r} has not {count} parts")
    return parts


def _text(data: bytes) -> str:
    try:
        return data.rstrip(b"\0").decode("ascii")
    except UnicodeDecodeError as error:
        raise Malformed("no_text") from error
