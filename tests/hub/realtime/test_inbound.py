"""What a client sends, however it is cut into pieces: the same messages, the same answers, and nothing kept while it is at rest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.realtime.inbound import Inbound
from tests.hub.realtime.raw_frames import BINARY, CONTINUATION, FINAL, PONG, TEXT, closing, frame, ping, text

MOST = 1000
STREAM = b"".join(
    (
        text("first"),
        ping(b"1"),
        frame(TEXT, b"in "),
        ping(b"2"),
        frame(CONTINUATION),
        frame(FINAL | CONTINUATION, "partś".encode()),
        frame(FINAL | PONG, b"x" * 125),
        frame(FINAL | BINARY, b"\xff" * 200),
        text(""),
        text("x" * MOST),
    )
)
MESSAGES = ["first", "in partś", None, "", "x" * MOST]
PONGS = b"\x8a\x011\x8a\x012"


def fed(pieces: list[bytes]) -> tuple[list[str | None], bytes]:
    """Messages and answers, from a new reader whenever the last one is at rest."""
    inbound, messages, answers = Inbound(MOST), [], b""
    for piece in pieces:
        messages += inbound.receive(piece)
        answers += inbound.answers()
        if inbound.at_rest:
            inbound = Inbound(MOST)
    assert not inbound.ended
    return messages, answers


def test_a_split_changes_nothing():
    for place in range(len(STREAM) + 1):
        assert fed([STREAM[:place], STREAM[place:]]) == (MESSAGES, PONGS), place


def test_bytes_that_come_one_by_one_change_nothing():
    assert fed([bytes((byte,)) for byte in STREAM]) == (MESSAGES, PONGS)


@pytest.mark.parametrize(
    "unfinished",
    [b"\x81", text("ab")[:-1], frame(TEXT, b"a"), frame(TEXT), frame(TEXT, b"a") + ping(), b"\x89\x80\x01"],
)
def test_a_reader_in_the_midst_of_something_is_not_at_rest(unfinished: bytes):
    inbound = Inbound(MOST)
    inbound.receive(unfinished)
    assert not inbound.at_rest


def test_a_close_is_answered_once_and_last():
    inbound = Inbound(MOST)
    assert inbound.receive(text("a") + ping(b"p") + closing(1001, b"bye") + text("late")) == ["a"]
    assert (inbound.answers(), inbound.ended) == (b"\x8a\x01p", True)
    assert [inbound.closing(), inbound.closing()] == [b"\x88\x05\x03\xe9bye", b""]
    assert (inbound.receive(text("later")), inbound.answers()) == ([], b"")


def test_the_hubs_own_close_ends_when_the_client_has_answered_it():
    inbound = Inbound(MOST)
    inbound.close(4490, "too slow")
    inbound.close(1001, "again")
    assert inbound.answers() == b""
    assert (inbound.closing(), inbound.ended) == (b"\x88\x0a\x11\x8atoo slow", False)
    inbound.receive(ping() + closing(4490))
    assert inbound.ended
    assert inbound.closing() == b""


@given(st.binary(max_size=300), st.integers(0, 300))
def test_no_bytes_raise(said: bytes, place: int):
    inbound = Inbound(MOST)
    for piece in (said[:place], said[place:]):
        inbound.receive(piece)
        inbound.answers()
        inbound.closing()
