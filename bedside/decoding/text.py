"""Bytes as people type and paste them."""

import re
from collections.abc import Sequence
from typing import Final

from bedside.exits import CommandFailed, Exit

_LABEL: Final = re.compile(r"^.*\(0[xX]\)", re.DOTALL)
"""What nRF Connect writes before a value: `(0x) 16-7C`, `Value: (0x) 16-7C`."""
_SEPARATORS: Final = re.compile(r"[\s:,;-]+|(?=0[xX])")


def bytes_of(words: Sequence[str]) -> bytes:
    """The bytes of hexadecimal text: `16 7c 00`, `167C00`, `16:7C:00`, `16-7C-00`, `0x16, 0x7c`. Raises CommandFailed, which says what is wrong."""
    return b"".join(map(_bytes_of_word, filter(None, _SEPARATORS.split(_LABEL.sub("", " ".join(words))))))


def _bytes_of_word(word: str) -> bytes:
    """One byte or more. A single digit is a byte only after 0x: elsewhere the other one was lost in copying."""
    digits = word[2:] if word[:2] in ("0x", "0X") else word
    if wrong := re.search(r"[^0-9a-fA-F]", digits):
        raise CommandFailed(f"{wrong[0]!r} is no hexadecimal digit; write bytes as 16 7c 00 or 167c00", Exit.USAGE)
    if len(digits) % 2 and not (len(digits) == 1 and digits != word):
        raise CommandFailed(f"{word!r} makes no whole bytes: a digit is missing", Exit.USAGE)
    return bytes.fromhex(digits.zfill(2) if len(digits) == 1 else digits)


def spaced(data: bytes) -> str:
    """`16 7c 00`."""
    return data.hex(" ")
