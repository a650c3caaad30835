"""Waveforms: chunks of samples of one signal, on the gateway's clock, in the device's own scale.

Live only: a chunk that is lost is drawn as a gap and never sent again.
"""

from enum import StrEnum, unique
from typing import Annotated, Final

import msgspec

from vitals.identifiers import DeviceKey
from vitals.readings import Instant

MAX_SAMPLES: Final = 512
"""Samples of one chunk; five seconds at 100 Hz."""


@unique
class Signal(StrEnum):
    """What is sampled."""

    PLETHYSMOGRAM = "plethysmogram"


Sample = Annotated[int, msgspec.Meta(ge=0, le=65535)]


class SampleChunk(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Samples in a row. `started` is when the first was taken; the others follow at `rate_hz`. They lie between `low` and `high`; None is
    a place at which the device had no value (no finger). `gap_before`: samples were lost between the chunk before and this one.
    Raises ValueError for a sample beyond the scale.
    """

    device: DeviceKey
    signal: Signal
    started: Instant
    rate_hz: Annotated[float, msgspec.Meta(gt=0, le=1000)]
    low: int
    high: int
    samples: Annotated[tuple[Sample | None, ...], msgspec.Meta(min_length=1, max_length=MAX_SAMPLES)]
    gap_before: bool = False

    def __post_init__(self) -> None:
        if any(sample is not None and not self.low <= sample <= self.high for sample in self.samples):
            raise ValueError(f"a sample lies between {self.low} and {self.high}")
