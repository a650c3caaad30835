"""WebSocket frames that no client library sends: each ends its own connection with the code that RFC 6455 gives it, and nothing else."""

import asyncio
import json
import logging
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.realtime.requests import BadRequest, decode_request
from tests.hub.realtime.raw_frames import CLOSE, FINAL, TEXT, frame, raw_socket
from tests.hub.realtime.sockets import ask
from tests.support.hub import WAIT_SECONDS, LiveHub
from tests.support.waiting import eventually

PING = b'{"type": "ping"}'
BAD = {
    "not masked": (frame(FINAL | TEXT, PING, mask=False), 1002),
    "an opcode that is none": (frame(FINAL | 0x3, PING), 1002),
    "a reserved bit": (frame(FINAL | 0x40 | TEXT, PING), 1002),
    "a continuation of nothing": (frame(FINAL, PING), 1002),
    "a new message within one": (frame(TEXT, PING) + frame(FINAL | TEXT, PING), 1002),
    "a control frame in parts": (frame(0x9, b"x"), 1002),
    "a long control frame": (frame(FINAL | 0x9, b"x" * 200), 1002),
    "a close of one byte": (frame(FINAL | CLOSE, b"\x03"), 1002),
    "not UTF-8": (frame(FINAL | TEXT, b'{"type": "\xff"}'), 1007),
    "not UTF-8 in parts": (frame(TEXT, b'{"type": "\xc3') + frame(FINAL, b'"}'), 1007),
    "a length without end": (frame(FINAL | TEXT, b"", length=2**40), 1009),
    "parts without end": (frame(TEXT, b"x" * 60_000) + frame(0, b"x" * 60_000), 1009),
}


@pytest.fixture
def _no_trace_in_the_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert [record for record in caplog.records if record.levelno >= logging.ERROR or record.exc_info] == []


async def ended_with(hub: LiveHub, said: bytes) -> int | None:
    """The code with which the hub closes after these bytes."""
    async with asyncio.timeout(WAIT_SECONDS), raw_socket(hub) as socket:
        await socket.send(said)
        end = await socket.receive()
        assert end.opcode == CLOSE
        return end.code


@pytest.mark.usefixtures("_no_trace_in_the_log")
async def test_a_bad_frame_ends_its_connection_with_its_code(hub: LiveHub):
    async with hub.connect("/realtime/ws") as bystander:
        codes = {name: await ended_with(hub, said) for name, (said, _) in BAD.items()}
        assert (await ask(bystander, type="ping"))["type"] == "pong"
    assert codes == {name: code for name, (_, code) in BAD.items()}


@pytest.mark.usefixtures("_no_trace_in_the_log")
async def test_a_client_that_breaks_off_in_a_frame_is_forgotten(hub: LiveHub):
    async with raw_socket(hub) as socket:
        await socket.send(frame(FINAL | TEXT, PING)[:5])
        socket.writer.transport.abort()
    await eventually(lambda: not len(hub.live.clients))


@given(st.text(max_size=200) | st.binary(max_size=200))
def test_no_message_raises_anything_undeclared(message: str | bytes):
    try:
        decode_request(message)
    except BadRequest as refusal:
        str(refusal).encode()


@given(
    st.dictionaries(
        st.sampled_from(["type", "id", "room", "rooms", "since", "epoch"]),
        st.sampled_from(["subscribe", "unsubscribe", "ping", "pong"])
        | st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(), st.lists, max_leaves=4
        )
        | st.fixed_dictionaries({"epoch": st.text(), "offset": st.integers()}),
    )
)
def test_no_request_raises_anything_undeclared(document: dict):
    try:
        asked = decode_request(json.dumps(document))
        if hasattr(asked, "wanted"):
            asked.wanted()
    except BadRequest as refusal:
        str(refusal).encode()
