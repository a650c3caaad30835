"""Readings as rows, both ways."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeAlias

import msgspec

from vitals.identifiers import DeviceKey, DeviceType
from vitals.parameters import Vital
from vitals.readings import Reading, Replayed, Value

Row: TypeAlias = Mapping[Any, Any]

_encode = msgspec.json.Encoder(decimal_format="number").encode
_decode_values = msgspec.json.Decoder(tuple[Value, ...]).decode
_decode_replayed = msgspec.json.Decoder(Replayed).decode


def reading_columns(reading: Reading) -> dict[str, Any]:
    """The columns of `readings` that a reading itself fills; times in UTC, so that what is derived from them now is derived again."""
    return {
        "device_type": reading.device.device_type.value,
        "device_id": reading.device.device_id,
        "data_type": reading.data_type.value,
        "vital_values": _encode(reading.values).decode(),
        "measured": reading.measured.astimezone(UTC),
        "received": reading.received.astimezone(UTC),
        "raw": reading.raw,
        "device_time": reading.device_time.isoformat() if reading.device_time else None,
        "record_number": reading.record,
        "user_number": reading.user,
        "stored": reading.stored,
        "time_uncertain": reading.time_uncertain,
        "replayed": _encode(reading.replayed).decode() if reading.replayed else None,
    }


def reading_of(row: Row) -> Reading:
    """The reading that a row of `readings` holds."""
    return Reading(
        data_type=Vital(row["data_type"]),
        device=DeviceKey(device_type=DeviceType(row["device_type"]), device_id=row["device_id"]),
        values=_decode_values(row["vital_values"]),
        measured=row["measured"],
        received=row["received"],
        raw=row["raw"],
        device_time=datetime.fromisoformat(row["device_time"]) if row["device_time"] else None,
        time_uncertain=row["time_uncertain"],
        stored=row["stored"],
        record=row["record_number"],
        user=row["user_number"],
        replayed=_decode_replayed(row["replayed"]) if row["replayed"] else None,
    )


def shown(number: Decimal | None) -> str:
    """A number as people read it in a message; a dash where there is none."""
    return "-" if number is None else str(number)
