"""The HTTP protocol class that uvicorn runs: bounded in front of the body in bytes and in time, and with a problem document for what it
refuses itself.

httptools collects an address or a header of any length before anybody who could check a token sees it, so what comes before a
body is counted here; `h11_max_incomplete_event_size`, which uvicorn has for its other parser, says how much it may be. A refused client
gets a moment to take its answer, for else a client that is still sending sees a reset connection.
"""

import asyncio
from typing import Any, Final

import httptools
from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from websockets.http11 import MAX_LINE_LENGTH, MAX_NUM_HEADERS

from hub.limits import Limits
from hub.realtime.outbound import Outbound, Outlet
from hub.realtime.wire import EXTENSION
from hub.rest.problems import problem

LINGER_SECONDS: Final = 1.0
KEY_LENGTH: Final = 24
"""Characters of the base64 of sixteen bytes."""
_BETWEEN: Final = len(b": \r\n")


class HttpWire(HttpToolsProtocol):
    """One client's connection, until it becomes a WebSocket's or an event stream's.

    `scope["extensions"]["bedside.wire"]` hands it to the endpoint, which may take the transport over.
    """

    _head_bytes = 0
    _in_head = False
    _refused = False
    _arriving: asyncio.TimerHandle | None = None
    _waiting: "dict[HttpWire, None]"

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_arrival()

    def connection_lost(self, exc: Exception | None) -> None:
        self._arrived()
        super().connection_lost(exc)

    def hand_over(self, outbound: Outbound) -> Outlet:
        """The connection, in the middle of a response whose head is sent. The application may return: uvicorn has no more to do with it."""
        outlet = Outlet(self.transport, self.connections, outbound)
        self.cycle.response_complete = True
        self.connections.discard(self)
        return outlet

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        super().data_received(data)
        if self._in_head and not self._refused:  # what isn't a whole line yet is in the parser, and was not counted
            self._head_bytes += len(data)
            self._check_head()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes, self._in_head = 0, True
        scope: Any = self.scope
        scope["extensions"] = {EXTENSION: self}
        if self._arriving is None:
            self._expect_arrival()

    def on_headers_complete(self) -> None:
        self._arrived()
        self._in_head = False
        self._head_bytes = len(self.url) + sum(len(name) + len(value) + _BETWEEN for name, value in self.headers)
        self._check_head()
        if self._refused:
            raise httptools.HttpParserError
        super().on_headers_complete()

    def handle_websocket_upgrade(self) -> None:
        longest = max((len(name) + len(value) + _BETWEEN for name, value in self.headers), default=0)
        start = len(b"GET  HTTP/1.1\r\n") + len(self.url)
        if max(longest, start) > MAX_LINE_LENGTH or len(self.headers) > MAX_NUM_HEADERS:
            self._refuse_head(f"at most {MAX_LINE_LENGTH} bytes a line and {MAX_NUM_HEADERS} headers")
        elif not self._is_handshake():
            self._refuse(problem(400, "No WebSocket handshake", "RFC 6455, section 4.1: GET, version 13, and a key"))
        else:
            super().handle_websocket_upgrade()

    def _is_handshake(self) -> bool:
        said = dict(self.headers)
        return (
            self.scope["method"] == "GET"
            and said.get(b"sec-websocket-version") == b"13"
            and len(said.get(b"sec-websocket-key", b"")) == KEY_LENGTH
        )

    def send_400_response(self, msg: str) -> None:
        if not self._refused:
            self._refuse(problem(400, "Not HTTP", msg))

    def _expect_arrival(self) -> None:
        app: Any = self.config.app
        limits: Limits = app.state.settings.limits
        self._arriving = self.loop.call_later(limits.arrival_seconds, self._has_not_arrived)
        self._waiting = app.state.arriving
        self._waiting[self] = None
        if len(self._waiting) > limits.arriving_connections:
            next(iter(self._waiting)).make_room()

    def make_room(self) -> None:
        """Of all whose request has not arrived this one has been waited for longest, and others want to be heard."""
        self._arrived()
        self.transport.abort()

    def _arrived(self) -> None:
        if self._arriving is not None:
            self._arriving.cancel()
            self._arriving = None
            del self._waiting[self]

    def _has_not_arrived(self) -> None:
        self._arrived()
        if self.cycle is not None and not self.cycle.response_complete:
            self._expect_arrival()  # an earlier request is still being answered, and nothing may come between
        elif not self._in_head:
            self.transport.close()
        elif not self._refused:
            self._refuse(problem(408, "Too slow", "send address and headers without a pause"))

    def _check_head(self) -> None:
        limit = self.config.h11_max_incomplete_event_size
        if limit is not None and self._head_bytes > limit:
            self._refuse_head(f"at most {limit} bytes of address and headers")

    def _refuse_head(self, detail: str) -> None:
        if not self._refused:
            self._refuse(problem(431, "Address or headers too large", detail))

    def _refuse(self, response: Response) -> None:
        self._refused = True
        lines = [name + b": " + value for name, value in (*response.raw_headers, (b"connection", b"close"))]
        self.transport.write(STATUS_LINE[response.status_code] + b"\r\n".join((*lines, b"", bytes(response.body))))
        self.loop.call_later(LINGER_SECONDS, self.transport.close)
