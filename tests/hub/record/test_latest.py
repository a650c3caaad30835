"""The latest state of rooms: the newest of each vital, open episodes, beds and devices, all of one moment.

On SQLite, which is quick to make; `test_latest_engines.py` asks the same of each engine once.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from sqlalchemy import insert, update

from hub.record.latest import Latest
from hub.record.ownership import Lease
from hub.record.publications import announcement_row
from hub.record.record import Record
from hub.record.rows import reading_columns
from hub.record.schema import (
    announcements,
    assignments,
    beds,
    devices,
    episodes,
    gateways,
    hospitals,
    patients,
    readings,
    stays,
    wards,
)
from vitals.events import EventName, Scope
from vitals.identifiers import DeviceKey, DeviceType
from vitals.parameters import Parameter, Vital
from vitals.readings import Reading, Reason, measured_value, missing_value

pytestmark = pytest.mark.slow

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
CUFF = DeviceKey(device_type=DeviceType.BLOOD_PRESSURE_MONITOR, device_id="cuff")
OXIMETER = DeviceKey(device_type=DeviceType.PULSE_OXIMETER, device_id="oximeter")
VITALS = "patient:p1:vitals"


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
async def ward(record: Record) -> Record:
    """A ward of two beds: p1 lies in the first, with a cuff and an oximeter; nobody in the second."""
    rows: list[tuple[Any, dict[str, Any]]] = [
        (hospitals, {"hospital_id": "h1", "name": "One", "zone": "UTC"}),
        (wards, {"hospital_id": "h1", "ward_id": "w1", "name": "Ward"}),
        (beds, {"hospital_id": "h1", "ward_id": "w1", "bed_id": "1"}),
        (beds, {"hospital_id": "h1", "ward_id": "w1", "bed_id": "2"}),
        (
            patients,
            {
                "patient_id": "p1",
                "hospital_id": "h1",
                "name": "x",
                "record_number": "1",
                "age_group": "adult",
                "status": "stable",
            },
        ),
        (
            stays,
            {
                "stay_id": "s",
                "patient_id": "p1",
                "hospital_id": "h1",
                "ward_id": "w1",
                "bed_id": "1",
                "admitted": NOON,
                "admitted_by": "test",
            },
        ),
        (gateways, {"gateway_id": "gw-1", "hospital_id": "h1", "online": True}),
        (
            devices,
            {**_named(CUFF), "hospital_id": "h1", "gateway_id": "gw-1", "status": "online", "battery_percent": 8},
        ),
        (devices, {**_named(OXIMETER), "hospital_id": "h1", "gateway_id": "gw-1"}),
        (
            assignments,
            {**_named(CUFF), "assignment_id": "a", "patient_id": "p1", "starts": NOON, "author": "test"},
        ),
    ]
    async with record.engine.writing() as connection:
        for table, row in rows:
            await connection.execute(insert(table).values(**row))
    return record


def _named(device: DeviceKey) -> dict[str, str]:
    return {"device_type": device.device_type.value, "device_id": device.device_id}


_sequence = iter(range(1, 10_000))


async def measure(
    record: Record, device: DeviceKey, data_type: Vital, minute: int, *values: Any, **columns: Any
) -> int:
    """Record a reading of p1, measured so many minutes after noon; its id."""
    at = NOON + minute * MINUTE
    n = next(_sequence)
    reading = Reading(device=device, data_type=data_type, values=values, measured=at, received=at, raw=b"")
    row = reading_columns(reading) | {
        "hospital_id": "h1",
        "gateway_id": "gw-1",
        "outbox_epoch": "e",
        "sequence": n,
        "patient_id": "p1",
        "ward_id": "w1",
        "committed": at,
        "late": False,
        "n_data": 2 * n,
        "n_vitals": 2 * n + 1,
    }
    async with record.engine.writing() as connection:
        done = await connection.execute(insert(readings).values(**row | columns).returning(readings.c.reading_id))
        return int(done.scalar_one())


async def state(record: Record, room: str) -> Any:
    latest = await Latest(record.engine).states("h1", [room])
    found = latest.states[room]
    return None if found is None else msgspec.json.decode(found)


def pressure(systolic: int, diastolic: int = 80) -> tuple[Any, Any]:
    return measured_value(Parameter.SYSTOLIC, systolic), measured_value(Parameter.DIASTOLIC, diastolic)


def spo2(number: int) -> Any:
    return measured_value(Parameter.SPO2, number)


async def test_each_vital_is_the_newest_that_was_measured_with_its_time_and_device(ward: Record):
    await measure(ward, CUFF, Vital.BLOOD_PRESSURE, 1, *pressure(120), measured_value(Parameter.CUFF_PULSE_RATE, 60))
    await measure(ward, OXIMETER, Vital.SPO2, 5, spo2(97), measured_value(Parameter.OXIMETER_PULSE_RATE, 71))
    await measure(ward, OXIMETER, Vital.SPO2, 3, spo2(91), measured_value(Parameter.OXIMETER_PULSE_RATE, 99), late=True)
    found = await state(ward, VITALS)
    assert found == {
        "patient_id": "p1",
        "timestamp": "2026-11-24T12:05:00Z",
        "spo2": 97,
        "heart_rate": 71,
        "source": "pulse",
        "blood_pressure": {"systolic": 120, "diastolic": 80},
        "pulse_rate": 60,
        "measured": {
            "spo2": "2026-11-24T12:05:00Z",
            "heart_rate": "2026-11-24T12:05:00Z",
            "blood_pressure": "2026-11-24T12:01:00Z",
            "pulse_rate": "2026-11-24T12:01:00Z",
        },
        "devices": {
            "spo2": _named(OXIMETER),
            "heart_rate": _named(OXIMETER),
            "blood_pressure": _named(CUFF),
            "pulse_rate": _named(CUFF),
        },
    }


async def test_a_spot_value_stays_however_many_others_came_since(ward: Record):
    await measure(ward, CUFF, Vital.BLOOD_PRESSURE, 0, *pressure(111))
    for minute in range(1, 60):
        await measure(ward, OXIMETER, Vital.SPO2, minute, spo2(90))
    assert (await state(ward, VITALS))["blood_pressure"]["systolic"] == 111


async def test_a_missing_value_is_null_with_its_reason_and_hides_an_older_number(ward: Record):
    await measure(ward, OXIMETER, Vital.SPO2, 1, spo2(97))
    await measure(ward, OXIMETER, Vital.SPO2, 2, missing_value(Parameter.SPO2, Reason.NO_FINGER))
    found = await state(ward, VITALS)
    assert (found["spo2"], found["quality"]) == (None, {"spo2": {"status": "missing", "reasons": ["no_finger"]}})


async def test_a_late_newest_value_is_marked(ward: Record):
    await measure(ward, OXIMETER, Vital.SPO2, 1, spo2(97), late=True)
    assert (await state(ward, VITALS))["late"] == ["spo2"]


async def test_withdrawn_corrected_and_unplaced_readings_are_nobodys_newest(ward: Record):
    await measure(ward, CUFF, Vital.BLOOD_PRESSURE, 1, *pressure(101))
    await measure(ward, CUFF, Vital.BLOOD_PRESSURE, 5, *pressure(105), withdrawn=NOON)
    wrong = await measure(ward, CUFF, Vital.BLOOD_PRESSURE, 4, *pressure(104))
    await measure(ward, CUFF, Vital.BLOOD_PRESSURE, 4, *pressure(140), replaces=wrong)
    await measure(ward, CUFF, Vital.BLOOD_PRESSURE, 9, *pressure(109), time_uncertain=True)
    assert (await state(ward, VITALS))["blood_pressure"]["systolic"] == 140


async def test_a_patient_without_values_has_a_state_that_says_so(ward: Record):
    assert await state(ward, VITALS) == {"patient_id": "p1"}
    assert await state(ward, "ward:h1:w1:vitals") == {"patients": []}


async def test_a_wards_vitals_are_those_of_the_patients_who_lie_there(ward: Record):
    await measure(ward, OXIMETER, Vital.SPO2, 1, spo2(97))
    (patient,) = (await state(ward, "ward:h1:w1:vitals"))["patients"]
    assert (patient["patient_id"], patient["spo2"]) == ("p1", 97)
    async with ward.engine.writing() as connection:
        await connection.execute(update(stays).values(discharged=NOON + MINUTE))
    assert await state(ward, "ward:h1:w1:vitals") == {"patients": []}


async def test_beds_are_told_with_patient_status_and_devices(ward: Record):
    for room in ("ward:h1:w1", "hospital:h1"):
        found = await state(ward, room)
        first, second = found["beds"]
        assert (first["bed"], first["patient_id"], first["status"]) == ("1", "p1", "stable")
        assert first["devices"] == [
            {**_named(CUFF), "status": "online", "faults": [], "gateway_id": "gw-1", "battery": 8}
        ]
        assert (second["bed"], second["patient_id"]) == ("2", None)
    assert (found["beds_total"], found["beds_occupied"]) == (2, 1)
    assert await state(ward, "patient:p1") == {"patient_id": "p1", "status": "stable", "ward_id": "w1", "bed": "1"}


async def test_a_devices_state_is_what_it_last_said_and_measured(ward: Record):
    await measure(ward, CUFF, Vital.BLOOD_PRESSURE, 1, *pressure(118))
    room = f"device:{CUFF}"
    found = await state(ward, room)
    assert (found["status"], found["battery"], found["data"]["values"]["systolic"]) == ("online", 8, 118)
    assert "data" not in await state(ward, f"{room}:status")
    both = (await state(ward, "hospital:h1:devices"))["devices"]
    assert [(device["device_id"], device["status"]) for device in both] == [("cuff", "online"), ("oximeter", "unknown")]


async def announce(record: Record, n: int, event: EventName, data: dict[str, Any], **scope: Any) -> None:
    row = announcement_row(
        hospital_id="h1",
        n=n,
        event=event,
        event_id=f"event-{n}",
        data=data,
        scope=Scope(hospital_id="h1", **scope),
        at=NOON,
    )
    async with record.engine.writing() as connection:
        await connection.execute(insert(announcements).values(**row))


async def episode(record: Record, name: str, *, ended: datetime | None = None, latest: datetime = NOON) -> None:
    async with record.engine.writing() as connection:
        await connection.execute(
            insert(episodes).values(
                episode_id=name,
                hospital_id="h1",
                patient_id="p1",
                alert_type="high_blood_pressure",
                repeats=2,
                started=NOON,
                latest=latest,
                ended=ended,
            )
        )


async def stand_at(record: Record, n: int) -> None:
    """Let the hospital's N be `n`."""
    lease = Lease(record.engine, "h1", owner="test", seconds=60)
    assert await lease.take()
    async with lease.transaction() as tenure:
        tenure.n = n


async def test_open_episodes_are_told_with_what_they_last_said_and_old_ones_are_not(ward: Record):
    await stand_at(ward, 30)
    await episode(ward, "open", latest=NOON + 50 * MINUTE)
    await episode(ward, "ended", ended=NOON + 10 * MINUTE)
    await episode(ward, "old", ended=NOON - timedelta(hours=26), latest=NOON - timedelta(hours=26))
    alert = {"patient_id": "p1", "kind": "physiological", "data": {"systolic": Decimal(150)}}
    where = {"ward_ids": ("w1",), "patient_id": "p1"}
    for n, message in ((10, "first"), (20, "last")):
        data = alert | {"episode_id": "open", "severity": "warning", "message": message}
        await announce(ward, n, EventName.PATIENT_ALERT, data, **where)
    notice = {"hospital_id": "h1", "severity": "critical", "message": "fire", "data": {}}
    await announce(ward, 25, EventName.HOSPITAL_ALERT, notice)
    for room in ("patient:p1:alerts", "ward:h1:w1:alerts", "hospital:h1:alerts"):
        found = await state(ward, room)
        assert [(each["episode_id"], each["state"]) for each in found["episodes"]] == [
            ("open", "open"),
            ("ended", "ended"),
        ]
        assert found["episodes"][0]["message"] == "last"
        assert found["episodes"][0]["data"] == {"systolic": 150}
        assert [each["data"]["message"] for each in found["notices"]] == (["fire"] if "hospital" in room else [])


async def test_alerts_after_n_are_not_in_it(ward: Record):
    """Delivery rule 26: a state is of one N; here the transaction that reads sees no row beyond it."""
    await stand_at(ward, 7)
    latest = await Latest(ward.engine).states("h1", ["patient:p1:alerts"])
    assert (latest.record_epoch, latest.n) == (1, 7)
    assert latest.covers(1, 7)
    assert not latest.covers(1, 8)
    assert not latest.covers(2, 7)


@pytest.mark.parametrize("room", ["system:alerts", "admin:updates", "patient:p1:waveforms", "patient:nobody"])
async def test_rooms_without_a_state_have_none(ward: Record, room: str):
    assert await state(ward, room) is None
