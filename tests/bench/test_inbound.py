"""The clients of the crowd notice what they must: a benchmark that does not check what it received proves nothing."""

import json
import zlib

import pytest

from bench.baselines.messages import frame
from bench.errors import BenchFailed
from bench.fanout_rounds import check
from bench.inbound import DeflatedInbound, EventStreamInbound, WebSocketInbound
from hub.realtime.frames import json_frame, message_json, sse_event, text_frame

ROOM = "patient:p000:vitals"
UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
SUBSCRIBED = json_frame({"type": "subscription", "room": ROOM, "status": "subscribed", "epoch": "e", "offset": 0})


def chunk(event: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(event), event)


def connected(offset: int = 0) -> bytes:
    return chunk(b"retry: 3000\n" + sse_event("connected", {"positions": {ROOM: {"epoch": "e", "offset": offset}}}))


WEBSOCKET = UPGRADED + SUBSCRIBED + b"".join(frame(offset).websocket for offset in (1, 2, 3))
EVENTS = OK + connected() + chunk(b": \n\n") + b"".join(chunk(frame(offset).sse) for offset in (1, 2, 3))


@pytest.mark.parametrize(
    ("client", "stream"), [(WebSocketInbound, WEBSOCKET), (EventStreamInbound, EVENTS)], ids=["websocket", "events"]
)
def test_a_stream_may_be_cut_anywhere(client, stream):
    whole = client(ROOM).receive(stream)
    assert [offset for offset, _ in whole] == [1, 2, 3]
    for cut in range(1, len(stream)):
        one = client(ROOM)
        assert one.receive(stream[:cut]) + one.receive(stream[cut:]) == whole


def test_a_subscription_says_where_the_room_stands():
    client = WebSocketInbound(ROOM)
    client.receive(UPGRADED)
    assert client.standing is None
    client.receive(SUBSCRIBED.replace(b'"offset":0', b'"offset":7'))
    assert client.standing == 7
    assert client.receive(frame(8).websocket) == [(8, message_json(frame(8).message))]


@pytest.mark.parametrize("offset", [1, 3], ids=["repeated", "skipped"])
def test_a_message_out_of_order_is_a_failure(offset):
    client = WebSocketInbound(None, http=False)
    client.receive(frame(1).websocket)
    with pytest.raises(BenchFailed, match="out of order after offset 1"):
        client.receive(frame(offset).websocket)


def test_a_message_before_the_subscription_is_a_failure():
    with pytest.raises(BenchFailed, match="out of order"):
        WebSocketInbound(ROOM).receive(UPGRADED + frame(1).websocket)


def test_a_refused_client_is_a_failure():
    with pytest.raises(BenchFailed, match=r"refused: HTTP/1\.1 401"):
        WebSocketInbound(ROOM).receive(b"HTTP/1.1 401 Unauthorized\r\n\r\n")


def test_an_unexpected_message_is_a_failure_and_a_ping_is_not():
    client = WebSocketInbound(None, http=False)
    assert client.receive(json_frame({"type": "ping"})) == []
    with pytest.raises(BenchFailed, match="unexpected message"):
        client.receive(json_frame({"type": "subscription", "status": "denied"}))
    with pytest.raises(BenchFailed, match="unexpected frame: 0x88"):
        client.receive(b"\x88\x02\x03\xe8")


def test_a_gap_in_an_event_stream_is_a_failure():
    with pytest.raises(BenchFailed, match="unexpected event"):
        EventStreamInbound(ROOM).receive(OK + chunk(sse_event("gap", {"missing": []})))


def test_a_compressed_stream_is_inflated_with_one_context():
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    client = DeflatedInbound(None, http=False)
    for offset in (1, 2):
        message = message_json(frame(offset).message)
        packed = compressor.compress(message) + compressor.flush(zlib.Z_SYNC_FLUSH)
        sent = text_frame(packed.removesuffix(b"\x00\x00\xff\xff"))
        assert client.receive(bytes((sent[0] | 0x40,)) + sent[1:]) == [(offset, message)]


def test_compression_that_was_asked_for_must_happen():
    with pytest.raises(BenchFailed, match="not compressed"):
        DeflatedInbound(None, http=False).receive(frame(1).websocket)


def test_messages_are_those_that_were_sent():
    sent = [message_json(frame(offset).message) for offset in (1, 2, 3)]
    check(sent, 3)
    check([json.dumps(json.loads(message)["data"]).encode() for message in sent], 3)
    with pytest.raises(BenchFailed, match="2 different messages instead of 3"):
        check(sent[:2], 3)
    with pytest.raises(BenchFailed, match="message 0 says"):
        check(sent[::-1], 3)
