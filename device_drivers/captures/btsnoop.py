"""The btsnoop file format: HCI packets of a Bluetooth host, as Android's "HCI snoop log" and Linux' btmon write them.

Source: RFC 1761 (snoop), with the version, datalink types and time base of btsnoop (BlueZ `doc/btsnoop.txt`; Wireshark `wiretap/btsnoop.c`).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from device_drivers.errors import Malformed

_MAGIC: Final = b"btsnoop\0"
_HEADER: Final = 16
_RECORD: Final = 24
_VERSION: Final = 1
_UNENCAPSULATED, _H4, _MONITOR = 1001, 1002, 2001
_EPOCH_MICROSECONDS: Final = 0x00DCDDB30F2F8000
"""Midnight of 1970-01-01, counted from year 0 as btsnoop does."""
_UNIX: Final = datetime(1970, 1, 1, tzinfo=UTC)
LONGEST_PACKET: Final = 65_536
_H4_ACL, _H4_EVENT = 0x02, 0x04
_MONITOR_EVENT, _MONITOR_ACL_SENT, _MONITOR_ACL_RECEIVED = 3, 4, 5
_DISCONNECTED, _LE_META = 0x05, 0x3E
_LE_CONNECTED: Final = frozenset({0x01, 0x0A, 0x29})
"""LE Connection Complete and both forms of the enhanced one, which begin alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AclPacket:
    """One ACL data packet (Bluetooth Core, volume 4, part E, 5.4.2). `received`: from the device. `data` begins with the connection handle."""

    at: datetime
    received: bool
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkChanged:
    """An LE connection came about, or a connection ended (`peer` None): from here on its handle is another's (Core, volume 4, part E, 7.7.5 and 7.7.65)."""

    handle: int
    peer: bytes | None


def packets(blocks: Iterable[bytes]) -> Iterator[AclPacket | LinkChanged]:
    """The ACL packets of a file that comes in blocks, and where their handles change hands. A file that ends within a record ends there. Raises Malformed for what is no btsnoop file."""
    buffer = bytearray()
    datalink = None
    for block in blocks:
        buffer += block
        if datalink is None and len(buffer) >= _HEADER:
            datalink = _datalink(bytes(buffer[:_HEADER]))
            del buffer[:_HEADER]
        if datalink is not None:
            yield from _records(buffer, datalink)
    if datalink is None:
        raise Malformed("no_btsnoop_file")


def _datalink(header: bytes) -> int:
    version, datalink = int.from_bytes(header[8:12], "big"), int.from_bytes(header[12:16], "big")
    if header[:8] != _MAGIC or version != _VERSION:
        raise Malformed("no_btsnoop_file")
    if datalink not in (_UNENCAPSULATED, _H4, _MONITOR):
        raise Malformed("unknown_datalink")
    return datalink


def _records(buffer: bytearray, datalink: int) -> Iterator[AclPacket | LinkChanged]:
    """Take whole records from the front of the buffer."""
    at = 0
    while len(buffer) - at >= _RECORD:
        length = int.from_bytes(buffer[at + 4 : at + 8], "big")
        if length > LONGEST_PACKET:
            raise Malformed("oversized_record")
        if len(buffer) - at < _RECORD + length:
            break
        head, packet = bytes(buffer[at : at + _RECORD]), bytes(buffer[at + _RECORD : at + _RECORD + length])
        at += _RECORD + length
        if found := _found(head, packet, datalink):
            yield found
    del buffer[:at]


def _found(head: bytes, packet: bytes, datalink: int) -> AclPacket | LinkChanged | None:
    flags = int.from_bytes(head[8:12], "big")
    if datalink == _MONITOR:
        kind = {_MONITOR_EVENT: _H4_EVENT, _MONITOR_ACL_SENT: _H4_ACL, _MONITOR_ACL_RECEIVED: _H4_ACL}.get(
            flags & 0xFFFF
        )
        received = flags & 0xFFFF == _MONITOR_ACL_RECEIVED
    elif datalink == _H4:
        kind, packet, received = packet[0] if packet else None, packet[1:], bool(flags & 1)
    else:  # without a type: flags tell ACL data from commands, which are sent, and events
        kind, received = (_H4_EVENT if flags & 1 else None) if flags & 2 else _H4_ACL, bool(flags & 1)
    if kind == _H4_ACL:
        return AclPacket(at=_time(int.from_bytes(head[16:24], "big")), received=received, data=packet)
    return _link_changed(packet) if kind == _H4_EVENT else None


def _link_changed(event: bytes) -> LinkChanged | None:
    """What an HCI event says of a connection; None for one that failed, and for all others."""
    code, said = event[:1], event[2:]
    if code == bytes((_DISCONNECTED,)) and len(said) >= 3 and said[0] == 0:
        return LinkChanged(handle=int.from_bytes(said[1:3], "little"), peer=None)
    if code == bytes((_LE_META,)) and len(said) >= 12 and said[0] in _LE_CONNECTED and said[1] == 0:
        return LinkChanged(handle=int.from_bytes(said[2:4], "little"), peer=said[5:12])
    return None


def _time(microseconds: int) -> datetime:
    try:
        return _UNIX + timedelta(microseconds=microseconds - _EPOCH_MICROSECONDS)
    except OverflowError:
        return _UNIX
