"""Lines of printable ASCII in a stream that may start anywhere and lose anything.

A frame is a line with its end, and the empty lines before it: a monitor that prints one after each line is not noisy. What is a line of the
format, and not of something else, `accepts` says of it without its end.
"""

from collections.abc import Callable
from typing import Final

from device_drivers.errors import Malformed, Truncated
from device_drivers.format import TEXT_LIMIT
from device_drivers.framing import Measure

ENDS: Final = b"\r\n"
_NO_TEXT: Final = bytes(byte for byte in range(256) if not 0x20 <= byte <= 0x7E and byte not in b"\t\r")


def measure_lines(accepts: Callable[[bytes], bool]) -> Measure:
    """Finds lines that `accepts` takes."""

    def measure(buffer: bytearray, at: int) -> int | None:
        start = at
        while start < len(buffer) and buffer[start] in ENDS:
            start += 1
        end = buffer.find(b"\n", start, start + TEXT_LIMIT)
        line = bytes(buffer[start : end if end >= 0 else start + TEXT_LIMIT])
        if start - at > TEXT_LIMIT or len(line.translate(None, _NO_TEXT)) < len(line):
            return 0
        if end < 0:
            return None if len(line) < TEXT_LIMIT else 0
        return end + 1 - at if accepts(line.rstrip(b"\r")) else 0

    return measure


def line_of(data: bytes) -> str:
    """The line with which `data` begins, empty ones passed over. Raises Truncated where its end is missing, Malformed where it is no text."""
    line, end, _ = data.lstrip(ENDS).partition(b"\n")
    if len(line.translate(None, _NO_TEXT)) < len(line) or len(line) > TEXT_LIMIT:
        raise Malformed("not_a_line")
    if not end:
        raise Truncated(len(data) + 1, len(data))
    return line.rstrip(b"\r").decode("ascii")


def line_raw(data: bytes) -> bytes:
    """What of a frame is to be kept: the line without empty ones."""
    return data.lstrip(ENDS)


def with_blanks(text: str) -> list[str]:
    """The words of a line, each with the blanks before it."""
    words = []
    while text.strip():
        word = text.split(maxsplit=1)[0]
        length = len(text) - len(text.lstrip()) + len(word)
        words.append(text[:length])
        text = text[length:]
    return words
