"""The byte stream of server-sent events, read by the letter of the HTML standard (section 9.2), whatever the pieces it comes in."""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.realtime.frames import sse_event, sse_message, with_cursor
from hub.rooms.messages import Message
from tests.hub.rest.raw_http import request
from tests.support.hub import HOSPITAL, PATIENT, LiveHub
from vitals.events import EventName

pytestmark = [pytest.mark.slow, pytest.mark.pure]

ALERTS = f"patient:{PATIENT}:alerts"
WAIT_SECONDS = 30


@dataclass(frozen=True)
class Event:
    name: str
    data: str
    last_id: str


@dataclass
class EventStream:
    """An event source's parser (section 9.2.6), which takes bytes as they come. `retry` is the reconnection time."""

    events: list[Event] = field(default_factory=list)
    comments: int = 0
    retry: int | None = None
    _line: bytearray = field(default_factory=bytearray)
    _after_return: bool = False
    _first: bool = True
    _name: str = ""
    _data: list[str] = field(default_factory=list)
    _id: str = ""
    _last_id: str = ""

    def receive(self, data: bytes) -> None:
        for byte in data:
            after_return, self._after_return = self._after_return, byte == 0x0D
            if byte == 0x0A and after_return:
                continue
            if byte in (0x0A, 0x0D):
                line, self._line = self._line, bytearray()
                self._take(line.decode("utf-8", errors="replace"))
            else:
                self._line.append(byte)

    def _take(self, line: str) -> None:
        if self._first:
            line, self._first = line.removeprefix("\ufeff"), False
        if not line:
            self._dispatch()
        elif line.startswith(":"):
            self.comments += 1
        else:
            name, _, value = line.partition(":")
            self._process(name, value.removeprefix(" "))

    def _process(self, name: str, value: str) -> None:
        if name == "event":
            self._name = value
        elif name == "data":
            self._data.append(value)
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self.retry = int(value)

    def _dispatch(self) -> None:
        self._last_id = self._id
        if self._data:
            self.events.append(Event(self._name or "message", "\n".join(self._data), self._last_id))
        self._name, self._data = "", []


def parsed(pieces: Iterable[bytes]) -> EventStream:
    stream = EventStream()
    for piece in pieces:
        stream.receive(piece)
    return stream


def chunks(body: bytes) -> list[bytes]:
    """The chunks of a body (RFC 9112, section 7.1), up to the last, empty one."""
    found: list[bytes] = []
    while True:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        assert body[length : length + 2] == b"\r\n"
        if not length:
            assert body == b"\r\n", "nothing follows the last chunk"
            return found
        found.append(body[:length])
        body = body[length + 2 :]


ODD = "a\nb\r\nc\rd\u2028\u2029\ufeff\0 : data: id: \x7f é 漢 🩺"
DATA = (
    {"a": ODD},
    {},
    msgspec.Raw(b'{"spaced" :\r\n\t1 , "b": [ ] }\n '),
    {ODD: [1, 2.5, None, True]},
    {"long": "x" * 5000},
)


async def body_of_stream(hub: LiveHub) -> bytes:
    """A whole response's body: `connected`, an event for each of DATA, and the end when the node drains."""
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.settings.port)
    authorization = f"Authorization: Bearer {hub.token()}"
    writer.write(request(f"/realtime/events/patient/{PATIENT}", authorization, method="GET"))
    async with asyncio.timeout(WAIT_SECONDS):
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        assert b"transfer-encoding: chunked" in head.lower()
        begun = await reader.readuntil(b"\n\n\r\n")
        for data in DATA:
            await hub.owner.publish(HOSPITAL, [ALERTS], data, event=EventName.PATIENT_ALERT)
        rest = bytearray()
        while rest.count(b"event: patient.alert") < len(DATA):
            rest += await reader.read(65536)
        await hub.live.clients.drain(Random(1))
        rest += await reader.read()
        writer.close()
        await writer.wait_closed()
    return begun + bytes(rest)


async def test_the_stream_reads_the_same_at_every_split(hub: LiveHub):
    pieces = chunks(await body_of_stream(hub))
    whole = b"".join(pieces)
    assert all(piece.endswith(b"\n\n") for piece in pieces), "a chunk holds whole events"
    expected = parsed([whole])
    assert [event.name for event in expected.events] == ["connected", *["patient.alert"] * len(DATA), "closing"]
    sent = [json.loads(msgspec.json.encode(data)) for data in DATA]
    got = [json.loads(event.data) for event in expected.events[1:-1]]
    assert [{name: value for name, value in data.items() if name != "meta"} for data in got] == sent
    assert [data["meta"]["offset"] for data in got] == [1, 2, 3, 4, 5]
    assert len({event.last_id for event in expected.events[1:-1]}) == len(DATA)
    assert expected.retry == 3000
    assert parsed(bytes((byte,)) for byte in whole) == expected
    for place in range(1, len(whole) - 1, max(1, len(whole) // 400)):
        assert parsed([whole[:place], whole[place:]]) == expected


TEXT = st.text(max_size=20)
JSON = st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | TEXT, lambda inner: st.lists(inner, max_size=3))


@given(st.dictionaries(TEXT.filter(lambda name: name != "meta"), JSON, max_size=4), st.binary(max_size=3), st.data())
def test_no_data_breaks_its_event(data: dict, padding: bytes, draw: st.DataObject):
    """Whatever the text: one event, one line of data, and the same JSON."""
    space = bytes(b" \t\r\n"[byte % 4] for byte in padding)
    message = Message(
        room=ALERTS,
        record_epoch=1,
        epoch="e",
        offset=1,
        n=1,
        event="patient.alert",
        members=b'"event_id":"x"',
        data=(msgspec.json.encode(data)[:-1] + space + b"}").replace(b"\n", b" "),
    )
    made = (with_cursor(sse_message(message), "c1"), sse_event("gap", {"about": data}, cursor="c2"))
    whole = b"".join(chain(made))
    place = draw.draw(st.integers(0, len(whole)))
    stream = parsed([whole[:place], whole[place:]])
    first, second = stream.events
    assert json.loads(first.data).pop("meta")["offset"] == 1
    assert {name: value for name, value in json.loads(first.data).items() if name != "meta"} == data
    assert (json.loads(second.data), first.last_id, second.last_id) == ({"about": data}, "c1", "c2")


@pytest.mark.parametrize(
    ("said", "events"),
    [
        (b"\xef\xbb\xbfdata: a\n\n", ["a"]),
        (b"data: a\r\rdata: b\r\n\r\ndata:c\n\n", ["a", "b", "c"]),
        (b"data\n\ndata\ndata\n\ndata:", ["", "\n"]),
        (b": comment\ndata:  two spaces\n\n", [" two spaces"]),
        (b"id: 1\n\nevent: x\n\ndata: a\n", []),
    ],
)
def test_the_parser_itself_follows_the_standards_examples(said: bytes, events: list[str]):
    for place in range(len(said) + 1):
        assert [event.data for event in parsed([said[:place], said[place:]]).events] == events
