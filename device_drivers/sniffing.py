"""Which driver a serial line may belong to, by listening alone: nothing is sent.

A device that speaks unasked shows itself by its frames; one that must be asked first stays silent. Several formats may fit what was heard,
above all where they have no checksum: all that fit are said, the best first.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from device_drivers.driver import Driver, SerialSettings, Transport
from device_drivers.framing import BUFFER_LIMIT, Frame, FrameReader
from device_drivers.registry import DRIVERS, FORMATS

ENOUGH_FRAMES: Final = 3
ENOUGH_SHARE: Final = 0.8
"""Of the bytes heard must lie in frames: a stream is joined and left in the middle, and noise now and then looks like a frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """So many frames of a driver's format were heard, and that share of all bytes lies in them."""

    driver: str
    wire_format: str
    frames: int
    share: float


class _Ear:
    """What one format makes of a stream."""

    def __init__(self, driver: str, wire_format: str) -> None:
        measure = FORMATS[wire_format].measure
        assert measure is not None  # noqa: S101 - only streams are listened to
        self._driver = driver
        self._format = wire_format
        self._reader = FrameReader(measure)
        self._frames = 0
        self._bytes = 0

    def receive_data(self, data: bytes) -> None:
        self._reader.receive_data(data)
        for event in self._reader.events():
            if isinstance(event, Frame):
                self._frames += 1
                self._bytes += len(event.data)

    def evidence(self, heard: int) -> Evidence:
        return Evidence(
            driver=self._driver, wire_format=self._format, frames=self._frames, share=round(self._bytes / heard, 3)
        )


class Sniffer:
    """Give it what a line with these settings said, then ask for `evidence`."""

    def __init__(self, settings: SerialSettings) -> None:
        self.heard = 0
        self._ears = [
            _Ear(driver.key, key)
            for driver in serial_drivers()
            if driver.serial == settings
            for key in driver.formats
            if FORMATS[key].measure is not None
        ]

    def receive_data(self, data: bytes) -> None:
        self.heard += len(data)
        for at in range(0, len(data), BUFFER_LIMIT // 2):
            for ear in self._ears:
                ear.receive_data(data[at : at + BUFFER_LIMIT // 2])

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """The best of each driver that fits, the largest share first; none where nothing does."""
        if not self.heard:
            return ()
        found: dict[str, Evidence] = {}
        for ear in self._ears:
            one = ear.evidence(self.heard)
            if one.frames >= ENOUGH_FRAMES and one.share >= ENOUGH_SHARE:
                found[one.driver] = max(one, found.get(one.driver, one), key=lambda each: each.share)
        return tuple(sorted(found.values(), key=lambda one: (-one.share, -one.frames, one.driver)))


def serial_drivers() -> tuple[Driver, ...]:
    """Every driver of a device on a serial line."""
    return tuple(driver for driver in DRIVERS.values() if driver.transport is Transport.SERIAL)


def settings_to_try(drivers: Iterable[Driver] | None = None) -> tuple[SerialSettings, ...]:
    """The different ways in which lines are set, each once."""
    found = serial_drivers() if drivers is None else drivers
    return tuple(dict.fromkeys(driver.serial for driver in found if driver.serial is not None))
