"""Reading a server-sent event stream without I/O (HTML Standard, section 9.2.6): bytes in any pieces become events.

For programs that rather follow `/realtime/events…` over an HTTP client of their own: feed what comes, and send `last_id` as `Last-Event-ID` on the next
connection; the hub answers with what was missed and `recovered`, or with `gap`.
"""

import codecs
from typing import Final

import msgspec

from bedside.client.errors import ClientError

LONGEST_EVENT: Final = 16 * 1024 * 1024


class EventTooLong(ClientError):
    """The stream never ends its event: leave it."""


class StreamEvent(msgspec.Struct, frozen=True, kw_only=True):
    """`last_id` is the cursor after this event."""

    name: str
    data: str
    last_id: str


class EventStreamReader:
    """Reads one stream after the other: `disconnected` between two, so that half an event is forgotten and the cursor is kept.

    At most `longest_event` characters are held (a limit for safety). `retry_milliseconds` is what the hub asks to wait before reconnecting.
    """

    def __init__(self, *, last_id: str = "", longest_event: int = LONGEST_EVENT) -> None:
        self.last_id = last_id
        self.retry_milliseconds: int | None = None
        self._longest = longest_event
        self.disconnected()

    def disconnected(self) -> None:
        """The connection has ended; another stream follows."""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._begun = self._after_return = False
        self._id = self.last_id
        self._name = ""
        self._data: list[str] = []
        self._held = 0

    def receive_data(self, data: bytes) -> list[StreamEvent]:
        """The events that are whole now. Raises EventTooLong."""
        text = self._rest + self._without_mark(self._decoder.decode(data))
        if text and self._after_return:
            text, self._after_return = text.removeprefix("\n"), False
        self._after_return = text.endswith("\r")
        *lines, self._rest = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        events = [event for line in lines if (event := self._take(line)) is not None]
        if self._held + len(self._rest) > self._longest:
            raise EventTooLong(f"an event of more than {self._longest} characters")
        return events

    def _without_mark(self, text: str) -> str:
        """Without a byte order mark at the very beginning."""
        if self._begun or not text:
            return text
        self._begun = True
        return text.removeprefix("\ufeff")

    def _take(self, line: str) -> StreamEvent | None:
        if not line:
            return self._dispatch()
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match field:
            case "event":
                self._name = value
            case "data":
                self._data.append(value)
                self._held += len(value) + 1
            case "id" if "\0" not in value:
                self._id = value
            case "retry" if value.isascii() and value.isdigit():
                self.retry_milliseconds = int(value)
        return None

    def _dispatch(self) -> StreamEvent | None:
        self.last_id = self._id
        name, data = self._name or "message", self._data
        self._name, self._data, self._held = "", [], 0
        return StreamEvent(name=name, data="\n".join(data), last_id=self.last_id) if data else None
