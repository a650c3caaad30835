"""IEEE 11073-20601 Regulatory Certification Data List, 0x2A2A: which bodies have certified a device, and what they say.

Source: IEEE 11073-20601-2014, RegCertDataList in MDER (big-endian); Device Information Service 1.1, 3.8. What a body's entry means inside is that
body's own; it is kept as bytes.
"""

from dataclasses import dataclass
from struct import Struct
from typing import Final, Self

from device_drivers.driver import Driver
from device_drivers.errors import Malformed, Truncated
from device_drivers.format import AnyFormat, Format, Parts
from device_drivers.packing import pack

_LIST: Final = Struct(">HH")
_ENTRY: Final = Struct(">BBH")
_BODIES: Final = {0: "none", 1: "IEEE", 2: "Continua", 254: "experimental"}
MOST_ENTRIES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Certification:
    """One entry: the body that certified, the type of its entry, and what it says."""

    body: int
    kind: int
    said: bytes

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError."""
        return pack(_ENTRY, self.body, self.kind, len(self.said)) + self.said


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificationList:
    """All entries."""

    certifications: tuple[Certification, ...]

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode a count, a length, and so many entries; what follows is ignored. Raises Truncated, Malformed."""
        if len(data) < _LIST.size:
            raise Truncated(_LIST.size, len(data))
        count, length = _LIST.unpack_from(data)
        if len(data) < _LIST.size + length:
            raise Truncated(_LIST.size + length, len(data))
        if count > MOST_ENTRIES:
            raise Malformed("too_many_entries")
        return cls(certifications=tuple(_entries(data[_LIST.size : _LIST.size + length], count)))

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for more entries than `MOST_ENTRIES`."""
        if len(self.certifications) > MOST_ENTRIES:
            raise ValueError(f"a list has at most {MOST_ENTRIES} entries")
        entries = b"".join(map(bytes, self.certifications))
        return pack(_LIST, len(self.certifications), len(entries)) + entries


def _entries(data: bytes, count: int) -> list[Certification]:
    """Exactly `count` entries that fill `data`. Raises Malformed."""
    found, at = [], 0
    for _ in range(count):
        if len(data) - at < _ENTRY.size:
            raise Malformed("wrong_length")
        body, kind, length = _ENTRY.unpack_from(data, at)
        at += _ENTRY.size
        found.append(Certification(body=body, kind=kind, said=data[at : at + length]))
        at += length
    if at != len(data):
        raise Malformed("wrong_length")
    return found


def _describe(data: bytes) -> Parts:
    value, parts = CertificationList.from_bytes(data), Parts(data)
    parts.add(2, "count", f"{len(value.certifications)} entries follow", "certifications")
    parts.add(2, "length", f"{int.from_bytes(data[2:4], 'big')} bytes of entries")
    for one in value.certifications:
        parts.add(1, "body", _BODIES.get(one.body, f"body {one.body}"))
        parts.add(1, "kind", f"entry of type {one.kind}, as this body numbers them")
        parts.add(2, "size", f"{len(one.said)} bytes")
        parts.add(len(one.said), "said", "this body's own")
    parts.rest()
    return parts


FORMATS: Final[tuple[AnyFormat, ...]] = (
    Format(
        key="2A2A",
        title="IEEE 11073-20601 Regulatory Certification Data List",
        source="IEEE 11073-20601-2014, RegCertDataList; Device Information Service 1.1, 3.8",
        message=CertificationList,
        decode=CertificationList.from_bytes,
        encode=bytes,
        describe=_describe,
    ),
)
DRIVERS: Final[tuple[Driver, ...]] = ()
