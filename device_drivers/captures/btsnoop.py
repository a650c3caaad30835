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
_H4_ACL: Final = 0x02
_MONITOR_ACL_SENT, _MONITOR_ACL_RECEIVED = 4, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class AclPacket:
    """One ACL data packet (Bluetooth Core, volume 4, part E, 5.4.2). `received`: from the device. `data` begins with the connection handle."""

    at: datetime
    received: bool
    data: bytes


def acl_packets(blocks: Iterable[bytes]) -> Iterator[AclPacket]:
    """The ACL packets of a file that comes in blocks. A file that ends within a record ends there. Raises Malformed for what is no btsnoop file."""
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


def _records(buffer: bytearray, datalink: int) -> Iterator[AclPacket]:
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
        if found := _acl(head, packet, datalink):
            yield found
    del buffer[:at]


def _acl(head: bytes, packet: bytes, datalink: int) -> AclPacket | None:
    flags = int.from_bytes(head[8:12], "big")
    received = bool(flags & 1)
    if datalink == _MONITOR:
        opcode = flags & 0xFFFF
        if opcode not in (_MONITOR_ACL_SENT, _MONITOR_ACL_RECEIVED):
            return None
        received = opcode == _MONITOR_ACL_RECEIVED
    elif datalink == _H4:
        if packet[:1] != bytes((_H4_ACL,)):
            return None
        packet = packet[1:]
    elif flags & 2:  # a command or an event
        return None
    return AclPacket(at=_time(int.from_bytes(head[16:24], "big")), received=received, data=packet)


def _time(microseconds: int) -> datetime:
    try:
        return _UNIX + timedelta(microseconds=microseconds - _EPOCH_MICROSECONDS)
    except OverflowError:
        return _UNIX
