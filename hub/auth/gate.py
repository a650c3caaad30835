"""The gate: from a room's name and a token to the room's address, or a refusal.

What isn't registered is `NotFound` to tokens that cover a whole hospital it might be in, and `Forbidden` to all others, so that
nobody learns of patients by asking.
"""

from hub.auth.errors import Forbidden
from hub.auth.places import Registry
from hub.auth.rights import Place, Verb, covers_hospital, may, role_may
from hub.auth.tokens import ALL, Claims
from hub.errors import NotFound
from hub.rooms.messages import RoomAddress
from vitals.identifiers import SYSTEM
from vitals.rooms import Room, RoomKind


class Gate:
    """Decides by the registry and the one table of rights. Raises RecordUnavailable where the registry can't be read."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def pass_room(self, claims: Claims, verb: Verb, room: Room) -> RoomAddress:
        """The address of `room`, when the token may. Raises Forbidden or NotFound."""
        if not role_may(claims, verb, room.kind):
            raise Forbidden(f"your role may not {verb} rooms of the kind {room.kind.value}")
        place = await self.place(room)
        if place is None:
            raise refusal_of_unknown(claims, room)
        if not may(claims, verb, place):
            raise Forbidden(f"{room} is outside your token's scope")
        return RoomAddress(hospital_id=place.hospital_id, room=str(room))

    async def place(self, room: Room) -> Place | None:
        """Where a room belongs; None where its patient, device or hospital isn't registered."""
        if room.patient_id is not None:
            patient = await self._registry.patient(room.patient_id)
            return (
                None
                if patient is None
                else Place(
                    kind=room.kind,
                    hospital_id=patient.hospital_id,
                    ward_id=patient.ward_id,
                    patient_id=patient.patient_id,
                )
            )
        if room.device is not None:
            device = await self._registry.device(room.device)
            return (
                None
                if device is None
                else Place(
                    kind=room.kind,
                    hospital_id=device.hospital_id,
                    ward_id=device.patient.ward_id if device.patient else None,
                    patient_id=device.patient.patient_id if device.patient else None,
                )
            )
        if room.hospital_id is not None:
            return await self._place_in_hospital(room)
        return Place(kind=room.kind, hospital_id=SYSTEM)

    async def _place_in_hospital(self, room: Room) -> Place | None:
        hospital = await self._registry.hospital(room.hospital_id or "")
        if hospital is None or (room.ward_id is not None and room.ward_id not in hospital.ward_ids):
            return None
        return Place(kind=room.kind, hospital_id=hospital.hospital_id, ward_id=room.ward_id)


def refusal_of_unknown(claims: Claims, room: Room) -> Forbidden | NotFound:
    """What to answer where the room's subject isn't registered."""
    kind, name = _subject(room)
    seen = covers_hospital(claims, room.hospital_id) if room.hospital_id else bool(claims.hospitals)
    return (
        NotFound(kind, name) if seen or ALL in claims.hospitals else Forbidden(f"{room} is outside your token's scope")
    )


def _subject(room: Room) -> tuple[str, str]:
    if room.patient_id:
        return "patient", room.patient_id
    if room.device:
        return "device", str(room.device)
    if room.ward_id:
        return "ward", f"{room.hospital_id}:{room.ward_id}"
    return ("hospital", room.hospital_id) if room.hospital_id else ("room", RoomKind(room.kind).value)
