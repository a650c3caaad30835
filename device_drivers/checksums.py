"""The check bytes that device protocols use."""

from functools import reduce
from operator import xor
from typing import Final


def sum8(data: bytes) -> int:
    """All bytes added, mod 256."""
    return sum(data) & 0xFF


def twos_complement8(data: bytes) -> int:
    """What makes the sum of all bytes 0 mod 256."""
    return -sum(data) & 0xFF


def xor8(data: bytes) -> int:
    """All bytes in exclusive or."""
    return reduce(xor, data, 0)


def _table(polynomial: int, *, reflected: bool) -> bytes:
    return bytes(_reflected(byte, polynomial) if reflected else _straight(byte, polynomial) for byte in range(256))


def _straight(byte: int, polynomial: int) -> int:
    for _ in range(8):
        byte = (byte << 1) ^ (polynomial if byte & 0x80 else 0)
    return byte & 0xFF


def _reflected(byte: int, polynomial: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ (polynomial if byte & 1 else 0)
    return byte


_CRC8: Final = _table(0x07, reflected=False)
_MAXIM: Final = _table(0x8C, reflected=True)  # 0x31 with its bits in reverse


def crc8(data: bytes) -> int:
    """CRC-8: polynomial 0x07, initial value 0, not reflected."""
    return reduce(lambda crc, byte: _CRC8[crc ^ byte], data, 0)


def crc8_maxim(data: bytes) -> int:
    """CRC-8/MAXIM-DOW (1-Wire): polynomial 0x31 reflected, initial value 0."""
    return reduce(lambda crc, byte: _MAXIM[crc ^ byte], data, 0)
