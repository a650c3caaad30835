"""What a WebSocket client sends, without I/O: bytes in, whole messages and the bytes of answers out (RFC 6455).

The framing, masking, control frames and the closing handshake are those of the `websockets` library. It neither joins the parts of a
message nor looks at its text; that is done here.
"""

import logging
from typing import Final, TypeAlias

from websockets.frames import Close, Frame, Opcode
from websockets.protocol import OPEN, SERVER, Protocol

UNREADABLE: Final = 1007
_CLOSING: Final = bytes((0x80 | Opcode.CLOSE,))
_DATA: Final = frozenset({Opcode.TEXT, Opcode.BINARY, Opcode.CONT})
Message: TypeAlias = str | None
"""A text; None for a binary message."""

QUIET: Final = logging.getLogger("hub.realtime.inbound")
"""For the library, which under DEBUG logs every frame and header, and so tokens and patients' values."""
QUIET.setLevel(logging.WARNING)


class Inbound:
    """One client's side of the connection, after the handshake. At most `max_bytes` of a message are held.

    Call `receive` with what came, then send `answers()`; once `ended`, send `closing()` and no more. While it is `at_rest` it holds
    nothing, and a new one does as well.
    """

    def __init__(self, max_bytes: int) -> None:
        self._protocol = Protocol(SERVER, max_size=max_bytes, logger=QUIET)
        self._parts = bytearray()
        self._is_text = False
        self._closing = b""
        self._refused = False
        self._unframed = 0

    @property
    def at_rest(self) -> bool:
        protocol = self._protocol
        between_frames = protocol.current_size is None and not self._unframed
        return between_frames and protocol.state is OPEN and not self._refused

    @property
    def ended(self) -> bool:
        """Whether the client may not, or will not, send any more: both sides have said so, or its bytes broke the protocol."""
        return self._refused or self._protocol.eof_sent

    def receive(self, received: bytes) -> list[Message]:
        """The messages that these bytes complete, in order."""
        if self.ended:
            return []
        self._unframed += len(received)
        self._protocol.receive_data(received)
        messages: list[Message] = []
        for event in self._protocol.events_received():
            assert isinstance(event, Frame)  # noqa: S101 - a protocol that starts open yields nothing else
            self._unframed -= _wire_size(len(event.data))
            if event.opcode not in _DATA:
                continue
            self._join(event)
            if event.fin and not self._complete(messages):
                break
        return messages

    def close(self, code: int, reason: str) -> None:
        """Begin the closing handshake; nothing if it has begun."""
        if self._protocol.state is OPEN:
            self._protocol.send_close(code, reason)

    def answers(self) -> bytes:
        """The pongs that are due."""
        frames = self._protocol.data_to_send()
        self._closing = self._closing or next((frame for frame in frames if frame[:1] == _CLOSING), b"")
        return b"".join(frame for frame in frames if frame[:1] != _CLOSING)

    def closing(self) -> bytes:
        """The closing frame, once there is one; it goes after all else, and once."""
        closing, self._closing = self._closing, b""
        return closing

    def _join(self, frame: Frame) -> None:
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
        self._parts += frame.data  # and not a list: empty parts must cost nothing, for nothing limits their number

    def _complete(self, messages: list[Message]) -> bool:
        """Take the message whose last part has come; False where it is not UTF-8 and so the last (section 8.1)."""
        whole, self._parts = self._parts, bytearray()
        try:
            messages.append(whole.decode() if self._is_text else None)
        except UnicodeDecodeError:
            self._protocol.data_to_send()  # what answers later frames
            close = Close(UNREADABLE, "not UTF-8").serialize()
            self._closing = Frame(Opcode.CLOSE, close).serialize(mask=False)
            self._refused = True
            return False
        return True


def _wire_size(length: int) -> int:
    """Bytes of a masked frame with a payload of this length; a length said in more bytes than it needs makes a frame larger."""
    return length + (6 if length < 126 else 8 if length < 65536 else 14)
