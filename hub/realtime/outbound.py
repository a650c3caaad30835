"""What goes out to clients, over WebSocket and server-sent events alike: prebuilt bytes, joined for a turn of the event loop, written at once.

Whatever comes for a client within one turn of the loop waits in its outlet; at the turn's end one function serves all outlets that
have something, each with a single write. Clients of the same rooms wait for the same bytes, so those are joined once for all of them.

The write goes to the socket itself where that keeps the order: no TLS, and nothing left in the transport's buffer. What the socket
doesn't take goes to the transport, which counts it and writes it when the client reads. asyncio and uvloop hand out no socket that can
send, hence `os.write`. No queue, task or timer belongs to a client that is at rest.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Hashable, Iterable
from typing import Any, Final, Protocol

from hub.limits import Limits

log = logging.getLogger(__name__)

CLOSE_SECONDS: Final = 2.0
"""What a client gets to take what is still unsent, and to answer a closing frame."""

NO_SOCKET: Final = -1


class Bundle:
    """What waits for a client, in order, and for all to whom the same was pushed in the same turn: `next`, with `next_chunk` at its end, is the next one of each.

    `frames` is how many chunks there are. A bundle and its next one know each other, and would wait for the collector of garbage:
    `end_turn` of any of them parts all bundles of the turn.
    """

    __slots__ = ("_before", "_chunk", "_parents", "frames", "joined", "next", "next_chunk")

    def __init__(self, before: "Bundle | None" = None, chunk: bytes = b"") -> None:
        self._before = before
        self._chunk = chunk
        self.joined = b""
        self.frames: int = 0 if before is None else before.frames + 1
        self.next: Bundle | None = None
        self.next_chunk: bytes | None = None
        self._parents: list[Bundle] = [] if before is None else before._parents

    def then(self, chunk: bytes) -> "Bundle":
        """The bundle with `chunk` at its end, which is `next` from here on. Who pushes looks first whether that is it already."""
        if self.next is None:
            self._parents.append(self)
        self.next, self.next_chunk = Bundle(self, chunk), chunk
        return self.next

    def join(self) -> bytes:
        """All chunks, joined once, and kept in `joined`."""
        chunks: list[bytes] = []
        bundle: Bundle | None = self
        while bundle is not None:
            chunks.append(bundle._chunk)
            bundle = bundle._before
        self.joined = b"".join(reversed(chunks))
        return self.joined

    def end_turn(self) -> None:
        """Part every bundle of the turn from its next one."""
        for parent in self._parents:
            parent.next = parent.next_chunk = None
        self._parents.clear()


class Outbound:
    """The outlets of one node that have something to send. `frames` and `writes` count what was sent, for the node's figures, and
    `waveforms_dropped` the messages of waveforms that slow clients were not sent.

    `empty` is what nothing has been pushed to in this turn, and `turn` what clients share within it; both are forgotten at its end.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.frames = 0
        self.writes = 0
        self.coalesced = 0
        self.waveforms_dropped = 0
        self.due: list[Outlet] = []
        self.empty = Bundle()
        self.turn: dict[Hashable, Any] = {}

    def wake(self) -> None:
        """Flush, at the end of this turn of the event loop, the outlets that are `due`."""
        asyncio.get_running_loop().call_soon(self.flush)

    def coalesced_more(self, messages: int) -> None:
        """So many messages have been replaced by newer ones before they were sent."""
        self.coalesced += messages

    def flush(self) -> None:
        now, write = asyncio.get_running_loop().time(), os.write
        due, empty, frames = self.due.copy(), self.empty, 0
        self.due.clear()
        self.turn.clear()
        self.empty = Bundle()
        for outlet in due:
            if (bundle := outlet.pending) is None:  # lost meanwhile
                continue
            outlet.pending, outlet.last_sent = None, now
            try:
                data, direct = bundle.joined or bundle.join(), outlet.direct
                try:
                    sent = write(direct, data) if direct != NO_SOCKET else 0
                except OSError:
                    sent = 0  # the socket is full, or broken, which the transport finds out and tells
                if sent < len(data):
                    outlet.leave(data[sent:])
                frames += bundle.frames
            except Exception:  # one client's fault must not silence those after it
                log.exception("a client could not be written to; its connection ends")
                outlet.abort()
        empty.end_turn()
        self.frames += frames
        self.writes += len(due)


class Recipient(Protocol):
    """The client behind an outlet. Called from the event loop; must neither wait nor raise."""

    def fell_behind(self) -> None:
        """More than `limits.behind_bytes` wait for the client: what need not be sent now should wait."""

    def caught_up(self) -> None:
        """The client has taken most of what waited."""

    def overflowed(self) -> None:
        """More than `limits.unsent_bytes` wait for the client: end it."""

    def gone(self) -> None:
        """The connection is lost; nothing more is sent or received."""


class Outlet(asyncio.Protocol):
    """One client's connection, taken over from uvicorn with a `transport` on which nothing but its owner writes.

    Order: bytes leave in the order of `push`. Bound: what waits is known after each flush, and the recipient told when it is too much.
    `connections` is the server's set of those whom it waits for when it stops.
    """

    __slots__ = (
        "_due",
        "_ending",
        "_outbound",
        "_recipient",
        "_socket",
        "_transport",
        "connections",
        "direct",
        "last_sent",
        "pending",
    )

    def __init__(self, transport: asyncio.Transport, connections: set[Any], outbound: Outbound) -> None:
        self._transport = transport
        self._outbound = outbound
        self._due = outbound.due
        self._recipient: Recipient | None = None
        self.pending: Bundle | None = None
        self._ending = False
        self._socket = _descriptor(transport)
        self.direct = NO_SOCKET
        self.connections = connections
        self.last_sent = asyncio.get_running_loop().time()

    def open(self, recipient: Recipient) -> None:
        """Take the transport over: from now on it tells `recipient`."""
        self._recipient = recipient
        if self._transport.is_closing():
            self.connection_lost(None)
            return
        self.connections.add(self)
        self._transport.set_write_buffer_limits(high=self._outbound.limits.behind_bytes)
        _give_up_after(self._transport, self._outbound.limits.silence_seconds)
        self._transport.set_protocol(self)
        self._transport.resume_reading()

    @property
    def ended(self) -> bool:
        """Whether nothing more is taken."""
        return self._ending

    @property
    def unsent(self) -> int:
        """Bytes that the client has not taken, save those of this turn of the loop."""
        return self._transport.get_write_buffer_size()

    def push(self, chunk: bytes) -> None:
        """Send `chunk` after all that was pushed before; nothing once the connection is ending."""
        if self._ending:
            return
        if (pending := self.pending) is None:
            if not self._due:
                self._outbound.wake()
            self._due.append(self)
            pending = self._outbound.empty
        self.pending = pending.next if pending.next_chunk is chunk else pending.then(chunk)

    def leave(self, rest: bytes) -> None:
        """Leave `rest`, and what comes until it is taken, to the transport; or go on directly where it has taken all that was left to it."""
        transport = self._transport
        if transport.is_closing():
            return
        was_left, self.direct = self.direct == NO_SOCKET, NO_SOCKET
        if was_left and self._socket != NO_SOCKET and not transport.get_write_buffer_size():
            sent = _written(self._socket, rest)
            if sent == len(rest):
                self.direct = self._socket
                return
            rest = rest[sent:]
        transport.write(rest)
        left = transport.get_write_buffer_size()
        if left > self._outbound.limits.unsent_bytes and self._recipient and not self._ending:
            self._recipient.overflowed()

    def finish(self, last: Iterable[bytes]) -> None:
        """Send what waits and `last`, and take no more. The connection ends when the client has closed it, and after CLOSE_SECONDS anyway.

        What the client still sends meanwhile is read and thrown away: closing on it would reset the connection, and what was sent would be lost.
        """
        if self._ending:
            return
        for chunk in last:
            self.push(chunk)
        self._ending = True
        if self.pending is not None:
            bundle, self.pending = self.pending, None
            self.leave(bundle.join())
        asyncio.get_running_loop().call_later(CLOSE_SECONDS, self._transport.abort)

    def hang_up(self) -> None:
        """Say, after `finish`, that nothing more will come."""
        if self._transport.is_closing():
            return
        if not self._transport.can_write_eof():
            self._transport.close()  # TLS, which has no half of a connection
            return
        try:
            self._transport.write_eof()
        except OSError:  # the client was quicker, and the loop has not seen it yet
            self._transport.abort()
        else:
            self._transport.resume_reading()

    def abort(self) -> None:
        """End the connection at once; what waits is thrown away."""
        self._ending = True
        self._transport.abort()

    def pause_writing(self) -> None:
        if self._recipient and not self._ending:
            self._recipient.fell_behind()

    def resume_writing(self) -> None:
        if self._recipient and not self._ending:
            self._recipient.caught_up()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ending = True
        self._socket = self.direct = NO_SOCKET  # its number may belong to another client by now
        self.pending = None
        self.connections.discard(self)
        recipient, self._recipient = self._recipient, None
        if recipient is not None:
            recipient.gone()


def _written(descriptor: int, data: bytes) -> int:
    """How many bytes the socket took at once."""
    try:
        return os.write(descriptor, data)
    except OSError:
        return 0  # it is full, or broken, which the transport finds out and tells


def _descriptor(transport: asyncio.Transport) -> int:
    """The socket's file descriptor, where bytes may go to it beside the transport."""
    if transport.is_closing() or transport.get_extra_info("sslcontext") is not None:
        return NO_SOCKET
    descriptor: int = transport.get_extra_info("socket").fileno()
    return descriptor


def _give_up_after(transport: asyncio.Transport, seconds: float) -> None:
    """Lose the connection when nothing that was sent has been taken for so long (TCP_USER_TIMEOUT, RFC 5482; Linux alone has it).

    An event stream says nothing of its own, so without this a client whose network is gone would be present for a quarter of an hour.
    """
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    connection = transport.get_extra_info("socket")
    if option is not None and connection.family in (socket.AF_INET, socket.AF_INET6):
        connection.setsockopt(socket.IPPROTO_TCP, option, int(seconds * 1000))
