"""HTTP as bytes, for requests that no client library would send."""

import asyncio
import contextlib
import json
from dataclasses import dataclass
from typing import Any

WAIT_SECONDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class RawAnswer:
    """`status` is 0 where the connection ended without an answer."""

    status: int
    media_type: str
    body: Any


async def exchanged(port: int, *said: bytes, half_close: bool = False) -> RawAnswer:
    """The first answer to these bytes; `half_close` ends what is said, as a client that breaks off does."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            with contextlib.suppress(ConnectionError):  # the answer is there all the same
                for part in said:
                    writer.write(part)
                    await writer.drain()
                if half_close:
                    writer.write_eof()
            return await _answer(reader)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def _answer(reader: asyncio.StreamReader) -> RawAnswer:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except (asyncio.IncompleteReadError, ConnectionError):
        return RawAnswer(status=0, media_type="", body=None)
    first, *lines = head.split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    media_type = headers.get("content-type", "")
    return RawAnswer(
        status=int(first.split()[1]), media_type=media_type, body=json.loads(body) if "json" in media_type else body
    )


def request(target: str, *headers: str, method: str = "GET", body: bytes = b"") -> bytes:
    """A whole request; `Host` is given, and nothing else that isn't asked for."""
    return "\r\n".join((f"{method} {target} HTTP/1.1", "Host: hub", *headers, "", "")).encode() + body
