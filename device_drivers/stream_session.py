"""What every conversation in frames has in common: finding them, saying what was none, and losing a waveform's place where bytes were lost.

A driver's session says what it does at the beginning, with each frame and once a second. Frames come over a serial line, as USB reports, or
over one characteristic whose notifications are cut anywhere.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from device_drivers.errors import Undecodable
from device_drivers.framing import IN_A_ROW, Discarded, Frame, FrameReader, Measure, NoiseGate
from device_drivers.sessions import (
    BytesReceived,
    Command,
    CommandRefused,
    DeliverSamples,
    Event,
    LinkEstablished,
    ReportRefused,
    SessionContext,
    SubscribeTo,
    TimePassed,
    ValueReceived,
)
from device_drivers.waveform import Chunks

CHUNK_OF_WRITE: Final = 20
"""Bytes of one write to a characteristic where nothing larger was agreed upon (ATT_MTU 23)."""


class StreamSession:
    """One connection. A subclass overrides `begin`, `frame`, `tick`, `value` and `refused` as it needs; each answers with commands, in order.

    `notify` is the characteristic that carries frames, None for a serial line. `frame_length` is given where frames have no checksum, so
    that those between noise, and fewer than `in_a_row`, are not believed. `frame` may raise Undecodable: it is reported, and the next frame is looked at.
    """

    def __init__(
        self,
        context: SessionContext,
        measure: Measure,
        *,
        notify: str | None = None,
        frame_length: int | None = None,
        in_a_row: int = IN_A_ROW,
        reason: str = "not_a_frame",
        chunks: Chunks | None = None,
    ) -> None:
        self.context = context
        self._reader = FrameReader(measure)
        self._gate = NoiseGate(self._reader, frame_length=frame_length, in_a_row=in_a_row) if frame_length else None
        self._notify = notify
        self._reason = reason
        self._chunks = chunks

    def handle(self, event: Event) -> list[Command]:
        match event:
            case BytesReceived() if self._notify is None:
                return self._received(event.at, event.data)
            case ValueReceived() if event.characteristic == self._notify:
                return self._received(event.at, event.data)
            case TimePassed():
                return list(self.tick(event.at))
            case ValueReceived():
                return list(self.value(event))
            case LinkEstablished():
                return self._begin(event)
            case CommandRefused():
                return list(self.refused(event))
            case _:
                return []

    def begin(self, event: LinkEstablished) -> Iterable[Command]:
        """What is said first; the subscription has been asked for by then."""
        return ()

    def frame(self, at: datetime, data: bytes) -> Iterable[Command]:
        """What a frame brings. Raises Undecodable."""
        raise NotImplementedError

    def tick(self, at: datetime) -> Iterable[Command]:
        """What is said once a second."""
        return ()

    def value(self, event: ValueReceived) -> Iterable[Command]:
        """What the value of another characteristic brings."""
        return ()

    def refused(self, event: CommandRefused) -> Iterable[Command]:
        """What is done when a command could not be carried out."""
        return ()

    def sample(self, at: datetime, sample: int | None) -> list[Command]:
        """Put a sample into the waveform; the chunk that it fills."""
        chunk = self._chunks.add(at, sample) if self._chunks else None
        return [DeliverSamples(chunk=chunk)] if chunk else []

    def _begin(self, event: LinkEstablished) -> list[Command]:
        subscription = [SubscribeTo(characteristic=self._notify)] if self._notify else []
        return [*subscription, *self.begin(event)]

    def _received(self, at: datetime, data: bytes) -> list[Command]:
        if self._gate is not None:
            self._gate.begin(at)
        self._reader.receive_data(data)
        events = list(self._reader.events())
        if self._gate is None:
            return [command for event in events for command in self._take(at, event)]
        return [command for came, event in self._gate.sift(at, events) for command in self._take(came, event)]

    def _take(self, at: datetime, event: Frame | Discarded) -> Sequence[Command]:
        if isinstance(event, Discarded):
            return self._lost(at, event.count)
        try:
            return list(self.frame(at, event.data))
        except Undecodable as refusal:
            return [ReportRefused(at=at, reason=refusal.reason, discarded=len(event.data))]

    def _lost(self, at: datetime, count: int) -> list[Command]:
        chunk = self._chunks.lost() if self._chunks else None
        ended = [DeliverSamples(chunk=chunk)] if chunk else []
        return [*ended, ReportRefused(at=at, reason=self._reason, discarded=count)]


def in_chunks(data: bytes, size: int = CHUNK_OF_WRITE) -> list[bytes]:
    """`data` cut into writes of at most `size` bytes."""
    return [data[at : at + size] for at in range(0, len(data), size)]
