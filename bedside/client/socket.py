"""The WebSocket under the client, and the only module of it that knows the websockets library: its errors become SocketLost here."""

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI, WebSocketException

from bedside.client.link import BROKEN

ENDPOINT: Final = "/realtime/ws"
CLOSE_SECONDS: Final = 1.0
LONGEST_MESSAGE: Final = 16 * 1024 * 1024
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class SocketLost(Exception):
    """The connection ended or could not be made; `code` is as in `Closed`."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{reason} ({code})")
        self.code = code
        self.reason = reason


class Socket:
    """An open connection. `send` never waits: what we say is little, and a hub that takes none of it falls silent."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._texts: deque[str] = deque()
        self._sending: asyncio.Task[None] | None = None

    def send(self, text: str) -> None:
        self._texts.append(text)
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send_all(), name="bedside-client-send")

    async def receive(self) -> str:
        """The next text frame. Raises SocketLost."""
        try:
            return await self._connection.recv(decode=True)
        except ConnectionClosed as closed:
            raise _lost(closed) from closed

    def abort(self) -> None:
        """End it at once, without a word: the other end does not answer."""
        self._connection.transport.abort()

    async def close(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.wait([self._sending], timeout=CLOSE_SECONDS)
        await self._connection.close()

    async def _send_all(self) -> None:
        try:
            while self._texts:
                await self._connection.send(self._texts.popleft())
        except ConnectionClosed:
            return  # `receive` says it


@contextlib.asynccontextmanager
async def opened(url: str, token: str, open_seconds: float) -> AsyncIterator[Socket]:
    """A connection that the hub has let in; the token goes in a header, never in the address. Raises SocketLost."""
    opening = connect(
        f"{url.replace('http', 'ws', 1).rstrip('/')}{ENDPOINT}",
        additional_headers={"Authorization": f"Bearer {token}"},
        compression=None,
        open_timeout=open_seconds,
        close_timeout=CLOSE_SECONDS,
        ping_interval=None,
        max_size=LONGEST_MESSAGE,
        proxy=None if (urlsplit(url).hostname or "") in _LOOPBACK else True,
    )
    try:
        connection = await opening
    except InvalidStatus as refused:
        raise SocketLost(refused.response.status_code, _said(refused.response.body)) from refused
    except (OSError, TimeoutError, InvalidHandshake, InvalidURI, WebSocketException, ssl.SSLError) as error:
        raise SocketLost(BROKEN, getattr(error, "strerror", None) or str(error) or "no answer") from error
    socket = Socket(connection)
    try:
        yield socket
    finally:
        await socket.close()


def _lost(closed: ConnectionClosed) -> SocketLost:
    """A broken connection, or the hub's word."""
    if closed.rcvd is None:
        return SocketLost(BROKEN, "the connection broke")
    return SocketLost(closed.rcvd.code, closed.rcvd.reason)


def _said(body: bytes | bytearray | None) -> str:
    """A problem document's `detail`."""
    try:
        content: Any = msgspec.json.decode(body or b"null")
    except msgspec.DecodeError:
        return ""
    detail = content.get("detail") if isinstance(content, dict) else None
    return detail if isinstance(detail, str) else ""
