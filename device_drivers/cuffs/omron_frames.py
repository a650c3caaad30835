"""The frames by which an Omron cuff's memory is read, and how they are cut over its characteristics.

Total length, type (two bytes), address (two bytes, high first), number of data bytes, data, status (0 is well), and a byte that makes the exclusive or of
the whole frame 0. The host asks with 0000 (begin), 0100 (read) and 0F00 (end); the cuff answers with the same type and its highest bit
set. Older models spread a frame of up to 64 bytes over four characteristics, 16 bytes each; newer ones have one, which takes it whole.
Source: userx14/omblepy; eigger/hass-omron, with captured frames. Only the three types that read are here: the memory also holds the calibration.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

from device_drivers import uuids
from device_drivers.bounds import within
from device_drivers.checksums import xor8
from device_drivers.cuffs.omron_records import RECORD_LENGTH, LowFirst
from device_drivers.driver import Driver
from device_drivers.errors import Malformed, Truncated, Undecodable
from device_drivers.fields import Json, fields_of, message_from
from device_drivers.format import AnyFormat, Format, Parts

SERVICE: Final = "ecbe3980-c9a2-11e1-b1bd-0002a5d5c51b"
SINGLE_CHANNEL_SERVICE: Final = uuids.sig(0xFE4A)
UNLOCK: Final = "b305b680-aee7-11e1-a730-0002a5d5c51b"
FROM_CUFF: Final = (
    "49123040-aee8-11e1-a74d-0002a5d5c51b",
    "4d0bf320-aee8-11e1-a0d9-0002a5d5c51b",
    "5128ce60-aee8-11e1-b84b-0002a5d5c51b",
    "560f1420-aee8-11e1-8184-0002a5d5c51b",
)
TO_CUFF: Final = (
    "db5b55e0-aee7-11e1-965e-0002a5d5c51b",
    "e0b8a060-aee7-11e1-92f4-0002a5d5c51b",
    "0ae12b00-aee8-11e1-a192-0002a5d5c51b",
    "10e1ba60-aee8-11e1-89e5-0002a5d5c51b",
)
CHANNEL_WIDTH: Final = 16
LONGEST_FRAME: Final = CHANNEL_WIDTH * len(FROM_CUFF)

BEGUN: Final = "8000"
READ: Final = "8100"
ENDED: Final = "8f00"
_HEADER_LENGTH: Final = 6
_AROUND_DATA: Final = 8
_REPLY_BIT: Final = 0x80


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A frame from the cuff: `type` in four hexadecimal digits."""

    type: str
    address: int = 0
    data: bytes = b""
    status: int = 0

    @classmethod
    def from_bytes(cls, frame: bytes) -> Self:
        """Decode; what follows the frame is ignored. Raises Truncated, Malformed."""
        length = _length(frame)
        if xor8(frame[:length]):
            raise Malformed("checksum")
        size = frame[5]
        if not frame[1] & _REPLY_BIT or size > length - _AROUND_DATA:
            raise Malformed("not_a_reply")
        return cls(
            type=frame[1:3].hex(),
            address=int.from_bytes(frame[3:5], "big"),
            data=frame[_HEADER_LENGTH : _HEADER_LENGTH + size],
            status=frame[_HEADER_LENGTH + size],
        )

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for a type that is no reply and for more data than a frame has room for."""
        kind = bytes.fromhex(self.type)
        if len(kind) != 2 or not kind[0] & _REPLY_BIT:
            raise ValueError("type: a reply's is four digits, 8000 or more")
        if len(self.data) > LONGEST_FRAME - _AROUND_DATA:
            raise ValueError(f"data: at most {LONGEST_FRAME - _AROUND_DATA} bytes")
        address = within("address", self.address, 0xFFFF).to_bytes(2, "big")
        return _framed(kind + address + bytes((len(self.data),)) + self.data + bytes((self.status,)))

    @property
    def record(self) -> LowFirst | None:
        """The record that the data are, where they have the length of one and read as one in the byte order of newer models."""
        if self.type != READ or len(self.data) != RECORD_LENGTH:
            return None
        try:
            return LowFirst.from_bytes(self.data)
        except Undecodable:
            return None


def begin() -> bytes:
    """Begin a transmission; its reply has type `BEGUN`."""
    return _framed(bytes.fromhex("000000001000"))


def read(address: int, size: int) -> bytes:
    """Ask for `size` bytes of the memory; its reply has type `READ` and the same address."""
    return _framed(b"\x01\x00" + address.to_bytes(2, "big") + bytes((size, 0)))


def end() -> bytes:
    """End the transmission; its reply has type `ENDED`."""
    return _framed(bytes.fromhex("0f0000000000"))


def _framed(body: bytes) -> bytes:
    frame = bytes((len(body) + 2,)) + body
    return frame + bytes((xor8(frame),))


def _length(frame: bytes) -> int:
    if not frame:
        raise Truncated(_AROUND_DATA, 0)
    if not _AROUND_DATA <= frame[0] <= LONGEST_FRAME:
        raise Malformed("not_a_frame")
    if len(frame) < frame[0]:
        raise Truncated(frame[0], len(frame))
    return frame[0]


class Assembler:
    """Puts frames together from the pieces that come over `channels`, in their order; the first channel begins a frame."""

    def __init__(self, channels: Sequence[str]) -> None:
        self._channels = tuple(channels)
        self._pieces: dict[int, bytes] = {}

    def receive(self, channel: str, piece: bytes) -> bytes | None:
        """The frame that the piece completes. A frame that can't be complete is given as it is, for `Reply` to refuse."""
        place = self._channels.index(channel)
        if place == 0:
            self._pieces.clear()
        self._pieces[place] = piece
        if len(self._channels) == 1:
            return piece
        first = self._pieces.get(0)
        if not first:
            return None
        wanted = range(min(-(-first[0] // CHANNEL_WIDTH), len(self._channels)))
        if any(number not in self._pieces for number in wanted):
            return None
        whole = b"".join(self._pieces[number] for number in wanted)
        self._pieces.clear()
        return whole


def pieces(frame: bytes, channels: Sequence[str]) -> list[tuple[str, bytes]]:
    """What is written where, so that the cuff has the frame."""
    if len(channels) == 1:
        return [(channels[0], frame)]
    cut = [frame[at : at + CHANNEL_WIDTH] for at in range(0, len(frame), CHANNEL_WIDTH)]
    return list(zip(channels, cut, strict=False))


def _fields(reply: Reply) -> dict[str, Json]:
    record = reply.record
    said = {} if record is None else fields_of(record)
    return {**fields_of(reply), "data_len": len(reply.data), **said}


def _from_fields(fields: Mapping[str, Json]) -> Reply:
    """Of what describes the data, the data alone count."""
    derived = {"data_len", *(field.name for field in dataclasses.fields(LowFirst))}
    return message_from(Reply, {name: value for name, value in fields.items() if name not in derived})


def _describe(frame: bytes) -> Parts:
    reply, parts = Reply.from_bytes(frame), Parts(frame)
    kinds = {BEGUN: "transmission begun", READ: "memory read", ENDED: "transmission ended"}
    parts.add(1, "length", f"{frame[0]} bytes in all")
    parts.add(2, "type", kinds.get(reply.type, "another reply"))
    parts.add(2, "address", f"0x{reply.address:04x}")
    parts.add(1, "data_len", f"{len(reply.data)} bytes of data", "data_len", "data")
    record = reply.record
    meaning = "memory" if record is None else f"a record, read low byte first: {_said(record)}"
    parts.add(len(reply.data), "data", meaning, "data", *(fields_of(record) if record else ()))
    parts.add(1, "status", "well" if reply.status == 0 else f"error {reply.status}")
    parts.add(frame[0] - _AROUND_DATA - len(reply.data), "padding", "ignored")
    parts.add(1, "checksum", "makes the exclusive or of all bytes 0")
    parts.rest()
    return parts


def _said(record: LowFirst) -> str:
    return f"{record.systolic}/{record.diastolic} mmHg, {record.pulse_rate} /min, {record.timestamp}"


FORMATS: Final[tuple[AnyFormat, ...]] = (
    Format(
        key="omron-rx",
        title="Omron memory frame from the cuff",
        source="userx14/omblepy README, command types; eigger/hass-omron issue 7",
        message=Reply,
        decode=Reply.from_bytes,
        encode=bytes,
        describe=_describe,
        fields=_fields,
        from_fields=_from_fields,
    ),
)
DRIVERS: Final[tuple[Driver, ...]] = ()
