"""The WebSocket protocol class that uvicorn runs: its sans-I/O implementation, opened for prebuilt frames.

uvicorn does the handshake and the inbound side; outbound frames are written to the transport as they are, which costs a third
of a `send` through ASGI for each client. What the client has not taken yet is counted by the transport's own buffer. Control
frames go through the same transport, so order is kept. `scope["extensions"]["bedside.wire"]` hands the class to the endpoint.
"""

from typing import Any, Final, Protocol

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

EXTENSION: Final = "bedside.wire"
CLOSE_SECONDS: Final = 2.0
"""What a client gets to answer a closing frame and to take what is still unsent."""

GOING_AWAY: Final = 1001
INVALID_TEXT: Final = 1007


class Wire(Protocol):
    """One client's connection, as the delivery core sees it."""

    @property
    def last_received(self) -> float:
        """When any bytes last came from the client, on the event loop's clock."""

    def push(self, frame: bytes) -> int:
        """Write whole frames; the bytes that the client has not taken yet."""

    def end(self, code: int, reason: str) -> None:
        """Close with a code; the connection is gone after CLOSE_SECONDS whether the client answers or not."""


class LiveProtocol(WebSocketsSansIOProtocol):
    """A Wire."""

    last_received = 0.0

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101:
            extensions: Any = self.scope["extensions"]
            extensions[EXTENSION] = self

    async def send(self, message: ASGISendEvent) -> None:
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            self.handshake_complete = (
                True  # refused with a response; without this uvicorn logs each as the app's failure
            )

    def data_received(self, data: bytes) -> None:
        self.last_received = self.loop.time()
        super().data_received(data)

    def send_receive_event_to_app(self) -> None:
        """A text that is not UTF-8 ends the connection (RFC 6455, section 8.1), without the trace that uvicorn would log."""
        if self.curr_msg_data_type == "text" and not _is_utf_8(b"".join(self.frames)):
            self.frames = []
            self.end(INVALID_TEXT, "not UTF-8")
            return
        super().send_receive_event_to_app()

    def push(self, frame: bytes) -> int:
        if not self.handshake_complete or self.close_sent or self.transport.is_closing():
            return 0
        self.transport.write(frame)
        return self.transport.get_write_buffer_size()

    def end(self, code: int, reason: str) -> None:
        if not self.handshake_complete or self.close_sent or self.transport.is_closing():
            return
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(CLOSE_SECONDS, self.transport.abort)

    def shutdown(self) -> None:
        """The server stops: tell the client to reconnect elsewhere, and let it answer."""
        self.stop_keepalive()
        if self.handshake_complete and not self.close_sent and not self.transport.is_closing():
            self.end(GOING_AWAY, "draining")
        elif not self.close_sent:
            super().shutdown()


def _is_utf_8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
