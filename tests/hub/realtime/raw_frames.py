"""A WebSocket as bytes: frames built and taken apart by RFC 6455 alone, so that no library smooths over what the hub does."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass

from tests.hub.rest.raw_http import request
from tests.support.hub import LiveHub
from tests.support.hub_process import HubProcess

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
FINAL = 0x80
MASK = b"\x01\x02\x03\x04"
WAIT_SECONDS = 30


def frame(first: int, payload: bytes = b"", *, mask: bool = True, length: int | None = None) -> bytes:
    """One frame with this first byte (section 5.2); `length` is what it claims."""
    claimed = len(payload) if length is None else length
    masked = int.from_bytes(payload) ^ int.from_bytes((MASK * (len(payload) // 4 + 1))[: len(payload)])
    body = MASK + masked.to_bytes(len(payload)) if mask else payload
    return bytes((first, _short(claimed) | (FINAL if mask else 0))) + _long(claimed) + body


def _short(length: int) -> int:
    return length if length < 126 else 126 if length < 65536 else 127


def _long(length: int) -> bytes:
    return b"" if length < 126 else struct.pack("!H", length) if length < 65536 else struct.pack("!Q", length)


def text(payload: bytes | str) -> bytes:
    return frame(FINAL | TEXT, payload.encode() if isinstance(payload, str) else payload)


def ping(payload: bytes = b"") -> bytes:
    return frame(FINAL | PING, payload)


def closing(code: int | None = 1000, reason: bytes = b"") -> bytes:
    return frame(FINAL | CLOSE, b"" if code is None else struct.pack("!H", code) + reason)


@dataclass(frozen=True)
class Received:
    """A frame of the server's."""

    opcode: int
    payload: bytes

    @property
    def code(self) -> int | None:
        return int.from_bytes(self.payload[:2]) if self.payload else None


class RawSocket:
    """An open WebSocket. Every wait fails after WAIT_SECONDS."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, sent: bytes, *, piece: int | None = None) -> None:
        """Send, in pieces of so many bytes that the event loop gets to see one by one."""
        for start in range(0, len(sent), piece or max(1, len(sent))):
            self.writer.write(sent[start : start + piece] if piece else sent)
            await self.writer.drain()
            await asyncio.sleep(0)

    async def receive(self) -> Received:
        """The next frame; the server must send whole, unmasked ones. Raises IncompleteReadError at the end."""
        async with asyncio.timeout(WAIT_SECONDS):
            first, length = await self.reader.readexactly(2)
            assert first & 0x70 == 0
            assert first & FINAL
            assert length < 128, "a server must not mask"
            if length == 126:
                length = int.from_bytes(await self.reader.readexactly(2))
            elif length == 127:
                length = int.from_bytes(await self.reader.readexactly(8))
            return Received(first & 0xF, await self.reader.readexactly(length))

    async def at_end(self) -> bool:
        """Whether the server sends nothing more and closes."""
        async with asyncio.timeout(WAIT_SECONDS):
            return await self.reader.read() == b""


@contextlib.asynccontextmanager
async def raw_socket(
    hub: LiveHub | HubProcess, path: str = "/realtime/ws", *headers: str, subject: str | None = None
) -> AsyncIterator[RawSocket]:
    """A WebSocket after its handshake."""
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    upgrade = ("Connection: Upgrade", "Upgrade: websocket", key, "Sec-WebSocket-Version: 13")
    token = f"Authorization: Bearer {hub.token(subject=subject)}"
    writer.write(request(path, token, *upgrade, *headers))
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        assert b"sec-websocket-extensions" not in head.lower(), "no extension is ever agreed on"
        yield RawSocket(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
