"""The message that the baselines send: as long as the hub's own for an oximeter's reading, and in the same form."""

import msgspec

from bench.ward import oximeter, patient, pulse, spo2
from hub.realtime.frames import Frame
from hub.rooms.messages import Message
from vitals.events import EventName

_MEASURED = "2026-11-24T12:00:00.123456Z"


def frame(offset: int) -> Frame:
    """Message number `offset` of a room, from 1."""
    place = offset - 1
    data = {
        "patient_id": patient(0),
        "spo2": spo2(place),
        "heart_rate": pulse(place),
        "device_id": oximeter(0).device_id,
        "device_type": oximeter(0).device_type,
        "timestamp": _MEASURED,
        "measured": {"spo2": _MEASURED, "heart_rate": _MEASURED},
        "source": "pulse",
    }
    members = f'"type":"vitals_update","event_id":"{offset:024x}","timestamp":"{_MEASURED}"'
    return Frame(
        Message(
            room=f"patient:{patient(0)}:vitals",
            record_epoch=1,
            epoch="0123456789abcdef01234567",
            offset=offset,
            n=2 * offset,
            event=EventName.PATIENT_VITALS_UPDATE,
            members=members.encode(),
            data=msgspec.json.encode(data),
        )
    )
