"""A WebSocket's two lives: the handshake under uvicorn, and the live connection without it.

uvicorn runs `Handshake`, its sans-I/O class, until the endpoint has decided: a refusal leaves as an HTTP response, and with an
acceptance the transport goes to a `WebSocketWire`. The application's task, its queue and all that was read of the request end then; what
stays of a connection is one small object. `scope["extensions"]["bedside.wire"]` hands the handshake to the endpoint.
"""

import asyncio
from typing import Any, Final, Protocol

from uvicorn._types import ASGISendEvent
from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.http11 import Request

from hub.realtime.inbound import QUIET, Inbound, Message
from hub.realtime.outbound import CLOSE_SECONDS, Outbound, Outlet, Recipient

EXTENSION: Final = "bedside.wire"
GOING_AWAY: Final = 1001


class Listener(Recipient, Protocol):
    """The client behind a WebSocket."""

    def receive(self, messages: list[Message]) -> None:
        """Messages that the client sent, in order; called again while these are still being answered."""


class WebSocketWire(Outlet):
    """A client's WebSocket after the handshake. What it takes to read exists only while the client is in the middle of something."""

    __slots__ = ("_inbound", "_listener", "_paused", "last_received")

    def __init__(self, transport: asyncio.Transport, connections: set[Any], outbound: Outbound) -> None:
        super().__init__(transport, connections, outbound)
        self._inbound: Inbound | None = None
        self._listener: Listener | None = None
        self._paused = False
        self.last_received = self.last_sent

    def serve(self, listener: Listener) -> None:
        """Begin to read, and tell `listener`."""
        self._listener = listener
        self.open(listener)

    def pause(self) -> None:
        """Read no more until `resume`: what has been received is to be answered first."""
        self._paused = True
        self._transport.pause_reading()

    def resume(self) -> None:
        """All that was received is answered."""
        self._paused = False
        if self._inbound is not None and self._inbound.ended:
            self._close(self._inbound)
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def end(self, code: int, reason: str) -> None:
        """Close with a code, after all that was pushed; what the client has asked and not been answered is left."""
        if self._ending:
            return
        inbound = self._reader()
        inbound.close(code, reason)
        self.finish([inbound.answers(), inbound.closing()])
        self.resume()  # for the client's own closing frame

    def shutdown(self) -> None:
        """The server stops: tell the client to reconnect elsewhere, and let it answer."""
        self.end(GOING_AWAY, "draining")

    def data_received(self, data: bytes) -> None:
        self.last_received = asyncio.get_running_loop().time()
        inbound = self._reader()
        messages = inbound.receive(data)
        if answers := inbound.answers():
            self.push(answers)
        if messages and not self._ending and self._listener:
            self._listener.receive(messages)
        if inbound.at_rest:
            self._inbound = None
        elif inbound.ended and self._paused:  # what the client asked before it closed is answered first
            asyncio.get_running_loop().call_later(CLOSE_SECONDS, self._close, inbound)
        elif inbound.ended:
            self._close(inbound)

    def connection_lost(self, exc: Exception | None) -> None:
        self._inbound = self._listener = None
        super().connection_lost(exc)

    def _close(self, inbound: Inbound) -> None:
        """The client has closed, or broken the protocol: say so, unless the hub had closed before."""
        self.finish([inbound.closing()])
        self.hang_up()

    def _reader(self) -> Inbound:
        if self._inbound is None:
            self._inbound = Inbound(self._outbound.limits.message_bytes)
        return self._inbound


class Handshake(WebSocketsSansIOProtocol):
    """uvicorn's class up to the answer. It reads nothing after the request: a client has to wait for the answer (RFC 6455, section 4.1)."""

    def __init__(self, config: Config, server_state: ServerState, app_state: dict[str, Any]) -> None:
        super().__init__(config, server_state, app_state)
        self.conn.logger, self.conn.debug = QUIET, False

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101:
            self.transport.pause_reading()
            extensions: Any = self.scope["extensions"]
            extensions[EXTENSION] = self

    async def send(self, message: ASGISendEvent) -> None:
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            self.handshake_complete = (
                True  # refused with a response; without this uvicorn logs each as the app's failure
            )

    def hand_over(self, outbound: Outbound) -> WebSocketWire:
        """The accepted connection. The application may return: uvicorn has no more to do with it."""
        wire = WebSocketWire(self.transport, self.connections, outbound)
        self.connections.discard(self)
        self.transport = _HandedOver()
        return wire


class _HandedOver(asyncio.Transport):
    """What uvicorn closes when the application has returned."""

    def close(self) -> None:
        pass
