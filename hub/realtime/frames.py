"""The bytes that clients get: each message's are made once a transport, however many clients share them (RFC 6455; HTML, Server-sent events)."""

from collections.abc import Mapping
from functools import cached_property
from typing import Final

import msgspec

from hub.rooms.messages import Message

_TEXT_FINAL: Final = 0x81
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode


class Frame:
    """One message of one room, ready for both transports."""

    def __init__(self, message: Message) -> None:
        self.message = message

    @cached_property
    def websocket(self) -> bytes:
        """A whole WebSocket text frame."""
        return text_frame(message_json(self.message))

    @cached_property
    def sse(self) -> bytes:
        """A server-sent event without its `id`, which is each stream's own. `data` is the event's data with `meta` in it."""
        message = self.message
        data = message.data.rstrip()
        separator = b"" if data[:-1].rstrip().endswith(b"{") else b","
        return b'event: %b\ndata: %b%b"meta":{%b,"room":%b,"epoch":%b,"offset":%d,"n":%d}}\n\n' % (
            message.event.encode(),
            data[:-1],
            separator,
            message.members,
            _encode(message.room),
            _encode(message.epoch),
            message.offset,
            message.n,
        )


def message_json(message: Message) -> bytes:
    """A message as clients see it."""
    return b'{%b,"event":"%b","room":%b,"data":%b,"epoch":%b,"offset":%d,"n":%d}' % (
        message.members,
        message.event.encode(),
        _encode(message.room),
        message.data,
        _encode(message.epoch),
        message.offset,
        message.n,
    )


def text_frame(payload: bytes) -> bytes:
    """`payload` as one unmasked, final text frame."""
    length = len(payload)
    if length < 126:
        return bytes((_TEXT_FINAL, length)) + payload
    if length < 65536:
        return bytes((_TEXT_FINAL, 126)) + length.to_bytes(2) + payload
    return bytes((_TEXT_FINAL, 127)) + length.to_bytes(8) + payload


def json_frame(message: Mapping[str, object]) -> bytes:
    """A message of the server's own (`subscription`, `pong`, `error` …) as a text frame."""
    return text_frame(_encode(message))


def sse_event(event: str, data: Mapping[str, object], *, cursor: str | None = None) -> bytes:
    """A server-sent event of the server's own (`connected`, `recovered`, `gap`)."""
    identifier = f"id: {cursor}\n".encode() if cursor is not None else b""
    return b"event: %b\n%bdata: %b\n\n" % (event.encode(), identifier, _encode(data))
