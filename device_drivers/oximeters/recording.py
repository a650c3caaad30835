"""What an oximeter has recorded while nobody listened: one sample a second, delivered in batches when all of it is there.

A whole recording is taken first and counted. Where a sample was lost on the way, each one behind it would be placed a second too early; such a
recording is not delivered, and asked for again.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Final

from device_drivers.driver import Option
from device_drivers.sessions import Command, Deliver
from vitals.readings import Reading

STORED: Final = Option(
    name="stored", default=False, text="read what the oximeter has recorded, at the beginning of each connection"
)
ATTEMPTS: Final = 3
NOT_READ: Final = "stored_data_not_read"
"""The fault of a device whose recording could not be read whole."""
BATCH: Final = 500
"""Readings a second that go to the outbox: the live ones do not wait for a night of stored ones."""
_INDEX_BITS: Final = 20
"""Twelve days of seconds."""


def numbering(recording: bytes) -> Callable[[int], int]:
    """What gives the sample at an index of a recording without a time its record number.

    The device numbers nothing, and equal samples of two recordings are not one. So the index is in the low 20 bits, and above it a digest of the whole
    recording: who reads the same one again finds the same numbers.
    """
    digest = zlib.crc32(recording) << _INDEX_BITS
    return lambda index: digest | index


class Backlog:
    """Readings that wait to be delivered. They are made when they are due: a night of them is not held as objects."""

    def __init__(self) -> None:
        self._readings: Iterator[Reading] = iter(())

    def add(self, readings: Iterable[Reading]) -> None:
        self._readings = chain(self._readings, readings)

    def next_batch(self) -> list[Command]:
        """At most `BATCH` of them, in order; nothing where none wait."""
        batch = tuple(islice(self._readings, BATCH))
        return [Deliver(readings=batch)] if batch else []
