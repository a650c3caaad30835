"""A picture: everything that a screen shows at one moment, ready to be drawn or written as JSON. Nothing in it is judged anew."""

from datetime import datetime
from enum import StrEnum, unique
from typing import Final

import msgspec

from bedside.watch.ages import Freshness
from bedside.watch.messages import Number, Pressure, Worth
from vitals.parameters import Vital

BROKEN_UPSTREAM: Final = frozenset({"redis_lost", "ingest_lost"})


@unique
class LinkState(StrEnum):
    CONNECTING = "connecting"
    LIVE = "live"
    LOST = "lost"


class LinkPicture(msgspec.Struct, frozen=True, kw_only=True):
    """The link to the hub, and `upstream`, the road behind it (`unknown` without a link)."""

    state: LinkState
    seconds: float
    problem: str | None
    upstream: str

    @property
    def broken_behind(self) -> bool:
        """The hub answers, and can't have anything new."""
        return self.upstream in BROKEN_UPSTREAM


class ValuePicture(msgspec.Struct, frozen=True, kw_only=True):
    """One vital. `number` is None, or its members are, where it is missing; `unit` is the UCUM code.

    `alert` is the severity of the alert that was raised on exactly this measurement.
    """

    number: Number | Pressure
    unit: str
    worth: Worth
    measured: datetime
    age_seconds: float
    freshness: Freshness
    device_id: str | None
    alert: str | None


class DevicePicture(msgspec.Struct, frozen=True, kw_only=True):
    device_type: str
    device_id: str
    status: str
    battery: int | None


class ReplayPicture(msgspec.Struct, frozen=True, kw_only=True):
    """Which recording a bed's values come from, where in it, and how fast it runs."""

    recording: str
    position_seconds: float
    speed: float


class BedPicture(msgspec.Struct, frozen=True, kw_only=True):
    """A bed; `label` is what a screen calls it; `troubles` are what is wrong with its values and devices, a few words each."""

    label: str
    ward_id: str
    bed: str
    patient_id: str | None
    values: dict[Vital, ValuePicture]
    devices: tuple[DevicePicture, ...]
    troubles: tuple[str, ...]
    replayed: ReplayPicture | None

    @property
    def needs_attention(self) -> bool:
        return bool(self.troubles) or any(value.alert for value in self.values.values())


class AlertPicture(msgspec.Struct, frozen=True, kw_only=True):
    """One line an episode: its latest alert. `bed` is None for alerts of a hospital or the system."""

    bed: str | None
    patient_id: str | None
    severity: str
    kind: str
    message: str
    repeat: int
    at: datetime
    age_seconds: float
    recent: bool
    test: bool


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """`at` is the hub's clock; `zone` the hospital's IANA time zone. `warnings` are what a person must know first.

    `silent`: the link is well, and yet no device says anything.
    """

    at: datetime
    zone: str
    hospital: str
    link: LinkPicture
    warnings: tuple[str, ...]
    silent: bool
    beds: tuple[BedPicture, ...]
    alerts: tuple[AlertPicture, ...]
    unreadable_messages: int

    @property
    def speeds(self) -> tuple[float, ...]:
        """At how many times their own speed recordings are replayed here; none where nothing is."""
        return tuple(sorted({bed.replayed.speed for bed in self.beds if bed.replayed}))
