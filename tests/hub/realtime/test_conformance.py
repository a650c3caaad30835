"""RFC 6455, case by case: the cases of the Autobahn test suite's groups 1 to 7 and 10, each over a raw socket against the real hub.

That suite's server echoes; the hub speaks JSON. A sound text that is no JSON is answered by an `error`, and so is a binary message; what
counts here is that it is answered, once, in its order among pongs and closing frames.
"""

import asyncio
from dataclasses import dataclass
from itertools import pairwise

import msgspec
import pytest

from tests.hub.realtime.raw_frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FINAL,
    PING,
    PONG,
    TEXT,
    RawSocket,
    closing,
    frame,
    ping,
    raw_socket,
    text,
)
from tests.support.hub import LiveHub

pytestmark = [pytest.mark.slow, pytest.mark.pure]

ANSWER = "answer"
PROTOCOL_ERROR, NOT_UTF_8 = 1002, 1007


@dataclass(frozen=True)
class Case:
    """`sent` in pieces of `piece` bytes, and all that the hub sends: `ANSWER`s, payloads of pongs, and at the end the code of its close.

    Without a code the connection must still be sound: it is closed with 1000, and the hub must say so too.
    """

    sent: bytes
    expected: tuple[str | bytes, ...] = ()
    code: int | None = None
    closes: bool = False
    piece: int | None = None


def answered(sent: bytes, *, times: int = 1, piece: int | None = None) -> Case:
    return Case(sent, (ANSWER,) * times, piece=piece)


def refused(
    sent: bytes, code: int = PROTOCOL_ERROR, *, before: tuple[str | bytes, ...] = (), piece: int | None = None
) -> Case:
    return Case(sent, before, code, closes=True, piece=piece)


def parts(payload: bytes, size: int) -> bytes:
    """A text in frames of `size` bytes."""
    cut = [payload[start : start + size] for start in range(0, len(payload), size)] or [b""]
    places = range(len(cut))
    return b"".join(
        frame((TEXT if place == 0 else CONTINUATION) | (FINAL if place == places[-1] else 0), cut[place])
        for place in places
    )


SIZES = (0, 125, 126, 127, 128, 65535, 65536)
ODD_BYTES = bytes(range(0x80, 0x80 + 5)) + b"\x00\xff\xfe"

GROUP_1 = {
    **{f"1.1 text of {size}": answered(text(b"*" * size)) for size in SIZES},
    "1.1.8 text of 65536 in pieces of 997": answered(text(b"*" * 65536), piece=997),
    **{f"1.2 binary of {size}": answered(frame(FINAL | BINARY, b"\xfe" * size)) for size in SIZES},
    "1.2.8 binary of 65536 in pieces of 997": answered(frame(FINAL | BINARY, b"\xfe" * 65536), piece=997),
}
GROUP_2 = {
    "2.1 ping": Case(ping(), (b"",)),
    "2.2 ping with text": Case(ping(b"Hello, world!"), (b"Hello, world!",)),
    "2.3 ping with other bytes": Case(ping(ODD_BYTES), (ODD_BYTES,)),
    "2.4 ping of 125": Case(ping(b"\xfe" * 125), (b"\xfe" * 125,)),
    "2.5 ping of 126": refused(ping(b"\xfe" * 126)),
    "2.6 ping of 125 byte by byte": Case(ping(b"\xfe" * 125), (b"\xfe" * 125,), piece=1),
    "2.7 unasked pong": Case(frame(FINAL | PONG), ()),
    "2.8 unasked pong with payload": Case(frame(FINAL | PONG, b"unsolicited"), ()),
    "2.9 unasked pong, then ping": Case(frame(FINAL | PONG, b"unsolicited") + ping(b"ours"), (b"ours",)),
    "2.10 ten pings": Case(b"".join(ping(b"%d" % n) for n in range(10)), tuple(b"%d" % n for n in range(10))),
    "2.11 ten pings byte by byte": Case(
        b"".join(ping(b"%d" % n) for n in range(10)), tuple(b"%d" % n for n in range(10)), piece=1
    ),
}
GROUP_3 = {
    **{f"3.1-7 reserved bits {bits}": refused(frame(FINAL | bits << 4 | TEXT, b"x")) for bits in range(1, 8)},
    "3.2 after a sound text": refused(text("a") + frame(FINAL | 0x20 | TEXT, b"x"), before=(ANSWER,)),
    "3.4 after a sound text, byte by byte": refused(
        text("a") + frame(FINAL | 0x40 | TEXT, b"x") + ping(), before=(ANSWER,), piece=1
    ),
    "3.6 in a binary message": refused(frame(FINAL | 0x60 | BINARY, b"\x00\xff")),
    "3.7 in a ping": refused(frame(FINAL | 0x70 | PING)),
    "3.8 in a close": refused(frame(FINAL | 0x10 | CLOSE, b"\x03\xe8")),
}
GROUP_4 = {
    f"4 opcode {opcode}{how}": refused(frame(FINAL | opcode, payload), piece=piece)
    for opcode in (3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF)
    for how, payload, piece in (
        ("", b"", None),
        (" with payload", b"reserved", None),
        (" byte by byte", b"reserved", 1),
    )
}
FIRST, LAST = frame(TEXT, b"fragment1"), frame(FINAL | CONTINUATION, b"fragment2")
GROUP_5 = {
    "5.1 ping in parts": refused(frame(PING, b"a") + frame(FINAL | CONTINUATION, b"b")),
    "5.2 pong in parts": refused(frame(PONG, b"a") + frame(FINAL | CONTINUATION, b"b")),
    **{f"5.3-5 text in two frames, pieces of {piece}": answered(FIRST + LAST, piece=piece) for piece in (None, 9, 1)},
    **{
        f"5.6-8 a ping between, pieces of {piece}": Case(FIRST + ping(b"p") + LAST, (b"p", ANSWER), piece=piece)
        for piece in (None, 9, 1)
    },
    **{
        f"5.9-14 a continuation of nothing, final {final}, pieces of {piece}": refused(
            frame(final | CONTINUATION, b"non-continuation") + text("Hello"), piece=piece
        )
        for final in (FINAL, 0)
        for piece in (None, 9, 1)
    },
    "5.15 a continuation after the last": refused(
        FIRST + LAST + frame(CONTINUATION, b"a") + text("b"), before=(ANSWER,)
    ),
    **{
        f"5.16-17 a continuation of nothing, then text, final {final}": refused(
            (frame(final | CONTINUATION, b"a") + text("b")) * 2
        )
        for final in (FINAL, 0)
    },
    "5.18 a text within a text": refused(FIRST + text("fragment2")),
    **{
        f"5.19-20 five frames with pings between, pieces of {piece}": Case(
            frame(TEXT, b"1")
            + frame(CONTINUATION, b"2")
            + ping(b"p1")
            + frame(CONTINUATION, b"3")
            + frame(CONTINUATION, b"4")
            + ping(b"p2")
            + frame(FINAL | CONTINUATION, b"5"),
            (b"p1", b"p2", ANSWER),
            piece=piece,
        )
        for piece in (None, 1)
    },
}
KOSME = "κόσμε".encode()
VALID = {
    "6.2 many scripts": "Hello-µ@ßöäüàá-UTF-8!!".encode(),
    "6.5 kosme": KOSME,
    "6.6 first of two bytes": b"\xc2\x80",
    "6.6 first of three": b"\xe0\xa0\x80",
    "6.6 first of four": b"\xf0\x90\x80\x80",
    "6.7 last of one": b"\x7f",
    "6.7 last of two": b"\xdf\xbf",
    "6.7 last of three": b"\xef\xbf\xbf",
    "6.7 last of four": b"\xf4\x8f\xbf\xbf",
    "6.9 before the surrogates": b"\xed\x9f\xbf",
    "6.9 after the surrogates": b"\xee\x80\x80",
    "6.9 the replacement character": b"\xef\xbf\xbd",
    "6.22 non-characters": b"\xef\xbf\xbe\xf0\x9f\xbf\xbf\xf3\xbf\xbf\xbe",
    "6.23 specials": b"".join(chr(0xFFF0 + n).encode() for n in range(16)),
}
INVALID = {
    "6.3 a surrogate in the midst": KOSME + b"\xed\xa0\x80edited",
    "6.4 beyond the last": KOSME + b"\xf4\x90\x80\x80edited",
    "6.8 first of five bytes": b"\xf8\x88\x80\x80\x80",
    "6.8 first of six": b"\xfc\x84\x80\x80\x80\x80",
    "6.10 after the last of all": b"\xf4\x90\x80\x80",
    "6.11 last of five": b"\xfb\xbf\xbf\xbf\xbf",
    "6.11 last of six": b"\xfd\xbf\xbf\xbf\xbf\xbf",
    **{f"6.12 {count} continuation bytes alone": b"\x80\xbf" * count for count in range(1, 8)},
    "6.13 all continuation bytes": bytes(range(0x80, 0xC0)),
    **{
        f"6.14 {name} without what follows": b"".join(bytes((first, 0x20)) for first in firsts)
        for name, firsts in {
            "two-byte beginnings": range(0xC0, 0xE0),
            "three-byte beginnings": range(0xE0, 0xF0),
            "four-byte beginnings": range(0xF0, 0xF8),
            "five-byte beginnings": range(0xF8, 0xFC),
            "six-byte beginnings": range(0xFC, 0xFE),
        }.items()
    },
    **{
        f"6.15 the last byte missing after {whole[:-1].hex()}": whole[:-1]
        for whole in (
            b"\xc2\x80",
            b"\xe0\x80\x80",
            b"\xf0\x80\x80\x80",
            b"\xdf\xbf",
            b"\xef\xbf\xbf",
            b"\xf4\x8f\xbf\xbf",
        )
    },
    **{f"6.17 impossible {byte:x}": bytes((byte,)) for byte in (0xFE, 0xFF)},
    **{
        f"6.18-20 overlong {overlong.hex()}": overlong
        for overlong in (
            *(b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf"),
            *(b"\xc0\x80", b"\xe0\x80\x80", b"\xf0\x80\x80\x80"),
        )
    },
    **{
        f"6.21 surrogates {pair.hex()}": pair
        for pair in (b"\xed\xa0\x80", b"\xed\xaf\xbf", b"\xed\xb0\x80", b"\xed\xbf\xbf", b"\xed\xa0\x80\xed\xb0\x80")
    },
}
GROUP_6 = {
    "6.1.1 empty": answered(text("")),
    "6.1.2 three empty frames": answered(frame(TEXT) + frame(CONTINUATION) + frame(FINAL | CONTINUATION)),
    "6.1.3 text between empty frames": answered(frame(TEXT) + frame(CONTINUATION, b"x") + frame(FINAL | CONTINUATION)),
    **{name: answered(text(said)) for name, said in VALID.items()},
    **{f"{name}, a frame a byte": answered(parts(said, 1)) for name, said in VALID.items()},
    **{name: refused(text(said), NOT_UTF_8) for name, said in INVALID.items()},
    **{f"{name}, a frame a byte": refused(parts(said, 1), NOT_UTF_8) for name, said in INVALID.items()},
    "6.3.2 and a close in the same write": refused(text(b"\xff") + closing(), NOT_UTF_8),
    "6.3.3 and a ping in the same write": refused(text(b"\xff") + ping(), NOT_UTF_8),
}
GOOD_CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
BAD_CODES = (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65535)
GROUP_7 = {
    "7.1.1 text, then close": Case(text("Hello"), (ANSWER,)),
    "7.1.2 two closes": refused(closing() + closing(), 1000),
    "7.1.3 a ping after the close": refused(closing() + ping(b"late"), 1000),
    "7.1.4 a text after the close": refused(closing() + text("late"), 1000),
    "7.1.5 a close between two parts": refused(FIRST + closing() + LAST),
    "7.1.6 a large text after the close": refused(closing() + text(b"*" * 65536), 1000),
    "7.3.1 an empty close": Case(closing(None), closes=True),
    "7.3.2 a close of one byte": refused(frame(FINAL | CLOSE, b"a")),
    "7.3.3 a close with a code": refused(closing(), 1000),
    "7.3.4 a close with a reason": refused(closing(1000, b"Hello World!"), 1000),
    "7.3.5 a close with the longest reason": refused(closing(1000, b"*" * 123), 1000),
    "7.3.6 a close that is too long": refused(closing(1000, b"*" * 124)),
    "7.5.1 a reason that is not UTF-8": refused(closing(1000, KOSME + b"\xed\xa0\x80"), NOT_UTF_8),
    **{f"7.7 the good code {code}": refused(closing(code), code) for code in GOOD_CODES},
    **{f"7.9 the bad code {code}": refused(closing(code)) for code in BAD_CODES},
    "7.x a frame that is not masked": refused(frame(FINAL | TEXT, b"x", mask=False)),
}
GROUP_10 = {"10.1.1 a text of 65536 in frames of 1300": answered(parts(b"*" * 65536, 1300))}
GROUPS = {
    "1": GROUP_1,
    "2": GROUP_2,
    "3": GROUP_3,
    "4": GROUP_4,
    "5": GROUP_5,
    "6": GROUP_6,
    "7": GROUP_7,
    "10": GROUP_10,
}


async def seen(socket: RawSocket, case: Case) -> tuple[tuple[str | bytes, ...], int | None]:
    """What the hub sends on a case, and the code with which it ends: its own, or its answer to our 1000."""
    await socket.send(case.sent, piece=case.piece)
    if not case.closes:
        await socket.send(closing())
    got: list[str | bytes] = []
    while True:
        received = await socket.receive()
        if received.opcode == CLOSE:
            assert await socket.at_end(), "nothing may follow a close"
            return tuple(got), received.code
        if received.opcode == TEXT:
            assert msgspec.json.decode(received.payload)["type"] == "error"
        got.append(ANSWER if received.opcode == TEXT else received.payload)


@pytest.mark.parametrize("group", GROUPS)
async def test_every_case_of_the_group_ends_as_the_standard_says(hub: LiveHub, group: str):
    failed: dict[str, object] = {}
    for name, case in GROUPS[group].items():
        async with raw_socket(hub, subject=f"case {name[:100]}") as socket:
            expected = (case.expected, case.code if case.closes else 1000)
            try:
                if (outcome := await seen(socket, case)) != expected:
                    failed[name] = (outcome, expected)
            except (asyncio.IncompleteReadError, ConnectionError, TimeoutError) as error:
                failed[name] = (repr(error), expected)
    assert failed == {}


def test_no_case_hides_another():
    """Names are keys: a repeated one would drop a case."""
    assert [len(GROUPS[group]) for group in GROUPS] == [16, 11, 12, 30, 20, 117, 38, 1]
    assert all(earlier != later for earlier, later in pairwise(sorted(INVALID.values())))
