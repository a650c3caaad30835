"""A recorded stream, and a Bluetooth capture, as JSON Lines: what was said, where, and what was none of it."""

from collections.abc import Iterable, Iterator
from typing import Final

from device_drivers.captures import att, btsnoop
from device_drivers.errors import Undecodable
from device_drivers.fields import Json
from device_drivers.format import AnyFormat
from device_drivers.framing import BUFFER_LIMIT, Discarded, Frame, FrameReader, Measure
from device_drivers.uuids import short

Line = dict[str, Json]
_AT_ONCE: Final = BUFFER_LIMIT // 2


def decoded(entry: AnyFormat, data: bytes) -> Line:
    """The fields of one frame; `{"reject": reason}` where it is none."""
    try:
        return entry.fields(entry.decode(data))
    except Undecodable as refusal:
        return {"reject": refusal.reason}


def frames(entry: AnyFormat, data: bytes) -> list[bytes]:
    """What of a value is a frame each; of a format that comes as whole values, or of bytes that are one, all of it."""
    if entry.measure is None:
        return [data]
    found, at, buffer = [], 0, bytearray(data)
    while at < len(buffer) and (length := entry.measure(buffer, at)):
        found.append(data[at : at + length])
        at += length
    return [*found[:-1], found[-1] + data[at:]] if found else [data]


def of_stream(entry: AnyFormat, measure: Measure, blocks: Iterable[bytes]) -> Iterator[Line]:
    """A line for each frame, with its `offset` in the stream, and one for each stretch of bytes that is no frame."""
    reader, offset = FrameReader(measure), 0
    taken = 0
    for block in (whole[at : at + _AT_ONCE] for whole in blocks for at in range(0, len(whole), _AT_ONCE)):
        reader.receive_data(block)
        taken += len(block)
        for event in reader.events():
            line, length = _line(entry, event)
            yield {"offset": offset, **line}
            offset += length
    if offset < taken:
        yield {"offset": offset, "discarded": taken - offset}


def _line(entry: AnyFormat, event: Frame | Discarded) -> tuple[Line, int]:
    if isinstance(event, Discarded):
        return {"discarded": event.count}, event.count
    return decoded(entry, event.data), len(event.data)


def of_capture(entries: Iterable[AnyFormat], blocks: Iterable[bytes], *, only: AnyFormat | None) -> Iterator[Line]:
    """A line for each value that was said: decoded where a format has its characteristic, else as bytes. With `only`, its characteristic's
    alone, or where that isn't always the same every value that it decodes."""
    known: dict[str | None, AnyFormat] = {entry.carried_by: entry for entry in entries if entry.carried_by}
    streams: dict[tuple[int, int], FrameReader] = {}
    for value in att.values(btsnoop.packets(blocks)):
        entry = only or known.get(value.characteristic)
        if only is not None and only.carried_by not in (None, value.characteristic):
            continue
        if entry is None:
            yield {**_said(value), "hex": value.data.hex()}
        elif entry.measure is None or not value.received:
            yield from _whole(value, entry, sure=entry.carried_by is not None)
        else:
            reader = streams.setdefault((value.link, value.handle), FrameReader(entry.measure))
            yield from _cut(value, entry, reader)


def _whole(value: att.CapturedValue, entry: AnyFormat, *, sure: bool) -> Iterator[Line]:
    """One value, one message. Where only the value can tell that it is of this format, others are left out."""
    line = decoded(entry, value.data)
    if sure or "reject" not in line:
        yield {**_said(value), "protocol": entry.key, **line}


def _cut(value: att.CapturedValue, entry: AnyFormat, reader: FrameReader) -> Iterator[Line]:
    """Messages that are cut anywhere: those which this value completes."""
    reader.receive_data(value.data)
    for event in reader.events():
        if isinstance(event, Frame):
            yield {**_said(value), "protocol": entry.key, **decoded(entry, event.data)}
        elif entry.carried_by is not None:
            yield {**_said(value), "protocol": entry.key, "discarded": event.count}


def _said(value: att.CapturedValue) -> Line:
    name = None if value.characteristic is None else short(value.characteristic)
    return {
        "at": value.at.isoformat(),
        "connection": value.connection,
        "from": "device" if value.received else "host",
        "how": value.how.name.lower(),
        "handle": value.handle,
        "characteristic": name,
    }
