"""The messages that the baselines send: as long as the hub's own for an oximeter's reading, and in the same form."""

import json
from collections.abc import Sequence
from typing import Any, Final

from bench.errors import BenchFailed
from bench.ward import oximeter, patient, pulse, spo2

_MEASURED: Final = "2026-11-24T12:00:00.123456Z"
_ROOM: Final = f"patient:{patient(0)}:vitals"
_EPOCH: Final = "0123456789abcdef01234567"


def websocket_message(offset: int) -> bytes:
    """Message number `offset` of a room, from 1, as WebSocket clients see it."""
    head = {"type": "vitals_update", "event_id": f"{offset:024x}", "timestamp": _MEASURED}
    tail = {"room": _ROOM, "data": _data(offset), "epoch": _EPOCH, "offset": offset, "n": 2 * offset}
    return _compact(head | {"event": "patient.vitals.update"} | tail)


def event_message(offset: int) -> bytes:
    """The same as the `data` of a server-sent event."""
    meta = {"type": "vitals_update", "event_id": f"{offset:024x}", "timestamp": _MEASURED, "room": _ROOM}
    return _compact(_data(offset) | {"meta": meta | {"epoch": _EPOCH, "offset": offset, "n": 2 * offset}})


def check(messages: Sequence[bytes], sent: int) -> None:
    """Raises BenchFailed where the messages that all clients got are not those that were sent."""
    if len(messages) != sent:
        raise BenchFailed(f"{len(messages)} different messages instead of {sent}")
    for place, message in enumerate(messages):
        whole: dict[str, Any] = json.loads(message)
        data = whole.get("data", whole)
        if (data["spo2"], data["heart_rate"]) != (spo2(place), pulse(place)):
            raise BenchFailed(f"message {place} says {data['spo2']} % and {data['heart_rate']}/min")


def _data(offset: int) -> dict[str, object]:
    place = offset - 1
    return {
        "patient_id": patient(0),
        "spo2": spo2(place),
        "heart_rate": pulse(place),
        "device_id": oximeter(0).device_id,
        "device_type": oximeter(0).device_type.value,
        "timestamp": _MEASURED,
        "measured": {"spo2": _MEASURED, "heart_rate": _MEASURED},
        "source": "pulse",
    }


def _compact(message: dict[str, object]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()
