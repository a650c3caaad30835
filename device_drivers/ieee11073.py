"""IEEE 11073-20601 floating-point numbers, exactly: SFLOAT (16 bits) and FLOAT (32 bits).

Both are a two's-complement mantissa times ten to a two's-complement exponent, little-endian on Bluetooth. Numbers are `Decimal`, so
that 36.6 stays 36.6; the five special words are `Special` (IEEE 11073-20601-2014, annex F; Bluetooth GSS, 2.1 medfloat).
"""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum, unique
from typing import Final, TypeAlias


@unique
class Special(StrEnum):
    """Words that are no number. NRes: not at this resolution."""

    NAN = "NaN"
    NRES = "NRes"
    POSITIVE_INFINITY = "+INF"
    NEGATIVE_INFINITY = "-INF"
    RESERVED = "reserved"


Number: TypeAlias = Decimal | Special
KNOWN_WORDS: Final = 4096
"""So many words of each format are kept decoded (some 100 bytes each); what is met later is computed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Format:
    exponent_bits: int
    mantissa_bits: int
    specials: dict[int, Special]
    known: dict[int, Number] = field(default_factory=dict)
    """Words that have been decoded, at most `KNOWN_WORDS`: a device repeats itself, and a look is faster than arithmetic."""

    @property
    def size(self) -> int:
        return (self.exponent_bits + self.mantissa_bits) // 8

    def decode(self, data: bytes) -> Number:
        """The number of exactly `size` bytes."""
        return self.number(int.from_bytes(data, "little"))

    def number(self, word: int) -> Number:
        """The number of a word."""
        known = self.known.get(word)
        return self._learn(word) if known is None else known

    def _learn(self, word: int) -> Number:
        number: Number | None = self.specials.get(word)
        if number is None:
            mantissa = _signed(word & ((1 << self.mantissa_bits) - 1), self.mantissa_bits)
            number = Decimal(mantissa).scaleb(_signed(word >> self.mantissa_bits, self.exponent_bits))
        if len(self.known) < KNOWN_WORDS:
            self.known[word] = number
        return number

    def encode(self, number: Number) -> bytes:
        if isinstance(number, Special):
            word = next(word for word, special in self.specials.items() if special is number)
            return word.to_bytes(self.size, "little")
        mantissa, exponent = self._fitted(number)
        word = (mantissa & ((1 << self.mantissa_bits) - 1)) | (
            exponent & ((1 << self.exponent_bits) - 1)
        ) << self.mantissa_bits
        if word in self.specials:
            raise ValueError(f"{number} has the same word as {self.specials[word]}")
        return word.to_bytes(self.size, "little")

    def _fitted(self, number: Decimal) -> tuple[int, int]:
        """Mantissa and exponent that are exactly `number` and no special word. Raises ValueError where there are none."""
        sign, digits, power = number.as_tuple()
        if not isinstance(power, int):
            raise ValueError(f"{number} is no number; use Special")  # noqa: TRY004 - it is a Decimal all the same
        exponent: int = power
        mantissa = int("".join(map(str, digits))) * (-1 if sign else 1)
        low, high = -(1 << self.exponent_bits - 1), (1 << self.exponent_bits - 1) - 1
        limit = 1 << self.mantissa_bits - 1
        while mantissa and mantissa % 10 == 0 and (exponent < low or not -limit <= mantissa < limit):
            mantissa, exponent = mantissa // 10, exponent + 1
        while mantissa and exponent > high and abs(mantissa) * 10 < limit:
            mantissa, exponent = mantissa * 10, exponent - 1
        if not mantissa:
            exponent = min(max(exponent, low), high)
        if not low <= exponent <= high or not -limit <= mantissa < limit:
            raise ValueError(f"{number} does not fit {self.mantissa_bits} bits of mantissa")
        return mantissa, exponent


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> bits - 1 else value


SFLOAT: Final = _Format(
    exponent_bits=4,
    mantissa_bits=12,
    specials={
        0x07FF: Special.NAN,
        0x0800: Special.NRES,
        0x07FE: Special.POSITIVE_INFINITY,
        0x0802: Special.NEGATIVE_INFINITY,
        0x0801: Special.RESERVED,
    },
)
FLOAT: Final = _Format(
    exponent_bits=8,
    mantissa_bits=24,
    specials={
        0x007FFFFF: Special.NAN,
        0x00800000: Special.NRES,
        0x007FFFFE: Special.POSITIVE_INFINITY,
        0x00800002: Special.NEGATIVE_INFINITY,
        0x00800001: Special.RESERVED,
    },
)
