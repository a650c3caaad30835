"""What a hub answers to a screen's questions over REST."""

from typing import Any

import msgspec

from bedside.watch.messages import Instant, Number, Pressure, Replayed, Sign, Worth
from vitals.parameters import Vital


class Hospital(msgspec.Struct, frozen=True, kw_only=True):
    hospital_id: str
    name: str


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """A device at a bed, and what was last known of it."""

    device_type: str
    device_id: str
    status: str = "unknown"
    battery: int | None = None
    faults: tuple[str, ...] = ()
    since: Instant | None = None

    @property
    def key(self) -> tuple[str, str]:
        return self.device_type, self.device_id


class Bed(msgspec.Struct, frozen=True, kw_only=True):
    ward_id: str
    bed: str
    patient_id: str | None
    devices: tuple[Device, ...] = ()


class View(msgspec.Struct, frozen=True, kw_only=True):
    """The beds that a token may watch, and the rooms in which everything about them is told."""

    hospital_id: str
    name: str
    zone: str
    rooms: tuple[str, ...]
    beds: tuple[Bed, ...]

    @property
    def patients(self) -> frozenset[str]:
        return frozenset(bed.patient_id for bed in self.beds if bed.patient_id is not None)


class History(msgspec.Struct, frozen=True, kw_only=True):
    """What a room's history still has, and from where to go on."""

    messages: tuple[Any, ...]
    next: dict[str, Any]


class RecordedReading(msgspec.Struct, frozen=True, kw_only=True):
    """A device's reading as the record has it."""

    data_type: str
    values: dict[str, Number]
    timestamp: Instant
    patient_id: str | None = None
    quality: dict[str, Worth] = {}
    replayed: Replayed | None = None

    def signs(self, device: Device) -> tuple[Sign, ...]:
        """What it says of its patient, vital by vital; nothing where no patient held the device."""
        if self.patient_id is None:
            return ()
        return tuple(
            Sign(
                patient_id=self.patient_id,
                vital=vital,
                number=number,
                worth=self.quality.get(vital, Worth()),
                measured=self.timestamp,
                device_type=device.device_type,
                device_id=device.device_id,
                replayed=self.replayed,
            )
            for vital, number in self._numbers().items()
        )

    def _numbers(self) -> dict[Vital, Number | Pressure]:
        if self.data_type == Vital.BLOOD_PRESSURE:
            return {Vital.BLOOD_PRESSURE: msgspec.convert(self.values, Pressure)}
        return {Vital(name): number for name, number in self.values.items() if name in tuple(Vital)}
