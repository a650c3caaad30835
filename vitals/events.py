"""The event catalogue: every event's name, message type, data and rooms, as one table each.

`EVENTS` is the only place where an event is defined; documentation, validation of test events and routing are made from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum, unique
from functools import lru_cache
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from vitals.identifiers import BedId, DeviceId, DeviceKey, DeviceType, GatewayId, HospitalId, PatientId, WardId
from vitals.readings import Instant
from vitals.rooms import LIVE_ONLY, Room, RoomKind
from vitals.waveforms import MAX_SAMPLES, RateHz, Sample, Signal

MAX_TEXT: Final = 500
Text: TypeAlias = Annotated[str, msgspec.Meta(max_length=MAX_TEXT)]
Number: TypeAlias = Decimal | int | None


@unique
class EventName(StrEnum):
    PATIENT_VITALS_UPDATE = "patient.vitals.update"
    PATIENT_ALERT = "patient.alert"
    PATIENT_WAVEFORM = "patient.waveform"
    PATIENT_STATUS_CHANGE = "patient.status.change"
    PATIENT_ADMISSION = "patient.admission"
    PATIENT_DISCHARGE = "patient.discharge"
    DEVICE_DATA_UPDATE = "device.data.update"
    DEVICE_STATUS_CHANGE = "device.status.change"
    DEVICE_CONNECTED = "device.connected"
    DEVICE_DISCONNECTED = "device.disconnected"
    DEVICE_ALERT = "device.alert"
    HOSPITAL_ALERT = "hospital.alert"
    HOSPITAL_CAPACITY_UPDATE = "hospital.capacity.update"
    HOSPITAL_EMERGENCY = "hospital.emergency"
    SYSTEM_ALERT = "system.alert"
    SYSTEM_MAINTENANCE = "system.maintenance"
    SYSTEM_UPDATE = "system.update"
    ADMIN_UPDATE = "admin.update"


@unique
class Severity(StrEnum):
    """Priority high, medium, low."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


class EventData(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Base of every event's `data`; a field without a default must be given."""


class BloodPressure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """mmHg. A missing number is null, with its reason in the message's `quality`."""

    systolic: Number
    diastolic: Number
    mean: Number | UnsetType = UNSET


class VitalQuality(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`status` is valid, questionable or missing; `reasons` are words of `vitals.readings.Reason`."""

    status: str
    reasons: list[str] = []


class VitalsMembers(EventData, kw_only=True):
    """The vital signs that one message may carry, each under the name of its vital and in that vital's unit."""

    blood_pressure: BloodPressure | UnsetType = UNSET
    heart_rate: Number | UnsetType = UNSET
    pulse_rate: Number | UnsetType = UNSET
    temperature: Number | UnsetType = UNSET
    spo2: Number | UnsetType = UNSET
    respiratory_rate: Number | UnsetType = UNSET
    perfusion_index: Number | UnsetType = UNSET
    weight: Number | UnsetType = UNSET
    glucose: Number | UnsetType = UNSET


class ReplayedAt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A simulated reading's place in the recording that it was replayed from."""

    recording: str
    position_seconds: float
    speed: float


class PatientVitals(VitalsMembers, kw_only=True):
    """`timestamp` is that of measurement. `source` is `pulse` where `heart_rate` comes from an oximeter."""

    patient_id: PatientId
    timestamp: Instant
    device_id: DeviceId | UnsetType = UNSET
    device_type: DeviceType | UnsetType = UNSET
    source: Literal["pulse"] | UnsetType = UNSET
    quality: dict[str, VitalQuality] | UnsetType = UNSET
    measured: dict[str, Instant] | UnsetType = UNSET
    replayed: ReplayedAt | UnsetType = UNSET


class PatientAlert(EventData, kw_only=True):
    """`repeat` counts the alerts of one episode, from 1."""

    patient_id: PatientId
    alert_type: Text
    severity: Severity
    message: Text
    data: dict[str, Any]
    episode_id: str
    kind: Literal["physiological", "technical"]
    repeat: int
    timestamp: Instant


class WaveformScale(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The samples lie between these."""

    low: Sample
    high: Sample


class PatientWaveform(EventData, kw_only=True):
    """Samples in a row, the first taken at `start` on the gateway's clock, null where the device had no value. `gap`: some are missing before them."""

    patient_id: PatientId
    signal: Signal
    rate_hz: RateHz
    start: Instant
    samples: Annotated[list[Sample | None], msgspec.Meta(min_length=1, max_length=MAX_SAMPLES)]
    scale: WaveformScale
    unit: Text
    device_id: DeviceId | UnsetType = UNSET
    device_type: DeviceType | UnsetType = UNSET
    gap: Literal[True] | UnsetType = UNSET


class PatientStatus(EventData, kw_only=True):
    patient_id: PatientId
    status: Text
    previous: Text | None
    reason: Text | UnsetType = UNSET


class PatientMovement(EventData, kw_only=True):
    """An admission or a discharge."""

    patient_id: PatientId
    ward_id: WardId
    bed: BedId
    at: Instant
    by: str


class DeviceData(EventData, kw_only=True):
    """`values` holds one number under its vital's name, or the members of a blood pressure; null where missing."""

    device_type: DeviceType
    device_id: DeviceId
    data_type: str
    values: dict[str, Number]
    timestamp: Instant
    quality: dict[str, VitalQuality] | UnsetType = UNSET
    replayed: ReplayedAt | UnsetType = UNSET


class DeviceStatus(EventData, kw_only=True):
    """`battery` is per cent."""

    device_type: DeviceType
    device_id: DeviceId
    status: Text
    faults: list[Text]
    gateway_id: GatewayId | None
    battery: int | UnsetType = UNSET


class DeviceLink(EventData, kw_only=True):
    """A device connected or disconnected."""

    device_type: DeviceType
    device_id: DeviceId
    gateway_id: GatewayId | None
    reason: Text | UnsetType = UNSET


class DeviceAlert(EventData, kw_only=True):
    """A technical alarm. `patient_id` where a patient holds the device."""

    device_type: DeviceType
    device_id: DeviceId
    alert_type: Text
    severity: Severity
    message: Text
    data: dict[str, Any]
    episode_id: str
    kind: Literal["technical"]
    repeat: int
    timestamp: Instant
    patient_id: PatientId | UnsetType = UNSET


class HospitalNotice(EventData, kw_only=True):
    hospital_id: HospitalId
    severity: Severity
    message: Text
    data: dict[str, Any]


class HospitalCapacity(EventData, kw_only=True):
    hospital_id: HospitalId
    beds_total: Annotated[int, msgspec.Meta(ge=0)]
    beds_occupied: Annotated[int, msgspec.Meta(ge=0)]
    ward_id: WardId | UnsetType = UNSET


class SystemNotice(EventData, kw_only=True):
    message: Text
    severity: Severity | UnsetType = UNSET
    starts: Instant | UnsetType = UNSET
    ends: Instant | UnsetType = UNSET
    version: Text | UnsetType = UNSET


class AdminUpdate(EventData, kw_only=True):
    """`what` of the hub's own affairs changed, which one, how, and by whom."""

    what: Text
    id: Text
    change: Text
    by: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFacts:
    """`rooms` are the kinds of room that the event goes to, each where the event's `Scope` has what its name needs."""

    data: type[EventData]
    rooms: tuple[RoomKind, ...]

    @property
    def is_live_only(self) -> bool:
        """Whether it goes to those alone who watch just now: no N, no offset, no history."""
        return LIVE_ONLY.issuperset(self.rooms)


_ALERT_ROOMS = (RoomKind.PATIENT_ALERTS, RoomKind.WARD_ALERTS, RoomKind.HOSPITAL_ALERTS)
_PATIENT_ROOMS = (RoomKind.PATIENT, RoomKind.WARD, RoomKind.HOSPITAL)
_LINK_ROOMS = (RoomKind.DEVICE_STATUS, RoomKind.HOSPITAL_DEVICES)
_SYSTEM_ROOMS = (RoomKind.SYSTEM_ALERTS,)

EVENTS: Final[Mapping[EventName, EventFacts]] = MappingProxyType(
    {
        EventName.PATIENT_VITALS_UPDATE: EventFacts(
            data=PatientVitals, rooms=(RoomKind.PATIENT_VITALS, RoomKind.WARD_VITALS)
        ),
        EventName.PATIENT_ALERT: EventFacts(data=PatientAlert, rooms=_ALERT_ROOMS),
        EventName.PATIENT_WAVEFORM: EventFacts(data=PatientWaveform, rooms=(RoomKind.PATIENT_WAVEFORMS,)),
        EventName.PATIENT_STATUS_CHANGE: EventFacts(data=PatientStatus, rooms=_PATIENT_ROOMS),
        EventName.PATIENT_ADMISSION: EventFacts(data=PatientMovement, rooms=_PATIENT_ROOMS),
        EventName.PATIENT_DISCHARGE: EventFacts(data=PatientMovement, rooms=_PATIENT_ROOMS),
        EventName.DEVICE_DATA_UPDATE: EventFacts(data=DeviceData, rooms=(RoomKind.DEVICE,)),
        EventName.DEVICE_STATUS_CHANGE: EventFacts(data=DeviceStatus, rooms=_LINK_ROOMS),
        EventName.DEVICE_CONNECTED: EventFacts(data=DeviceLink, rooms=_LINK_ROOMS),
        EventName.DEVICE_DISCONNECTED: EventFacts(data=DeviceLink, rooms=_LINK_ROOMS),
        EventName.DEVICE_ALERT: EventFacts(
            data=DeviceAlert, rooms=(*_LINK_ROOMS, RoomKind.PATIENT_ALERTS, RoomKind.WARD_ALERTS)
        ),
        EventName.HOSPITAL_ALERT: EventFacts(data=HospitalNotice, rooms=(RoomKind.HOSPITAL_ALERTS,)),
        EventName.HOSPITAL_CAPACITY_UPDATE: EventFacts(data=HospitalCapacity, rooms=(RoomKind.HOSPITAL,)),
        EventName.HOSPITAL_EMERGENCY: EventFacts(
            data=HospitalNotice, rooms=(RoomKind.HOSPITAL_ALERTS, RoomKind.HOSPITAL, RoomKind.WARD)
        ),
        EventName.SYSTEM_ALERT: EventFacts(data=SystemNotice, rooms=_SYSTEM_ROOMS),
        EventName.SYSTEM_MAINTENANCE: EventFacts(data=SystemNotice, rooms=_SYSTEM_ROOMS),
        EventName.SYSTEM_UPDATE: EventFacts(data=SystemNotice, rooms=_SYSTEM_ROOMS),
        EventName.ADMIN_UPDATE: EventFacts(data=AdminUpdate, rooms=(RoomKind.ADMIN_UPDATES,)),
    }
)


def message_type(event: EventName) -> str:
    """The `type` of the WebSocket message that carries `event`; the guide shortens one of them."""
    return "vitals_update" if event is EventName.PATIENT_VITALS_UPDATE else event.replace(".", "_")


class Scope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where an event belongs: what the registry knew of its subject when it was committed. `ward_ids` are all wards concerned."""

    hospital_id: HospitalId | None = None
    ward_ids: tuple[WardId, ...] = ()
    patient_id: PatientId | None = None
    device: DeviceKey | None = None


def rooms_of(event: EventName, scope: Scope) -> tuple[Room, ...]:
    """The rooms that `event` goes to, in the table's order; kinds for which `scope` has no identifier are left out."""
    return tuple(room for kind in EVENTS[event].rooms for room in _rooms(kind, scope))


@lru_cache(maxsize=8192)
def room_names(event: EventName, scope: Scope) -> tuple[str, ...]:
    """The names of the rooms that `event` goes to; made once for each patient and device."""
    return tuple(str(room) for room in rooms_of(event, scope))


def _rooms(kind: RoomKind, scope: Scope) -> tuple[Room, ...]:
    match kind.split(":")[0]:
        case "patient":
            return (Room(kind=kind, patient_id=scope.patient_id),) if scope.patient_id else ()
        case "ward":
            return tuple(Room(kind=kind, hospital_id=scope.hospital_id, ward_id=ward) for ward in scope.ward_ids)
        case "hospital":
            return (Room(kind=kind, hospital_id=scope.hospital_id),) if scope.hospital_id else ()
        case "device":
            return (Room(kind=kind, device=scope.device),) if scope.device else ()
        case _:
            return (Room(kind=kind),)
