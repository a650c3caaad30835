"""Every packet of Contec's protocol V7.0 as a format: found in a stream, and explained byte by byte."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, Final, Protocol, Self, TypeAlias

from device_drivers.format import AnyFormat, Format, Parts, in_words
from device_drivers.oximeters import contec_v7_packets as v7
from device_drivers.oximeters import contec_v7_replies as replies

DOCUMENT: Final = "Contec, Communication protocol of pulse oximeter V7.0 (2010)"
_Said: TypeAlias = "tuple[int, str, object, tuple[str, ...]]"
"""Bytes, name and meaning of a part, and its fields where they are not of its name."""


class _Packet(Protocol):
    @classmethod
    def from_bytes(cls, data: bytes) -> Self: ...

    def __bytes__(self) -> bytes: ...


def _part(size: int, name: str, meaning: object, *fields: str) -> _Said:
    return size, name, meaning, fields


def _number(number: int | Decimal | None, unit: str, marker: str) -> str:
    return f"none ({marker})" if number is None else f"{number} {unit}"


def _live(packet: v7.LivePacket) -> Iterable[_Said]:
    first = (
        ("searched too long", packet.search_too_long),
        ("low SpO2", packet.low_spo2),
        ("beep", packet.beep),
        ("probe error, finger out", packet.probe_error),
    )
    names = ("signal_strength", "search_too_long", "low_spo2", "beep", "probe_error")
    yield _part(1, "status", f"{in_words(first)}; signal strength {packet.signal_strength}", *names)
    searching = "; searching for a pulse" if packet.searching else ""
    yield _part(1, "waveform", f"{packet.waveform}{searching}", "waveform", "searching")
    valid = "valid" if packet.pi_valid else "not valid"
    yield _part(1, "bargraph", f"{packet.bargraph}; perfusion index {valid}", "bargraph", "pi_valid")
    yield _part(1, "pulse_rate", _number(packet.pulse_rate, "/min", "255"))
    yield _part(1, "spo2", _number(packet.spo2, "%", "127"))
    yield _part(2, "perfusion_index", _number(packet.perfusion_index, "%", "65535, or not valid"))


def _command(packet: v7.HostCommand) -> Iterable[_Said]:
    yield _part(1, "command", packet.command.name.lower().replace("_", " "))
    yield _part(6, "arguments", " ".join(map(str, packet.arguments)))


def _device_id(packet: replies.DeviceId) -> Iterable[_Said]:
    yield _part(7, "identity", ascii(packet.identity))


def _of_user(packet: Any, *, segment: bool = True) -> Iterable[_Said]:  # noqa: ANN401 - any packet with these fields
    yield _part(1, "user", f"user {packet.user}")
    if segment:
        yield _part(1, "segment", f"segment {packet.segment}")


def _user(packet: replies.User) -> Iterable[_Said]:
    yield from _of_user(packet, segment=False)
    yield _part(6, "name", ascii(packet.name))


def _start_date(packet: replies.StartDate) -> Iterable[_Said]:
    yield from _of_user(packet)
    yield _part(2, "year", packet.year)
    yield _part(1, "month", packet.month)
    yield _part(1, "day", packet.day)


def _start_time(packet: replies.StartTime) -> Iterable[_Said]:
    yield from _of_user(packet)
    yield _part(1, "hour", packet.hour)
    yield _part(1, "minute", packet.minute)
    yield _part(1, "second", packet.second)
    yield _part(1, "invalid", "says nothing")


def _length(packet: replies.StoredLength) -> Iterable[_Said]:
    yield from _of_user(packet)
    yield _part(4, "length_bytes", f"{packet.length_bytes} bytes, two a second, or four with a perfusion index")


def _sample(sample: replies.Sample, name: str, field: str) -> _Said:
    spo2, pulse = _number(sample.spo2, "%", "127"), _number(sample.pulse_rate, "/min", "255")
    return _part(2, name, f"SpO2 {spo2}, pulse {pulse}", field)


def _stored(packet: replies.Stored) -> Iterable[_Said]:
    for place, sample in enumerate(packet.samples):
        yield _sample(sample, f"sample {place}", "samples")


def _stored_with_perfusion(packet: replies.StoredWithPerfusion) -> Iterable[_Said]:
    yield _part(1, "spo2", _number(packet.spo2, "%", "127"))
    yield _part(1, "pulse_rate", _number(packet.pulse_rate, "/min", "255"))
    yield _part(2, "perfusion_index", _number(packet.perfusion_index, "%", "65535"))


def _segments(packet: replies.Segments) -> Iterable[_Said]:
    yield from _of_user(packet, segment=False)
    yield _part(1, "segments", f"{packet.segments} recordings")


def _reason(reason: int) -> str:
    return (replies.fault(reason) or "done").replace("_", " ")


def _feedback(packet: replies.Feedback) -> Iterable[_Said]:
    known = {command.value: command.name.lower().replace("_", " ") for command in v7.ControlCommand}
    yield _part(1, "command", known.get(packet.command, f"0x{packet.command:02x}, none of ours"))
    yield _part(1, "reason", _reason(packet.reason))


def _free(packet: replies.Free) -> Iterable[_Said]:
    return ()


def _disconnect(packet: replies.Disconnect) -> Iterable[_Said]:
    yield _part(1, "reason", _reason(packet.reason))


def _perfusion_flag(packet: replies.PerfusionFlag) -> Iterable[_Said]:
    words = "has a perfusion index" if packet.supported else "has no perfusion index"
    yield _part(1, "identifier", f"live data {words} ({packet.identifier})")


def _users(packet: replies.Users) -> Iterable[_Said]:
    yield _part(1, "users", packet.users)


def _notice(packet: replies.Notice) -> Iterable[_Said]:
    stored = {True: "something is recorded", False: "nothing is recorded", None: "not documented"}
    yield _part(1, "kind", "whether anything is recorded" if packet.kind == 1 else f"kind {packet.kind}")
    yield _part(6, "information", stored[packet.has_stored])


def _data_id(packet: replies.DataId) -> Iterable[_Said]:
    words = {0xA1: "with a perfusion index", 0xA0: "without a perfusion index"}
    yield from _of_user(packet)
    yield _part(1, "identifier", words.get(packet.identifier, f"0x{packet.identifier:02x}, not documented"))
    yield _part(4, "reserved", "says nothing")


def _describe(data: bytes, message: type[_Packet], title: str, say: Callable[[Any], Iterable[_Said]]) -> Parts:
    packet, parts = message.from_bytes(data), Parts(data)
    parts.add(1, "type", f"0x{data[0]:02x}: {title}")
    parts.add(1, "high bits", f"bit 7 of the bytes that follow, the last first: {data[1] & 0x7F:07b}")
    for size, name, meaning, fields in say(packet):
        parts.add(size, name, meaning, *fields)
    parts.rest()
    return parts


def _format(
    key: str, kind: int, title: str, message: type[_Packet], say: Callable[[Any], Iterable[_Said]]
) -> AnyFormat:
    return Format(
        key=key,
        title=f"Contec V7.0 (115200 baud), {title}",
        source=f"{DOCUMENT}, table 2, type 0x{kind:02X}",
        message=message,
        decode=message.from_bytes,
        encode=bytes,
        describe=lambda data: _describe(data, message, title, say),
        measure=v7.measure_kind(kind, v7.PACKET_LENGTHS.get(kind, v7.CONTROL_LENGTH)),
    )


FORMATS: Final[tuple[AnyFormat, ...]] = (
    _format("cms50-9byte", v7.LIVE, "live data", v7.LivePacket, _live),
    _format("cms50-v7-cmd", v7.CONTROL, "command of the host", v7.HostCommand, _command),
    _format("cms50-v7-id", v7.DEVICE_ID, "device id", replies.DeviceId, _device_id),
    _format("cms50-v7-user", v7.USER, "user", replies.User, _user),
    _format("cms50-v7-users", v7.USERS, "number of users", replies.Users, _users),
    _format("cms50-v7-pi", v7.PERFUSION_FLAG, "perfusion index flag", replies.PerfusionFlag, _perfusion_flag),
    _format("cms50-v7-notice", v7.NOTICE, "notice of the device", replies.Notice, _notice),
    _format("cms50-v7-segments", v7.SEGMENTS, "number of recordings", replies.Segments, _segments),
    _format("cms50-v7-data-id", v7.DATA_ID, "kind of a recording", replies.DataId, _data_id),
    _format("cms50-v7-length", v7.STORED_LENGTH, "length of a recording", replies.StoredLength, _length),
    _format("cms50-v7-start-date", v7.START_DATE, "start of a recording, date", replies.StartDate, _start_date),
    _format("cms50-v7-start-time", v7.START_TIME, "start of a recording, time", replies.StartTime, _start_time),
    _format("cms50-v7-stored", v7.STORED, "three stored samples", replies.Stored, _stored),
    _format(
        "cms50-v7-stored-pi",
        v7.STORED_WITH_PERFUSION,
        "stored sample with a perfusion index",
        replies.StoredWithPerfusion,
        _stored_with_perfusion,
    ),
    _format("cms50-v7-feedback", v7.FEEDBACK, "feedback to a command", replies.Feedback, _feedback),
    _format("cms50-v7-free", v7.FREE, "free", replies.Free, _free),
    _format("cms50-v7-disconnect", v7.DISCONNECT, "disconnection", replies.Disconnect, _disconnect),
)
