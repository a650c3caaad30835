"""Damage to what a device says, for testers: the next bytes of a line, or one more indication."""

from enum import StrEnum, unique
from random import Random
from typing import Final

GARBAGE_BYTES: Final = 64
OVERSIZED_BYTES: Final = 8192


@unique
class Fault(StrEnum):
    GARBAGE = "garbage"
    """Noise before what is said."""
    TRUNCATED = "truncated"
    """It breaks off before the middle."""
    OVERSIZED = "oversized"
    """Far more than a device ever says at once follows."""
    MID_FRAME = "mid_frame"
    """The first bytes are missing."""


def spoiled(data: bytes, fault: Fault, random: Random) -> bytes:
    """`data` with a fault."""
    match fault:
        case Fault.GARBAGE:
            return random.randbytes(GARBAGE_BYTES) + data
        case Fault.TRUNCATED:
            return data[: len(data) // 2 - 1]
        case Fault.OVERSIZED:
            return data + random.randbytes(OVERSIZED_BYTES)
        case Fault.MID_FRAME:
            return data[3:]
