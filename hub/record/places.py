"""Who is where: what the registry says of hospitals, patients and devices, in the few words that rights and routing need."""

from datetime import datetime
from typing import Final

import msgspec

from vitals.events import Scope
from vitals.identifiers import BedId, DeviceKey, GatewayId, HospitalId, PatientId, WardId

GATEWAY_OFFLINE: Final = "gateway_offline"


def shown_status(status: str, *, online: bool) -> str:
    """What clients see of a device's status: while its gateway is away GATEWAY_OFFLINE, whatever was said last."""
    return status if online else GATEWAY_OFFLINE


class HospitalFacts(msgspec.Struct, frozen=True, kw_only=True):
    hospital_id: HospitalId
    name: str
    zone: str
    ward_ids: tuple[WardId, ...]


class PatientPlace(msgspec.Struct, frozen=True, kw_only=True):
    """A patient, and where they lie; without a ward when they are not admitted."""

    patient_id: PatientId
    hospital_id: HospitalId
    ward_id: WardId | None = None
    bed_id: BedId | None = None

    @property
    def scope(self) -> Scope:
        wards = (self.ward_id,) if self.ward_id else ()
        return Scope(hospital_id=self.hospital_id, ward_ids=wards, patient_id=self.patient_id)


class DevicePlace(msgspec.Struct, frozen=True, kw_only=True):
    """A device, the gateway that it belongs to, and the patient who holds it."""

    device: DeviceKey
    hospital_id: HospitalId
    gateway_id: GatewayId | None = None
    patient: PatientPlace | None = None

    @property
    def scope(self) -> Scope:
        """Routing for events of the device and, where one holds it, of its patient."""
        if self.patient is None:
            return Scope(hospital_id=self.hospital_id, device=self.device)
        return msgspec.structs.replace(self.patient.scope, device=self.device)


class DeviceCondition(msgspec.Struct, frozen=True, kw_only=True):
    """A device as it is now. `status` is the one that clients see; `since` when the device's own began, on its gateway's clock."""

    device: DeviceKey
    gateway_id: GatewayId | None
    status: str
    battery_percent: int | None
    faults: tuple[str, ...]
    since: datetime | None


class BedPlace(msgspec.Struct, frozen=True, kw_only=True):
    """A bed, who lies in it now, and the devices that they hold; no patient, no devices."""

    ward_id: WardId
    bed_id: BedId
    patient_id: PatientId | None = None
    devices: tuple[DeviceCondition, ...] = ()


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A patient holds a device from `starts` until `ends`."""

    patient_id: PatientId
    starts: datetime
    ends: datetime | None = None

    def holds(self, at: datetime) -> bool:
        return self.starts <= at and (self.ends is None or at < self.ends)


class Stay(msgspec.Struct, frozen=True, kw_only=True):
    """A patient lies in a bed from `admitted` until `discharged`."""

    stay_id: str
    hospital_id: HospitalId
    ward_id: WardId
    bed_id: BedId
    admitted: datetime
    discharged: datetime | None = None

    def holds(self, at: datetime) -> bool:
        return self.admitted <= at and (self.discharged is None or at < self.discharged)
