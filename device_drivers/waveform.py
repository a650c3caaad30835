"""From samples, which come frame by frame, to chunks of half a second."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from vitals.identifiers import DeviceKey
from vitals.waveforms import SampleChunk, Signal

CHUNK_SECONDS: Final = 0.5
LATE_SECONDS: Final = 1.0
"""Samples that come so much later than the rate says, or earlier, begin a new time: something was lost or held up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How a device samples its signal. A value outside `low` to `high` is none."""

    rate_hz: float
    low: int
    high: int
    signal: Signal = Signal.PLETHYSMOGRAM


class Chunks:
    """Give it samples as they come, and `lost` where bytes were; it gives a chunk when one is full."""

    def __init__(self, device: DeviceKey, scale: Scale) -> None:
        self._device = device
        self._scale = scale
        self._size = max(1, round(scale.rate_hz * CHUNK_SECONDS))
        self._samples: list[int | None] = []
        self._started: datetime | None = None
        self._gap = False

    def add(self, at: datetime, sample: int | None) -> SampleChunk | None:
        """Take a sample that came `at`; the chunk that it fills."""
        period = timedelta(seconds=1 / self._scale.rate_hz)
        if self._started is None:
            self._started = at
        elif not self._samples and abs((at - self._started).total_seconds()) > LATE_SECONDS:
            self._started, self._gap = at, True
        if sample is not None and not self._scale.low <= sample <= self._scale.high:
            sample = None
        self._samples.append(sample)
        if len(self._samples) < self._size:
            return None
        return self._cut(self._started + period * self._size)

    def lost(self) -> SampleChunk | None:
        """Samples were lost here: the chunk that ends before them; the next one has `gap_before`."""
        chunk = self._cut(None) if self._samples else None
        self._started, self._gap = None, True
        return chunk

    def _cut(self, following: datetime | None) -> SampleChunk:
        assert self._started is not None  # noqa: S101 - there are samples
        chunk = SampleChunk(
            device=self._device,
            signal=self._scale.signal,
            started=self._started,
            rate_hz=self._scale.rate_hz,
            low=self._scale.low,
            high=self._scale.high,
            samples=tuple(self._samples),
            gap_before=self._gap,
        )
        self._samples.clear()
        self._started, self._gap = following, False
        return chunk
