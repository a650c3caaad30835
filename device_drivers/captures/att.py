"""The Attribute Protocol in captured packets: which characteristic's value was said, by whom.

Source: Bluetooth Core 5.4, volume 3, part A, 3.1 (L2CAP) and part F, 3.4 (ATT). A handle's characteristic is known once its discovery was
seen; a capture that begins later has values of unknown characteristics.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, unique
from typing import Final

from device_drivers.captures.btsnoop import AclPacket
from device_drivers.uuids import sig

_ATT_CHANNEL: Final = 0x0004
_CHARACTERISTIC: Final = 0x2803
_HANDLE_BITS: Final = 0x0FFF
_CONTINUES: Final = 0b01
_SHORT_UUID: Final = 2
_DECLARATION: Final = 5
"""Handle of the declaration, properties and handle of the value, before the UUID."""
LONGEST_PDU: Final = 65_535
MOST_CONNECTIONS: Final = 64


@unique
class Said(IntEnum):
    """How a value was said: the ATT opcode."""

    READ = 0x0B
    READ_BLOB = 0x0D
    WRITE_REQUEST = 0x12
    NOTIFICATION = 0x1B
    INDICATION = 0x1D
    WRITE_COMMAND = 0x52


_READ_BY_TYPE_REQUEST, _READ_BY_TYPE_RESPONSE = 0x08, 0x09
_READ_REQUEST, _READ_BLOB_REQUEST = 0x0A, 0x0C
_WITH_HANDLE: Final = {Said.WRITE_REQUEST, Said.NOTIFICATION, Said.INDICATION, Said.WRITE_COMMAND}


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturedValue:
    """A characteristic's value. `characteristic` is its full UUID, None where its discovery was not captured."""

    at: datetime
    connection: int
    received: bool
    how: Said
    handle: int
    characteristic: str | None
    data: bytes


@dataclass(slots=True)
class _Connection:
    characteristics: dict[int, str] = field(default_factory=dict)
    asked_type: int | None = None
    read_handle: int = 0
    partial: dict[bool, bytearray] = field(default_factory=dict)


def values(packets: Iterable[AclPacket]) -> Iterator[CapturedValue]:
    """Every value that was read, written, notified or indicated. What can't be made out is passed over: a capture may begin anywhere."""
    connections: dict[int, _Connection] = {}
    for packet in packets:
        if len(packet.data) < 4:
            continue
        head = int.from_bytes(packet.data[:2], "little")
        number = head & _HANDLE_BITS
        if number not in connections and len(connections) >= MOST_CONNECTIONS:
            connections.pop(next(iter(connections)))
        connection = connections.setdefault(number, _Connection())
        if pdu := _pdu(connection, packet, continues=head >> 12 & 0b11 == _CONTINUES):
            yield from _value(connection, number, packet, pdu)


def _pdu(connection: _Connection, packet: AclPacket, *, continues: bool) -> bytes | None:
    """The ATT PDU that this packet completes (L2CAP frames may be cut into several ACL packets)."""
    partial = connection.partial.setdefault(packet.received, bytearray())
    if not continues:
        partial.clear()
    elif not partial:
        return None
    partial += packet.data[4:]
    if len(partial) > LONGEST_PDU:
        partial.clear()
    if len(partial) < 4:
        return None
    length, channel = int.from_bytes(partial[:2], "little"), int.from_bytes(partial[2:4], "little")
    if len(partial) < 4 + length:
        return None
    pdu = bytes(partial[4 : 4 + length])
    partial.clear()
    return pdu if channel == _ATT_CHANNEL else None


def _value(connection: _Connection, number: int, packet: AclPacket, pdu: bytes) -> Iterator[CapturedValue]:
    opcode, rest = pdu[0], pdu[1:]
    handle = int.from_bytes(rest[:2], "little")
    match opcode:
        case _ if opcode == _READ_BY_TYPE_REQUEST:
            connection.asked_type = int.from_bytes(rest[4:], "little") if len(rest) == 4 + _SHORT_UUID else None
        case _ if opcode == _READ_BY_TYPE_RESPONSE:
            _discovered(connection, rest)
        case _ if opcode in (_READ_REQUEST, _READ_BLOB_REQUEST):
            connection.read_handle = handle
        case Said.READ | Said.READ_BLOB:
            yield _captured(connection, number, packet, Said(opcode), connection.read_handle, rest)
        case _ if opcode in _WITH_HANDLE and len(rest) >= 2:
            yield _captured(connection, number, packet, Said(opcode), handle, rest[2:])


def _discovered(connection: _Connection, rest: bytes) -> None:
    """Note the characteristics that a response declares."""
    if connection.asked_type != _CHARACTERISTIC or not rest or rest[0] <= _DECLARATION:
        return
    size = rest[0]
    for at in range(1, len(rest) - size + 1, size):
        entry = rest[at : at + size]
        connection.characteristics[int.from_bytes(entry[3:5], "little")] = _uuid(entry[_DECLARATION:])


def _uuid(little: bytes) -> str:
    if len(little) == _SHORT_UUID:
        return sig(int.from_bytes(little, "little"))
    digits = little[::-1].hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _captured(
    connection: _Connection, number: int, packet: AclPacket, how: Said, handle: int, data: bytes
) -> CapturedValue:
    return CapturedValue(
        at=packet.at,
        connection=number,
        received=packet.received,
        how=how,
        handle=handle,
        characteristic=connection.characteristics.get(handle),
        data=data,
    )
