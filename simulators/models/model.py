"""What a simulated device is, seen from the wire: the mirror of a driver's session.

A model is told when the host connects, subscribes, writes, and what time it is; it answers with what the device says. It holds no socket and
reads no clock, so a test can let it talk with a driver directly, and the ward can put it on a serial line or on the virtual radio.
What it measures comes from a `Look`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum, unique
from typing import Final, TypeAlias

STEPS_PER_SECOND: Final = 15
"""So often a connected model is asked what it has to say."""


@unique
class Property(StrEnum):
    """What can be done with a characteristic."""

    READ = "READ"
    WRITE = "WRITE"
    WRITE_WITHOUT_RESPONSE = "WRITE_WITHOUT_RESPONSE"
    NOTIFY = "NOTIFY"
    INDICATE = "INDICATE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What there is to measure at a moment: %, beats a minute, mmHg, °C, kg, mg/dL. None where a device finds nothing (no finger)."""

    spo2: int | None = 97
    pulse_rate: int | None = 72
    perfusion_index: Decimal | None = Decimal("2.5")
    systolic: int | None = 122
    diastolic: int | None = 78
    mean: int | None = 93
    temperature: Decimal | None = Decimal("36.6")
    weight: Decimal | None = Decimal("71.5")
    glucose: int | None = 104


Look: TypeAlias = Callable[[datetime], Body]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Bytes from the device: over the serial line, or as a notification or an indication of a characteristic."""

    data: bytes
    characteristic: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gatt:
    """What a Bluetooth device shows: its name, the services that it advertises, and the properties of each characteristic by service."""

    name: str
    services: Mapping[str, Mapping[str, frozenset[Property]]]
    advertised: tuple[str, ...] = ()
    manufacturer_data: Mapping[int, bytes] = field(default_factory=dict)

    @property
    def properties(self) -> Mapping[str, frozenset[Property]]:
        """Every characteristic of every service, in order."""
        return {uuid: found for members in self.services.values() for uuid, found in members.items()}


class DeviceModel:
    """One device. `gatt` is None for a device on a serial line or a USB cable. A subclass overrides what its device does."""

    gatt: Gatt | None = None

    def __init__(self, look: Look) -> None:
        self.look = look

    @property
    def characteristics(self) -> tuple[str, ...]:
        """What a host finds; none on a line."""
        return tuple(self.gatt.properties) if self.gatt else ()

    def connected(self, now: datetime) -> Sequence[Said]:
        """The host has opened the line or connected."""
        return ()

    def subscribed(self, now: datetime, characteristic: str) -> Sequence[Said]:
        """The host has enabled notifications or indications."""
        return ()

    def received(self, now: datetime, data: bytes, characteristic: str | None = None) -> Sequence[Said]:
        """The host has written to the line or to a characteristic."""
        return ()

    def read(self, now: datetime, characteristic: str) -> bytes:
        """What a characteristic has. Raises KeyError for one that can't be read."""
        raise KeyError(characteristic)

    def step(self, now: datetime) -> Sequence[Said]:
        """What the device says by itself, `STEPS_PER_SECOND` times a second while connected; on a line also while nobody listens."""
        return ()

    def disconnected(self) -> None:
        """The host has left. What a device forgets then, it forgets here."""

    @property
    def finished(self) -> bool:
        """Whether a device that sleeps between measurements has said all, and leaves."""
        return False


class Cadence:
    """When something that comes `per_second` times a second is due: `due` is how many, counted from the first call."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._began: datetime | None = None
        self._done = 0

    def due(self, now: datetime) -> int:
        """How many are due now and were not before; the first at once."""
        return len(self.moments(now))

    def moments(self, now: datetime) -> Sequence[datetime]:
        """When each was due that is due now and was not before."""
        if self._began is None:
            self._began = now
        wanted = int((now - self._began).total_seconds() * self._per_second) + 1
        places = range(self._done, wanted)
        self._done = wanted
        return [self._began + timedelta(seconds=place / self._per_second) for place in places]
