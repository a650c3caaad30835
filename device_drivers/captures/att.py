"""The Attribute Protocol in captured packets: which characteristic's value was said, by whom.

Source: Bluetooth Core 5.4, volume 3, part A, 3.1 (L2CAP) and part F, 3.4 (ATT). A handle's characteristic is known once its discovery was
seen; a capture that begins later has values of unknown characteristics. A host that knows a device does not discover it again: what an
address has is remembered. Host and device may both have characteristics, whose handles say nothing of each other.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, unique
from typing import Any, Final

from device_drivers.captures.btsnoop import AclPacket, LinkChanged
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
"""That are remembered, and of devices as many."""


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
_TO_SERVER: Final = {
    _READ_BY_TYPE_REQUEST,
    _READ_REQUEST,
    _READ_BLOB_REQUEST,
    Said.WRITE_REQUEST,
    Said.WRITE_COMMAND,
}
"""What is said to whom the characteristics belong; the others are said by it."""
_WITH_HANDLE: Final = {Said.WRITE_REQUEST, Said.NOTIFICATION, Said.INDICATION, Said.WRITE_COMMAND}


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturedValue:
    """A characteristic's value. `characteristic` is its full UUID, None where its discovery was not captured. A long one that is read in pieces
    comes as far as it has been read. `link` counts connections; their handles, `connection`, are used again."""

    at: datetime
    link: int
    connection: int
    received: bool
    how: Said
    handle: int
    characteristic: str | None
    data: bytes


@dataclass(slots=True)
class _Server:
    """One side's characteristics by the handle of their value, what of them was asked for last, and how much of it was read."""

    characteristics: dict[int, str] = field(default_factory=dict)
    asked_type: int | None = None
    read_handle: int = 0
    read_offset: int = 0
    read: bytes = b""


@dataclass(slots=True)
class _Connection:
    link: int
    number: int
    device: _Server = field(default_factory=_Server)
    host: _Server = field(default_factory=_Server)
    partial: dict[bool, bytearray] = field(default_factory=dict)


class _Links:
    """The connections that stand, by handle, and the devices that were seen, by address."""

    def __init__(self) -> None:
        self._count = 0
        self._connections: dict[int, _Connection] = {}
        self._devices: dict[bytes, _Server] = {}

    def changed(self, change: LinkChanged) -> None:
        self._connections.pop(change.handle, None)
        if change.peer is not None:
            if change.peer not in self._devices:
                _make_room(self._devices)
            self._begin(change.handle).device = self._devices.setdefault(change.peer, _Server())

    def of(self, number: int) -> _Connection:
        """The connection of this handle; a capture may begin within it."""
        return self._connections.get(number) or self._begin(number)

    def _begin(self, number: int) -> _Connection:
        _make_room(self._connections)
        self._count += 1
        self._connections[number] = begun = _Connection(link=self._count, number=number)
        return begun


def _make_room(table: dict[Any, Any]) -> None:
    if len(table) >= MOST_CONNECTIONS:
        table.pop(next(iter(table)))


def values(packets: Iterable[AclPacket | LinkChanged]) -> Iterator[CapturedValue]:
    """Every value that was read, written, notified or indicated. What can't be made out is passed over: a capture may begin anywhere."""
    links = _Links()
    for packet in packets:
        if isinstance(packet, LinkChanged):
            links.changed(packet)
        elif len(packet.data) >= 4:
            head = int.from_bytes(packet.data[:2], "little")
            connection = links.of(head & _HANDLE_BITS)
            if pdu := _pdu(connection, packet, continues=head >> 12 & 0b11 == _CONTINUES):
                yield from _value(connection, packet, pdu)


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


def _value(connection: _Connection, packet: AclPacket, pdu: bytes) -> Iterator[CapturedValue]:
    opcode, rest = pdu[0], pdu[1:]
    server = connection.device if packet.received is not (opcode in _TO_SERVER) else connection.host
    handle = int.from_bytes(rest[:2], "little")
    match opcode:
        case _ if opcode == _READ_BY_TYPE_REQUEST:
            server.asked_type = int.from_bytes(rest[4:], "little") if len(rest) == 4 + _SHORT_UUID else None
        case _ if opcode == _READ_BY_TYPE_RESPONSE:
            _discovered(server, rest)
        case _ if opcode in (_READ_REQUEST, _READ_BLOB_REQUEST):
            _asked(server, handle, offset=int.from_bytes(rest[2:4], "little"))
        case Said.READ | Said.READ_BLOB:
            if (read := _read(server, rest)) is not None:
                yield _captured(connection, server, packet, Said(opcode), server.read_handle, read)
        case _ if opcode in _WITH_HANDLE and len(rest) >= 2:
            yield _captured(connection, server, packet, Said(opcode), handle, rest[2:])


def _asked(server: _Server, handle: int, *, offset: int) -> None:
    if handle != server.read_handle or offset == 0:
        server.read = b""
    server.read_handle, server.read_offset = handle, offset


def _read(server: _Server, piece: bytes) -> bytes | None:
    """The value as far as it was read; None where its beginning is missing, or nothing is new."""
    if server.read_offset > len(server.read) or (server.read_offset and not piece):
        return None
    server.read = server.read[: server.read_offset] + piece
    return server.read


def _discovered(server: _Server, rest: bytes) -> None:
    """Note the characteristics that a response declares."""
    if server.asked_type != _CHARACTERISTIC or not rest or rest[0] <= _DECLARATION:
        return
    size = rest[0]
    for at in range(1, len(rest) - size + 1, size):
        entry = rest[at : at + size]
        server.characteristics[int.from_bytes(entry[3:5], "little")] = _uuid(entry[_DECLARATION:])


def _uuid(little: bytes) -> str:
    if len(little) == _SHORT_UUID:
        return sig(int.from_bytes(little, "little"))
    digits = little[::-1].hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _captured(
    connection: _Connection, server: _Server, packet: AclPacket, how: Said, handle: int, data: bytes
) -> CapturedValue:
    return CapturedValue(
        at=packet.at,
        link=connection.link,
        connection=connection.number,
        received=packet.received,
        how=how,
        handle=handle,
        characteristic=server.characteristics.get(handle),
        data=data,
    )
