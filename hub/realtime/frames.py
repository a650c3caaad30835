"""The bytes that clients get: each message's are made once a transport, however many clients share them (RFC 6455; HTML, Server-sent events)."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final, TypeAlias

import msgspec

from hub.rooms.messages import Message
from vitals.events import EventName
from vitals.parameters import CONTINUOUS, Vital

_TEXT_FINAL: Final = 0x81
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode
_decode_data: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_members: Final = msgspec.json.Decoder(dict[str, Any]).decode
_VITALS: Final = frozenset(Vital)

Numerics: TypeAlias = tuple[object, ...]
"""What a message of continuous vitals tells of: a newer message of the same room with the same takes its place."""


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
        """A server-sent event without its `id`, which depends on where a stream stands."""
        return sse_message(self.message)

    @cached_property
    def numerics(self) -> Numerics | None:
        """Patient, device and vitals, where the message holds continuous vitals and nothing else; None for what must never be left out."""
        message = self.message
        if message.event != EventName.PATIENT_VITALS_UPDATE:
            return None
        data = _decode_data(message.data)
        vitals = data.keys() & _VITALS
        if not vitals or not vitals <= CONTINUOUS:
            return None
        members = _decode_members(b"{%b}" % message.members)
        subject = (data.get(name) and bytes(data[name]) for name in ("patient_id", "device_id", "source"))
        return (*subject, frozenset(vitals), members.get("late", False), members.get("test", False))

    @cached_property
    def live_chunk(self) -> bytes:
        """A live-only message as an event without `id`, as a chunk of a response: the same for every stream."""
        return chunk_of(self.sse)

    @property
    def size(self) -> int:
        """About how many bytes a client gets."""
        return len(self.message.data) + len(self.message.members)


def message_json(message: Message, skipped: int = 0) -> bytes:
    """A message as clients see it, with the number of those of its room that were left out before it."""
    return b'{%b,"event":"%b","room":%b,"data":%b%b}' % (
        message.members,
        message.event.encode(),
        _encode(message.room),
        message.data,
        _place(message, skipped),
    )


def sse_message(message: Message, skipped: int = 0) -> bytes:
    """A server-sent event without its `id`. `data` is the event's data with `meta` in it."""
    data = message.data.rstrip().replace(
        b"\r", b" "
    )  # between members at most, where JSON allows it, but it would end a line
    separator = b"" if data[:-1].rstrip().endswith(b"{") else b","
    return b'event: %b\ndata: %b%b"meta":{%b,"room":%b%b}}\n\n' % (
        message.event.encode(),
        data[:-1],
        separator,
        message.members,
        _encode(message.room),
        _place(message, skipped),
    )


def _place(message: Message, skipped: int) -> bytes:
    """Its place in the room, as further members; of a live-only message, which has none, nothing."""
    if message.is_live_only:
        return b""
    place = b',"epoch":%b,"offset":%d,"n":%d' % (_encode(message.epoch), message.offset, message.n)
    return b'%b,"skipped":%d' % (place, skipped) if skipped else place


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


def with_cursor(event: bytes, cursor: str) -> bytes:
    """An event with its `id`."""
    return b"id: %b\n%b" % (cursor.encode(), event)


def chunk_of(body: bytes) -> bytes:
    """A part of a response's body as one chunk (RFC 9112, section 7.1). Empty is no chunk: it would end the body."""
    return b"%x\r\n%b\r\n" % (len(body), body) if body else b""


LAST_CHUNK: Final = b"0\r\n\r\n"
