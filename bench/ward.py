"""The ward that is measured: its registry, and the readings of its oximeters and cuffs as a gateway sends them.

Two hundred beds. Of 25 readings, 24 are an oximeter's (SpO2 and pulse) and one is a cuff's with the device's own time; one cuff
reading in seven is above the guide's limits, so that the rule raises, repeats and ends episodes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from vitals.envelope import Lane, ReadingEntry, encode, encode_batch
from vitals.identifiers import DeviceKey, DeviceType, GatewayId
from vitals.parameters import Parameter, Vital
from vitals.readings import Reading, measured_value

HOSPITAL: Final = "bench"
GATEWAY: Final[GatewayId] = "gw-bench"
BEDS: Final = 200
BATCH: Final = 50
_BEDS_A_WARD: Final = 20
WARDS: Final = BEDS // _BEDS_A_WARD
_CUFF_EVERY: Final = 25
_HIGH_EVERY: Final = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One MQTT message: `count` readings, of which `alerts` break the rule."""

    payload: bytes
    count: int
    alerts: int


def patient(bed: int) -> str:
    return f"p{bed:03}"


def oximeter(bed: int) -> DeviceKey:
    return DeviceKey(device_type=DeviceType.PULSE_OXIMETER, device_id=f"OX-{bed:03}")


def cuff(bed: int) -> DeviceKey:
    return DeviceKey(device_type=DeviceType.BLOOD_PRESSURE_MONITOR, device_id=f"BP-{bed:03}")


def registry() -> dict[str, Any]:
    """The ward as the hub's registry file."""
    wards = [
        {
            "id": f"w{ward}",
            "name": f"Ward {ward}",
            "beds": [str(bed) for bed in range(BEDS) if bed // _BEDS_A_WARD == ward],
        }
        for ward in range(WARDS)
    ]
    return {
        "hospitals": [{"id": HOSPITAL, "name": "Benchmark", "wards": wards}],
        "patients": [_patient(bed) for bed in range(BEDS)],
        "gateways": [{"id": GATEWAY, "hospital": HOSPITAL}],
        "devices": [
            {"type": device.device_type.value, "id": device.device_id, "gateway": GATEWAY, "patient": patient(bed)}
            for bed in range(BEDS)
            for device in (oximeter(bed), cuff(bed))
        ],
    }


def _patient(bed: int) -> dict[str, Any]:
    return {
        "id": patient(bed),
        "hospital": HOSPITAL,
        "name": f"Nobody {bed}",
        "record_number": str(bed),
        "age_group": "adult",
        "ward": f"w{bed // _BEDS_A_WARD}",
        "bed": str(bed),
    }


def batches(readings: int, *, epoch: str, record_epoch: int, at: datetime) -> list[Batch]:
    """`readings` readings of the whole ward from `at` on, in messages of at most BATCH, sequences from 1."""
    made = [_reading(place, at) for place in range(readings)]
    return [
        _batch(made[first : first + BATCH], first=first + 1, epoch=epoch, record_epoch=record_epoch)
        for first in range(0, readings, BATCH)
    ]


def bed_batch(bed: int, places: range, *, first: int, epoch: str, record_epoch: int, at: datetime) -> Batch:
    """Readings of one bed's oximeter in one message, sequences from `first` on; `places` say what they read."""
    made = [_oximeter_reading(bed, place, at + timedelta(milliseconds=place)) for place in places]
    return _batch(made, first=first, epoch=epoch, record_epoch=record_epoch)


def ward_batch(places: range, *, first: int, epoch: str, record_epoch: int, at: datetime) -> Batch:
    """Readings of as many beds' oximeters, all measured at `at`, in one message; `places` are counted over the beds, round and round."""
    made = [_oximeter_reading(place % BEDS, place, at) for place in places]
    return _batch(made, first=first, epoch=epoch, record_epoch=record_epoch)


def spo2(place: int) -> int:
    """What an oximeter's reading number `place` says."""
    return 92 + place % 8


def pulse(place: int) -> int:
    return 60 + place % 50


def _batch(readings: Sequence[Reading], *, first: int, epoch: str, record_epoch: int) -> Batch:
    entries = [ReadingEntry(sequence=first + place, reading=reading) for place, reading in enumerate(readings)]
    payload = encode_batch(
        gateway=GATEWAY,
        epoch=epoch,
        record_epoch=record_epoch,
        lane=Lane.LIVE,
        sent=readings[-1].measured,
        entries=map(encode, entries),
    )
    return Batch(payload=payload, count=len(entries), alerts=sum(_is_high(reading) for reading in readings))


def _reading(place: int, at: datetime) -> Reading:
    """The ward's reading number `place`: bed after bed, a millisecond a turn."""
    measured = at + timedelta(milliseconds=place // BEDS)
    if place % _CUFF_EVERY == _CUFF_EVERY - 1:
        return _cuff_reading(place // _CUFF_EVERY, measured)
    return _oximeter_reading(place % BEDS, place, measured)


def _oximeter_reading(bed: int, place: int, measured: datetime) -> Reading:
    values = (
        measured_value(Parameter.SPO2, spo2(place)),
        measured_value(Parameter.OXIMETER_PULSE_RATE, pulse(place)),
    )
    return Reading(
        data_type=Vital.SPO2,
        device=oximeter(bed),
        values=values,
        measured=measured,
        received=measured,
        raw=place.to_bytes(4),
    )


def _cuff_reading(turn: int, measured: datetime) -> Reading:
    systolic, diastolic = (150, 95) if turn % _HIGH_EVERY == _HIGH_EVERY - 1 else (110 + turn % 20, 70 + turn % 15)
    values = (
        measured_value(Parameter.SYSTOLIC, systolic),
        measured_value(Parameter.DIASTOLIC, diastolic),
        measured_value(Parameter.CUFF_PULSE_RATE, 60 + turn % 40),
    )
    return Reading(
        data_type=Vital.BLOOD_PRESSURE,
        device=cuff(turn * 37 % BEDS),
        values=values,
        measured=measured,
        received=measured,
        raw=int(measured.timestamp() * 1e6).to_bytes(8) + turn.to_bytes(8),  # else the hub knows it from an earlier run
        device_time=measured.replace(tzinfo=None, microsecond=0) + timedelta(seconds=turn),
    )


def _is_high(reading: Reading) -> bool:
    value = reading.value(Parameter.SYSTOLIC)
    return value is not None and value.number is not None and value.number > 140
