"""The stream of data formats 2 and 7: the session that reads it, and the formats that explain it.

A packet counts as a whole: where a byte of it is lost, so are its numbers and its third of a second of the waveform, which then has a gap.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from device_drivers.cadence import Cadence
from device_drivers.fields import Json, fields_of, message_from
from device_drivers.format import AnyFormat, Format, Parts, in_words
from device_drivers.oximeters import nonin
from device_drivers.oximeters.nonin_host import HostSession
from device_drivers.oximeters.nonin_packets import (
    ARTIFACT,
    FRAME_LENGTH,
    FRAMES_PER_PACKET,
    FRAMES_PER_SECOND,
    OUT_OF_TRACK,
    PERFUSION,
    RATES,
    SATURATIONS,
    SENSOR_OFF,
    SREV,
    STAT2,
    TIMER,
    DataFrame,
    Packet,
    Perfusion,
    doubts_of,
    worst_status,
)
from device_drivers.sessions import Command, Deliver, SessionContext
from device_drivers.waveform import Chunks, Scale

DECIDING_FRAMES: Final = (1, STAT2, 9, 20, 21)
"""What is kept of a packet for audit: SYNC, STAT2, SpO2-D, and both halves of HR-D."""
_OF_ONE_PULSE: Final = PERFUSION | ARTIFACT
"""Bits that last for a pulse: what a second's other packets said with them holds for its reading."""
_AGES: Final = tuple(
    timedelta(seconds=(FRAMES_PER_PACKET - 1 - place) / FRAMES_PER_SECOND) for place in range(FRAMES_PER_PACKET)
)
"""How long before its packet was complete each sample was sent."""


class PacketSession(HostSession):
    """One reading a second, from the packet that decides it; every sample of the waveform, None while the sensor is off the finger.

    A change of what is missing or held is delivered at once. Artifacts and poor pulses in a second's other packets count for its reading.
    """

    def __init__(self, context: SessionContext, *, packet: type[Packet], data_format: int) -> None:
        layout = packet.LAYOUT
        scale = Scale(rate_hz=FRAMES_PER_SECOND, low=0, high=layout.highest_sample)
        super().__init__(
            context,
            layout.measure_packet,
            data_format=data_format,
            reason="not_a_packet",
            chunks=Chunks(context.device, scale),
        )
        self._packet, self._layout = packet, layout
        self._cadence = Cadence()
        self._pulses = 0

    def message(self, at: datetime, data: bytes) -> Iterator[Command]:
        statuses = self._layout.statuses(data)
        for age, status, sample in zip(_AGES, statuses, self._layout.samples(data), strict=True):
            yield from self.sample(at - age, None if status & SENSOR_OFF else sample)
        packet = self._packet.from_bytes(data)
        yield from self.report(at, *((nonin.LOW_BATTERY,) if packet.low_battery else ()))
        yield from self._numbers(at, data, packet, worst_status(statuses))

    def _numbers(self, at: datetime, data: bytes, packet: Packet, status: int) -> Iterator[Command]:
        said = worst_status((status, self._pulses))
        state = (status & (SENSOR_OFF | OUT_OF_TRACK), packet.spo2_d is None, packet.hr_d is None)
        if not self._cadence.decides(at, state):
            self._pulses = said & _OF_ONE_PULSE
            return
        self._pulses = 0
        reading = packet.reading(self.context.device, raw=deciding_frames(data), at=at, doubts=doubts_of(said))
        yield Deliver(readings=(reading,))


def deciding_frames(packet: bytes) -> bytes:
    """The frames of a packet that its reading keeps."""
    return b"".join(packet[(place - 1) * FRAME_LENGTH : place * FRAME_LENGTH] for place in DECIDING_FRAMES)


_FLAGS: Final = ("perfusion", "sensor_alarm", "out_of_track", "artifact", "sensor_disconnected")
_BITS: Final = ("smartpoint", "low_battery")
_NAMES: Final[Mapping[int, str]] = {
    **{at: name for name, at in RATES.items()},
    **{at + 1: name for name, at in RATES.items()},
    **{at: name for name, at in SATURATIONS.items()},
    SREV: "srev",
    TIMER: "timer",
    TIMER + 1: "timer",
    STAT2: "stat2",
}
"""What the FLOAT byte of a frame, counted from 1, is part of; the others are reserved."""


def _status_in_words(said: DataFrame | Packet) -> str:
    flags = (
        ("sensor disconnected", said.sensor_disconnected),
        ("sensor alarm", said.sensor_alarm),
        ("out of track", said.out_of_track),
        ("artifact", said.artifact),
        (f"{said.perfusion} pulse", said.perfusion is not Perfusion.NONE),
    )
    return in_words(flags)


def _float_in_words(packet: Packet, name: str) -> str:
    match name:
        case "reserved":
            return "reserved"
        case "stat2":
            return f"stat2 {in_words((('SmartPoint', packet.smartpoint), ('low battery', packet.low_battery)))}"
        case "srev" | "timer":
            return f"{name} {getattr(packet, name)}"
        case _:
            words = nonin.rate_in_words if name in RATES else nonin.spo2_in_words
            return f"{name} {words(getattr(packet, name))}"


def _describe_frame(data: bytes, kind: type[DataFrame]) -> Parts:
    frame, parts = kind.from_bytes(data), Parts(data)
    parts.add(len(kind.LAYOUT.start), "start", "01")
    parts.add(1, "status", f"{_status_in_words(frame)}{'; first of a packet' if frame.sync else ''}", "sync", *_FLAGS)
    parts.add(kind.LAYOUT.sample_bytes, "pleth", f"{frame.pleth} of {kind.LAYOUT.highest_sample}")
    parts.add(1, "float_byte", f"{frame.float_byte}; its place in the packet says what it is")
    parts.add(1, "checksum", "right")
    parts.rest()
    return parts


def _describe_packet(data: bytes, kind: type[Packet]) -> Parts:
    packet, parts = kind.from_bytes(data), Parts(data)
    for place, sample in enumerate(packet.pleth, 1):
        name = _NAMES.get(place, "reserved")
        fields = _BITS if name == "stat2" else (name,)
        more = ("pleth_first", *_FLAGS) if place == 1 else ()
        status = f"{_status_in_words(packet)}; " if place == 1 else ""
        meaning = f"{status}pleth {sample}; {_float_in_words(packet, name)}"
        parts.add(FRAME_LENGTH, f"frame {place}", meaning, *fields, "pleth", *more)
    parts.rest()
    return parts


def _packet_fields(packet: Packet) -> dict[str, Json]:
    return {**fields_of(packet), "pleth_first": packet.pleth[0]}


def _packet_from(fields: Mapping[str, Json], kind: type[Packet]) -> Packet:
    """`pleth_first` alone stands for a flat waveform."""
    rest = {name: value for name, value in fields.items() if name != "pleth_first"}
    if "pleth" not in rest and "pleth_first" in fields:
        rest["pleth"] = [fields["pleth_first"]] * FRAMES_PER_PACKET
    return message_from(kind, rest)


def formats_of(frame: type[DataFrame], packet: type[Packet], *, number: int) -> tuple[AnyFormat, AnyFormat]:
    """The packet's format and the frame's."""
    source = f'{nonin.SPECIFICATION}, "Serial Data Format #{number}"'
    whole = Format(
        key=f"nonin-df{number}-packet",
        title=f"Nonin serial data format {number}: a packet of 25 frames",
        source=source,
        message=packet,
        decode=packet.from_bytes,
        encode=bytes,
        describe=partial(_describe_packet, kind=packet),
        measure=packet.LAYOUT.measure_packet,
        fields=_packet_fields,
        from_fields=partial(_packet_from, kind=packet),
    )
    one = Format(
        key=f"nonin-df{number}-frame",
        title=f"Nonin serial data format {number}: a frame",
        source=source,
        message=frame,
        decode=frame.from_bytes,
        encode=bytes,
        describe=partial(_describe_frame, kind=frame),
        measure=frame.LAYOUT.measure_frame,
    )
    return whole, one
