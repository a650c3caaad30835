"""Waveforms: chunks of samples of one signal, on the gateway's clock, in the device's own scale.

Live only: a chunk that is lost is drawn as a gap and never sent again.
"""

from collections.abc import Mapping
from enum import StrEnum, unique
from types import MappingProxyType
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


SIGNAL_UNITS: Final[Mapping[Signal, str]] = MappingProxyType({Signal.PLETHYSMOGRAM: "1"})
"""UCUM. A plethysmogram has no dimension (ISO/IEEE 11073-10101, MDC_PULS_OXIM_PLETH): only its shape means something."""

Sample = Annotated[int, msgspec.Meta(ge=0, le=65535)]
RateHz = Annotated[float, msgspec.Meta(gt=0, le=1000)]


class SampleChunk(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Samples in a row. `started` is when the first was taken; the others follow at `rate_hz`. They lie between `low` and `high`; None is
    a place at which the device had no value (no finger). `gap_before`: samples were lost between the chunk before and this one.
    Raises ValueError for a scale that is none, or a sample beyond it.
    """

    device: DeviceKey
    signal: Signal
    started: Instant
    rate_hz: RateHz
    low: Sample
    high: Sample
    samples: Annotated[tuple[Sample | None, ...], msgspec.Meta(min_length=1, max_length=MAX_SAMPLES)]
    gap_before: bool = False

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.samples) / self.rate_hz

    def __post_init__(self) -> None:
        if self.low >= self.high:
            raise ValueError(f"a scale from {self.low} to {self.high} is none")
        if any(sample is not None and not self.low <= sample <= self.high for sample in self.samples):
            raise ValueError(f"a sample lies between {self.low} and {self.high}")
