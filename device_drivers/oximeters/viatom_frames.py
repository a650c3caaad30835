"""The frame that devices of Viatom (Wellue, Checkme, Lepu) share, and messages that are an envelope with a content.

A frame is `lead, word, its complement, two more bytes, length (u16 LE), data, CRC-8 of all before it`. Older devices are asked under the lead AA and
answer under 55, where the word is a status; newer ones have A5 both ways. Over Bluetooth a frame comes in as many notifications as it needs.
Sources: Viatom's LepuBle (OxyBleCmd.java, OxyBleInterface.kt), nglessner/o2ring-s-protocol ("Frame format"), chalimov/viatom_bp2_ha
(LP-BP2W_PROTOCOL.md, section 3), all three with the same CRC.
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, Self, TypeVar

from device_drivers.checksums import crc8
from device_drivers.errors import Malformed, Truncated
from device_drivers.fields import Json, fields_of, message_from
from device_drivers.format import Parts
from device_drivers.framing import Measure

HEADER_LENGTH: Final = 7
OVERHEAD: Final = HEADER_LENGTH + 1
"""Bytes of a frame that are no data."""
DATA_LIMIT: Final = 2048
"""Bytes of data; a header that promises more is none. The longest that is known are 512 bytes of a stored file."""

M = TypeVar("M")


def little(number: int, size: int) -> bytes:
    """A number of so many bytes, the lowest first. Raises ValueError for one that doesn't fit."""
    if not 0 <= number < 1 << 8 * size:
        raise ValueError(f"{number} is no number of {size} bytes")
    return number.to_bytes(size, "little")


def packed(lead: int, word: int, middle: bytes, data: bytes) -> bytes:
    """A frame. Raises ValueError for what it can't hold."""
    if len(data) > DATA_LIMIT:
        raise ValueError(f"{len(data)} bytes of data; a frame holds {DATA_LIMIT}")
    frame = bytes((lead, word, word ^ 0xFF)) + middle + len(data).to_bytes(2, "little") + data
    return frame + bytes((crc8(frame),))


def unpacked(lead: int, frame: bytes) -> tuple[int, bytes, bytes]:
    """The word, the two bytes after its complement, and the data; what follows the frame is ignored. Raises Truncated, Malformed."""
    if (frame and frame[0] != lead) or (len(frame) > 2 and frame[1] ^ frame[2] != 0xFF):
        raise Malformed("not_a_frame")
    if len(frame) < OVERHEAD:
        raise Truncated(OVERHEAD, len(frame))
    end = HEADER_LENGTH + int.from_bytes(frame[5:7], "little")
    if len(frame) <= end:
        raise Truncated(end + 1, len(frame))
    if crc8(frame[:end]) != frame[end]:
        raise Malformed("wrong_checksum")
    return frame[1], frame[3:5], frame[HEADER_LENGTH:end]


def measure_of(lead: int) -> Measure:
    """Finds frames of this lead.

    A length that was damaged on the way must not swallow what follows: a whole frame inside an unfinished one shows that there is none.
    """

    def measure(buffer: bytearray, at: int) -> int | None:
        length = _promised(buffer, at, lead)
        if not length:
            return length
        if at + length > len(buffer):
            return 0 if _holds_a_frame(buffer, at + 1, lead) else None
        return length if _is_whole(buffer, at, lead) else 0

    return measure


def _promised(buffer: bytearray, at: int, lead: int) -> int | None:
    """The length that the header says; 0 where it is none, None where it isn't all there."""
    if buffer[at] != lead or (at + 2 < len(buffer) and buffer[at + 1] ^ buffer[at + 2] != 0xFF):
        return 0
    if at + HEADER_LENGTH > len(buffer):
        return None
    size = int.from_bytes(buffer[at + 5 : at + 7], "little")
    return OVERHEAD + size if size <= DATA_LIMIT else 0


def _is_whole(buffer: bytearray, at: int, lead: int) -> bool:
    end = at + (_promised(buffer, at, lead) or 0)
    return at < end <= len(buffer) and crc8(bytes(buffer[at : end - 1])) == buffer[end - 1]


def _holds_a_frame(buffer: bytearray, at: int, lead: int) -> bool:
    place = buffer.find(lead, at)
    while place >= 0:
        if _is_whole(buffer, place, lead):
            return True
        place = buffer.find(lead, place + 1)
    return False


def received_crc() -> Any:  # noqa: ANN401 - as dataclasses.field
    """The field of a message that keeps the checksum with which its frame came; an encoder makes its own, and equal messages may have different ones."""
    return dataclasses.field(default=None, compare=False)


class Content(Protocol):
    """What a frame carries: its bytes both ways, and what they mean."""

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        """Decode. Raises Truncated, Malformed."""

    def __bytes__(self) -> bytes: ...

    def explain(self, parts: Parts, size: int) -> None:
        """Add the parts of its `size` bytes, or of as many as are known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """A content that is not taken apart."""

    data: bytes = b""

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        return cls(data=data)

    def __bytes__(self) -> bytes:
        return self.data

    def explain(self, parts: Parts, size: int) -> None:
        parts.add(size, "data", "not taken apart")


def explain_rest(parts: Parts, content: Content, size: int, crc: int) -> None:
    """Add a content of `size` bytes, the checksum after it, and whatever follows the frame."""
    end = _explained(parts) + size
    content.explain(parts, size)
    parts.add(end - _explained(parts), "unknown", "not known")
    parts.add(1, "crc", f"CRC-8 of all before it: {crc:02x}")
    parts.rest()


def _explained(parts: Parts) -> int:
    return sum(len(part.data) for part in parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope(Generic[M]):
    """How a message, which `whole` makes of the fields of a `head` and a `content`, is said flat in JSON.

    `contents` are its possible contents by the word that `kind` has; the last is the one that is taken for whatever fits no other. `kind` may
    be left out where the fields tell.
    """

    whole: Callable[..., M]
    head: type
    contents: Mapping[str, type[Content]]

    def kind_of(self, content: Content) -> str:
        return next(kind for kind, known in self.contents.items() if isinstance(content, known))

    def fields(self, message: Any) -> dict[str, Json]:  # noqa: ANN401 - a `whole`
        """The message's fields, those of its content among them."""
        found = fields_of(message)
        content = found.pop("content")
        assert isinstance(content, dict)  # noqa: S101 - a content is a dataclass
        return {**found, "kind": self.kind_of(message.content), **content}

    def message_from(self, fields: Mapping[str, Json]) -> M:
        """The message that these fields say. Raises ValueError, which names the field."""
        heads = _names(self.head)
        inner = {name: value for name, value in fields.items() if name not in {*heads, "kind"}}
        content = message_from(self.contents[self._kind(fields, inner)], inner)
        head: Any = message_from(self.head, {name: value for name, value in fields.items() if name in heads})
        return self.whole(**{name: getattr(head, name) for name in heads}, content=content)

    def _kind(self, fields: Mapping[str, Json], inner: Mapping[str, Json]) -> str:
        if "kind" not in fields:
            fitting = [
                kind for kind, content in self.contents.items() if inner and inner.keys() <= _json_names(content)
            ]
            return next(iter(fitting), list(self.contents)[-1])
        if (kind := str(fields["kind"])) not in self.contents:
            raise ValueError(f"kind: {kind!r} is none of {', '.join(self.contents)}")
        return kind


def _names(kind: type) -> list[str]:
    return [field.name for field in dataclasses.fields(kind)]


def _json_names(kind: type) -> set[str]:
    return {field.metadata.get("name", field.name) for field in dataclasses.fields(kind)}
