"""Writing numbers as a device holds them, with the one error that encoders promise."""

import struct
from decimal import Decimal


def pack(layout: struct.Struct, *values: int | float | bytes) -> bytes:
    """The fields in `layout`. Raises ValueError for a value that its field can't hold."""
    try:
        return layout.pack(*values)
    except (struct.error, OverflowError) as error:
        raise ValueError(f"a number has no room: {error}") from error


def steps(name: str, number: Decimal, step: Decimal) -> int:
    """How many `step`s `number` is. Raises ValueError, which names it, where that is no whole number."""
    count = number / step if number.is_finite() else None
    if count is None or count != count.to_integral_value():
        raise ValueError(f"{name}: {number} is not in steps of {step}")
    return int(count)


def of_length(data: bytes, length: int) -> bytes:
    """`data`. Raises ValueError where it is longer or shorter."""
    if len(data) != length:
        raise ValueError(f"{length} bytes are needed, not {len(data)}")
    return data


def text(words: str, length: int) -> bytes:
    """ASCII, filled up with zeros. Raises ValueError for what is longer, and for other than ASCII."""
    return of_length(words.encode("ascii").ljust(length, b"\0"), length)
