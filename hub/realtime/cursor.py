"""The cursor over a stream's rooms that is the `id` of a server-sent event: opaque, and short enough for a header.

It holds each room's position, the room under a 32-bit checksum of its name: base64url of MessagePack {epoch: {checksum: offset}}.
A cursor is only ever compared with positions in Redis, so a wrong one yields a gap, never a wrong message.
"""

import base64
import binascii
import zlib
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from hub.rooms.messages import Position

MAX_CHARACTERS: Final = 4096
_decoder: Final = msgspec.msgpack.Decoder(dict[str, dict[int, int]])


def encode_cursor(positions: Mapping[str, Position]) -> str:
    """The cursor of rooms at positions; the same positions make the same cursor."""
    epochs: dict[str, dict[int, int]] = {}
    for room, position in sorted(positions.items()):
        epochs.setdefault(position.epoch, {})[_checksum(room)] = position.offset
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(epochs)).rstrip(b"=").decode()


def decode_cursor(cursor: str, rooms: Iterable[str]) -> dict[str, Position]:
    """Positions of those of `rooms` that the cursor holds; none where it is no cursor of ours."""
    if len(cursor) > MAX_CHARACTERS:
        return {}
    try:
        epochs = _decoder.decode(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (msgspec.MsgspecError, binascii.Error, ValueError, RecursionError):
        return {}
    return {
        room: Position(epoch=epoch, offset=offsets[key])
        for room in rooms
        for epoch, offsets in epochs.items()
        if (key := _checksum(room)) in offsets and offsets[key] >= 0
    }


def _checksum(room: str) -> int:
    return zlib.crc32(room.encode())
