"""What a format is: one kind of frame or value, decoded, encoded, found in a stream, and explained byte by byte."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import IntFlag
from typing import Any, Final, Generic, TypeVar

from device_drivers.errors import Undecodable
from device_drivers.fields import Json, fields_of, message_from
from device_drivers.framing import Measure
from device_drivers.uuids import sig

M = TypeVar("M")
_ASSIGNED: Final = re.compile(r"2[AB][0-9A-F]{2}")


def in_words(said: Iterable[tuple[str, bool]], *, none: str = "nothing to remark") -> str:
    """The names of what holds."""
    return ", ".join(name for name, holds in said if holds) or none


def bits_in_words(value: int, words: type[IntFlag], *, none: str = "none") -> str:
    """The names of the bits that are set, as words; reserved ones by their number."""
    known = {bit.value: (bit.name or "").lower().replace("_", " ") for bit in words}
    bits = [place for place in range(value.bit_length()) if value >> place & 1]
    return ", ".join(known.get(1 << place, f"reserved bit {place}") for place in bits) or none


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Bytes that belong together. `meaning` is what they say here; `fields` are the decoded fields that come from them."""

    offset: int
    data: bytes
    name: str
    meaning: str
    fields: tuple[str, ...] = ()


class Parts(list[Part]):
    """The parts of `data` in wire order: `add` takes bytes from the front, `rest` all that are left, so nothing is left unsaid."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._data = data
        self._at = 0

    def add(self, size: int, name: str, meaning: object, *fields: str) -> None:
        """The next `size` bytes, or as many as there are. A field of the part's own name need not be said."""
        taken = self._data[self._at : self._at + size]
        if taken:
            self.append(Part(offset=self._at, data=taken, name=name, meaning=str(meaning), fields=fields or (name,)))
            self._at += len(taken)

    def rest(self, name: str = "trailing", meaning: object = "not of this format; ignored", *fields: str) -> None:
        """All bytes that are left; nothing where there are none."""
        self.add(len(self._data) - self._at, name, meaning, *fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Format(Generic[M]):
    """One entry of section F of the wire formats.

    `decode` raises Undecodable for anything that is no such frame and nothing else; bytes after a frame are ignored. `encode` is its inverse and raises
    ValueError for what the format can't say. `describe` is for bytes that `decode` takes. `measure` finds frames in a stream; None for
    a format that comes as whole values. `characteristic` is the one that carries it over Bluetooth, where it is always the same. `fields` and `from_fields` are for messages whose JSON form `device_drivers.fields` doesn't give.
    `source` is standard or document, and section.
    """

    key: str
    title: str
    source: str
    message: type[M]
    decode: Callable[[bytes], M]
    encode: Callable[[M], bytes]
    describe: Callable[[bytes], Parts]
    measure: Measure | None = None
    characteristic: str | None = None
    fields: Callable[[M], dict[str, Json]] = fields_of
    from_fields: Callable[[Mapping[str, Json]], M] | None = None
    unverified: tuple[str, ...] = ()

    @property
    def carried_by(self) -> str | None:
        """The full UUID of the characteristic that carries it; None where it isn't always the same. A SIG format's key is its number."""
        return sig(int(self.key, 16)) if _ASSIGNED.fullmatch(self.key) else self.characteristic

    def encoded(self, message: M) -> bytes:
        """The bytes that say exactly this message. Raises ValueError where there are none: a number may be too large for its bits."""
        data = self.encode(message)
        try:
            said = self.decode(data)
        except Undecodable as refusal:
            raise ValueError(f"no such frame is read again: {refusal.reason}") from refusal
        if said != message:
            wanted, got = self.fields(message), self.fields(said)
            wrong = next((name for name in wanted if wanted[name] != got.get(name)), "a field")
            raise ValueError(f"{wrong}: {wanted.get(wrong)!r} can't be said; it would be read as {got.get(wrong)!r}")
        return data

    def message_from(self, fields: Mapping[str, Json]) -> M:
        """The message that these fields say. Raises ValueError, which names the field."""
        return self.from_fields(fields) if self.from_fields else message_from(self.message, fields)


AnyFormat = Format[Any]
TEXT_LIMIT: Final = 256
"""Bytes of a line of an ASCII protocol; a longer one is no line."""
