"""The messages that the baselines send: as long as the hub's own for an oximeter's reading, and in the same form."""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from bench.errors import BenchFailed
from bench.ward import oximeter, patient, pulse, spo2

_BEGAN: Final = datetime(2026, 11, 24, 12, tzinfo=UTC)
_INTERVAL: Final = timedelta(seconds=1, microseconds=7919)
_ROOM: Final = f"patient:{patient(0)}:vitals"
_EPOCH: Final = "0123456789abcdef01234567"


def websocket_message(offset: int) -> bytes:
    """Message number `offset` of a room, from 1, as WebSocket clients see it."""
    tail = {"room": _ROOM, "data": _data(offset), "epoch": _EPOCH, "offset": offset, "n": 2 * offset}
    return _compact(_members(offset) | {"event": "patient.vitals.update"} | tail)


def event_message(offset: int) -> bytes:
    """The same as the `data` of a server-sent event."""
    meta = _members(offset) | {"room": _ROOM, "epoch": _EPOCH, "offset": offset, "n": 2 * offset}
    return _compact(_data(offset) | {"meta": meta})


def check(messages: Sequence[bytes], sent: int) -> None:
    """Raises BenchFailed where the messages that all clients got are not those that were sent."""
    if len(messages) != sent:
        raise BenchFailed(f"{len(messages)} different messages instead of {sent}")
    for place, message in enumerate(messages):
        whole: dict[str, Any] = json.loads(message)
        data = whole.get("data", whole)
        if (data["spo2"], data["heart_rate"]) != (spo2(place), pulse(place)):
            raise BenchFailed(f"message {place} says {data['spo2']} % and {data['heart_rate']}/min")


def _members(offset: int) -> dict[str, object]:
    """Ids and times change as in real messages, which a compressor can't foresee."""
    event_id = hashlib.sha256(b"%d" % offset).hexdigest()[:24]
    return {"type": "vitals_update", "event_id": event_id, "timestamp": _time(offset)}


def _data(offset: int) -> dict[str, object]:
    place = offset - 1
    return {
        "patient_id": patient(0),
        "spo2": spo2(place),
        "heart_rate": pulse(place),
        "device_id": oximeter(0).device_id,
        "device_type": oximeter(0).device_type.value,
        "timestamp": _time(offset),
        "measured": {"spo2": _time(offset), "heart_rate": _time(offset)},
        "source": "pulse",
    }


def _time(offset: int) -> str:
    return (_BEGAN + offset * _INTERVAL).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _compact(message: dict[str, object]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()
