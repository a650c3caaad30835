"""Messages are those that were sent, whatever packed them."""

import json
import zlib

import pytest

from bench.errors import BenchFailed
from bench.fanout_rounds import inflated
from bench.messages import check, event_message, websocket_message


@pytest.mark.parametrize("make", [websocket_message, event_message])
def test_messages_are_those_that_were_sent(make):
    sent = [make(offset) for offset in (1, 2, 3)]
    check(sent, 3)
    with pytest.raises(BenchFailed, match="2 different messages instead of 3"):
        check(sent[:2], 3)
    with pytest.raises(BenchFailed, match="message 0 says"):
        check(sent[::-1], 3)


def test_an_event_says_what_the_message_says():
    message, event = json.loads(websocket_message(3)), json.loads(event_message(3))
    meta = event.pop("meta")
    assert event == message["data"]
    assert {key: message[key] for key in meta} == meta


def test_a_compressed_stream_is_inflated_with_one_context():
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    messages = [websocket_message(offset) for offset in (1, 2)]
    packed = [
        (compressor.compress(message) + compressor.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\x00\x00\xff\xff")
        for message in messages
    ]
    assert inflated(packed) == messages
