"""Bytes as people type and paste them."""

import re
from collections.abc import Sequence
from typing import Final

from bedside.exits import CommandFailed, Exit

_SEPARATORS: Final = re.compile(r"0[xX]|[\s:,;-]+")


def bytes_of(words: Sequence[str]) -> bytes:
    """The bytes of hexadecimal text: `16 7c 00`, `167C00`, `16:7C:00`, `16-7C-00`, `0x16, 0x7c`. Raises CommandFailed, which says what is wrong."""
    digits = _SEPARATORS.sub(" ", " ".join(words)).split()
    for word in digits:
        if wrong := re.search(r"[^0-9a-fA-F]", word):
            raise CommandFailed(f"{wrong[0]!r} is no hexadecimal digit; write bytes as 16 7c 00 or 167c00", Exit.USAGE)
    whole = "".join(word.zfill(2) if len(word) == 1 else word for word in digits)
    if len(whole) % 2:
        raise CommandFailed(f"{len(whole)} hexadecimal digits make no whole bytes: one is missing", Exit.USAGE)
    return bytes.fromhex(whole)


def spaced(data: bytes) -> str:
    """`16 7c 00`."""
    return data.hex(" ")
