"""What one client of the crowd makes of the bytes it gets, without I/O: WebSocket frames (RFC 6455) or chunked server-sent events.

`receive` gives the deliveries that have become whole, each as (offset, message); `standing` is the offset after which the first one
comes, None until the subscription holds. Whatever is not in order raises BenchFailed.
"""

import json
import re
import zlib
from abc import ABC, abstractmethod
from typing import Any, Final

from bench.errors import BenchFailed

Delivery = tuple[int, bytes]
_OFFSET: Final = re.compile(rb'"offset":(\d+)')
_HEAD_END: Final = b"\r\n\r\n"
_CONTINUED: Final = 126
_LONG: Final = 127
_COMPRESSED: Final = 0x40
_TEXT: Final = 0x81


class Inbound(ABC):
    """Base of both: the HTTP head, the position, and the order of offsets.

    `room` is the room whose subscription counts; None where the server confirms none: then offsets begin at 1. `http` False: messages
    come without a handshake.
    """

    status: bytes

    def __init__(self, room: str | None, *, http: bool = True) -> None:
        self.standing: int | None = None
        self._room = room
        self._http = http
        self._rest = b""
        self._offset = 0
        if not http:
            self._stand(0)

    def receive(self, data: bytes) -> list[Delivery]:
        """The deliveries that `data` completes."""
        buffer = self._rest + data if self._rest else data
        if self._http:
            head, found, buffer = buffer.partition(_HEAD_END)
            if not found:
                self._rest = head
                return []
            self._open(head)
        deliveries: list[Delivery] = []
        self._rest = self._split(buffer, deliveries)
        return deliveries

    @abstractmethod
    def _split(self, buffer: bytes, deliveries: list[Delivery]) -> bytes:
        """Take whole messages from the front of `buffer`; what is left of it."""

    def _open(self, head: bytes) -> None:
        if not head.startswith(b"HTTP/1.1 " + self.status):
            raise BenchFailed(f"a client was refused: {head.splitlines()[0].decode(errors='replace')}")
        self._http = False
        if self._room is None:
            self._stand(0)

    def _stand(self, offset: int) -> None:
        self.standing = self._offset = offset

    def _deliver(self, message: bytes, deliveries: list[Delivery]) -> None:
        """A message of the room: its offset is the next one."""
        found = _OFFSET.search(message)
        if found is None or int(found[1]) != self._offset + 1 or self.standing is None:
            raise BenchFailed(f"a message out of order after offset {self._offset}: {message[:300]!r}")
        self._offset += 1
        deliveries.append((self._offset, message))


class WebSocketInbound(Inbound):
    """Text frames; `subscription` says where the room stands."""

    status = b"101"
    _message: Final = b'{"type":"vitals_update"'

    def _split(self, buffer: bytes, deliveries: list[Delivery]) -> bytes:
        at, end = 0, len(buffer)
        while end - at >= 4:
            length, start = buffer[at + 1], at + 2
            if length >= _CONTINUED:
                width = 2 if length == _CONTINUED else 8
                start += width
                length = int.from_bytes(buffer[at + 2 : start])
            if end < start + length:
                break
            self._take(buffer[at], buffer[start : start + length], deliveries)
            at = start + length
        return buffer[at:]

    def _take(self, first: int, payload: bytes, deliveries: list[Delivery]) -> None:
        if first & _COMPRESSED:
            payload = self._inflated(payload)
        elif first != _TEXT:
            raise BenchFailed(f"an unexpected frame: 0x{first:02x} {payload[:100]!r}")
        if payload.startswith(self._message):
            self._deliver(payload, deliveries)
            return
        message = json.loads(payload)
        if message == {"type": "ping"}:
            return
        if message["type"] != "subscription" or message["status"] != "subscribed":
            raise BenchFailed(f"an unexpected message: {payload[:300]!r}")
        if message["room"] == self._room:
            self._stand(message["offset"])

    def _inflated(self, payload: bytes) -> bytes:
        raise BenchFailed("a compressed frame that was not asked for")


class DeflatedInbound(WebSocketInbound):
    """Frames compressed as browsers ask for it (RFC 7692); a message that isn't is a failure, else the comparison would be another."""

    def __init__(self, room: str | None, *, http: bool = True) -> None:
        super().__init__(room, http=http)
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)

    def _take(self, first: int, payload: bytes, deliveries: list[Delivery]) -> None:
        if not first & _COMPRESSED:
            raise BenchFailed("a frame that is not compressed, though that was asked for")
        super()._take(first, payload, deliveries)

    def _inflated(self, payload: bytes) -> bytes:
        return self._inflater.decompress(payload + b"\x00\x00\xff\xff")


class EventStreamInbound(Inbound):
    """Server-sent events in HTTP chunks, each chunk of whole events. `connected` says where the rooms stand."""

    status = b"200"

    def _split(self, buffer: bytes, deliveries: list[Delivery]) -> bytes:
        at = 0
        while (line := buffer.find(b"\r\n", at)) >= 0:
            length = int(buffer[at:line], 16)
            if len(buffer) < line + 2 + length + 2:
                break
            chunk = buffer[line + 2 : line + 2 + length]
            at = line + 2 + length + 2
            for event in chunk.split(b"\n\n"):
                self._take(event, deliveries)
        return buffer[at:]

    def _take(self, event: bytes, deliveries: list[Delivery]) -> None:
        fields = dict(line.partition(b": ")[::2] for line in event.split(b"\n"))
        name = fields.get(b"event")
        if name == b"patient.vitals.update":
            self._deliver(fields[b"data"], deliveries)
        elif name == b"connected" and self._room is not None:
            position: dict[str, Any] = json.loads(fields[b"data"])["positions"][self._room]
            self._stand(position["offset"])
        elif name is not None:
            raise BenchFailed(f"an unexpected event: {event[:300]!r}")
