"""Whose a reading is, and who lies where: the links and stays in force at a time, to the microsecond."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert

from hub.record.places import PatientPlace
from hub.record.record import Record
from hub.record.registry import Placement, capacity, load_placement
from hub.record.schema import assignments, beds, devices, gateways, hospitals, patients, stays, wards
from vitals.identifiers import DeviceKey, DeviceType

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)
HOUR = timedelta(hours=1)
CUFF = DeviceKey(device_type=DeviceType.BLOOD_PRESSURE_MONITOR, device_id="D-1")
OXIMETER = DeviceKey(device_type=DeviceType.PULSE_OXIMETER, device_id="D-1")
FOREIGN = DeviceKey(device_type=DeviceType.THERMOMETER, device_id="D-2")

_PATIENT = {"name": "x", "record_number": "1", "age_group": "adult"}
_BEDS = [("h1", "w1", "1"), ("h1", "w1", "2"), ("h1", "w2", "1"), ("h2", "w1", "1")]


@pytest.fixture
async def ward(record: Record) -> Record:
    """Two hospitals with a ward of the same name, three patients, three devices; nobody lies or holds anything yet."""
    async with record.engine.writing() as connection:
        await connection.execute(
            insert(hospitals), [{"hospital_id": h, "name": h, "zone": "UTC"} for h in ("h1", "h2")]
        )
        await connection.execute(
            insert(wards),
            [{"hospital_id": h, "ward_id": w, "name": w} for h, w in sorted({(h, w) for h, w, _ in _BEDS})],
        )
        await connection.execute(insert(beds), [{"hospital_id": h, "ward_id": w, "bed_id": b} for h, w, b in _BEDS])
        await connection.execute(
            insert(patients),
            [{"patient_id": p, "hospital_id": h} | _PATIENT for p, h in (("p1", "h1"), ("p2", "h1"), ("p3", "h2"))],
        )
        await connection.execute(insert(gateways).values(gateway_id="gw-1", hospital_id="h1"))
        await connection.execute(
            insert(devices),
            [
                {"device_type": key.device_type.value, "device_id": key.device_id, "hospital_id": h, "gateway_id": g}
                for key, h, g in ((CUFF, "h1", "gw-1"), (OXIMETER, "h1", "gw-1"), (FOREIGN, "h2", None))
            ],
        )
    return record


async def link(record: Record, device: DeviceKey, patient_id: str, starts: datetime, ends: datetime | None) -> None:
    async with record.engine.writing() as connection:
        await connection.execute(
            insert(assignments).values(
                assignment_id=f"{device.device_type}-{patient_id}-{starts:%H%M%S}",
                device_type=device.device_type.value,
                device_id=device.device_id,
                patient_id=patient_id,
                starts=starts,
                ends=ends,
                author="test",
            )
        )


async def stay(
    record: Record, patient_id: str, bed: tuple[str, str, str], admitted: datetime, discharged: datetime | None
) -> None:
    hospital_id, ward_id, bed_id = bed
    async with record.engine.writing() as connection:
        await connection.execute(
            insert(stays).values(
                stay_id=f"{patient_id}-{admitted:%H%M%S}",
                patient_id=patient_id,
                hospital_id=hospital_id,
                ward_id=ward_id,
                bed_id=bed_id,
                admitted=admitted,
                discharged=discharged,
                admitted_by="test",
            )
        )


async def placement(record: Record, hospital_id: str = "h1") -> Placement:
    async with record.engine.writing() as connection:
        return await load_placement(connection, hospital_id)


def holders(known: Placement, device: DeviceKey, times: Iterable[datetime]) -> list[str | None]:
    places = [known.patient_at(device, at) for at in times]
    return [place.patient_id if place else None for place in places]


async def test_a_link_holds_from_its_start_until_just_before_its_end(ward: Record):
    await link(ward, CUFF, "p1", NOON, NOON + HOUR)
    times = [NOON - INSTANT, NOON, NOON + HOUR - INSTANT, NOON + HOUR]
    assert holders(await placement(ward), CUFF, times) == [None, "p1", "p1", None]


async def test_a_link_without_an_end_holds_on(ward: Record):
    await link(ward, CUFF, "p1", NOON, None)
    assert holders(await placement(ward), CUFF, [NOON - INSTANT, NOON, NOON + 1000 * HOUR]) == [None, "p1", "p1"]


async def test_a_device_that_is_handed_on_is_at_every_instant_one_patients(ward: Record):
    await link(ward, CUFF, "p1", NOON, NOON + HOUR)
    await link(ward, CUFF, "p2", NOON + HOUR, None)
    times = [NOON + HOUR - INSTANT, NOON + HOUR, NOON + HOUR + INSTANT]
    assert holders(await placement(ward), CUFF, times) == ["p1", "p2", "p2"]


async def test_a_reading_from_before_the_device_was_handed_on_is_the_earlier_patients(ward: Record):
    """What counts is when it was measured, however late it comes."""
    await link(ward, CUFF, "p1", NOON, NOON + HOUR)
    await link(ward, CUFF, "p2", NOON + 2 * HOUR, None)
    times = [NOON, NOON + HOUR, NOON + 2 * HOUR]
    assert holders(await placement(ward), CUFF, times) == ["p1", None, "p2"]


async def test_devices_of_one_id_and_two_types_are_two(ward: Record):
    await link(ward, CUFF, "p1", NOON, None)
    await link(ward, OXIMETER, "p2", NOON, None)
    known = await placement(ward)
    assert holders(known, CUFF, [NOON]) + holders(known, OXIMETER, [NOON]) == ["p1", "p2"]


async def test_a_time_in_another_zone_is_the_same_instant(ward: Record):
    vienna = datetime.fromisoformat("2026-11-24T13:00:00+01:00")
    await link(ward, CUFF, "p1", vienna, None)
    assert holders(await placement(ward), CUFF, [NOON - INSTANT, NOON]) == [None, "p1"]


async def test_the_ward_is_the_one_where_the_patient_lay_when_it_was_measured(ward: Record):
    await link(ward, CUFF, "p1", NOON - HOUR, None)
    await stay(ward, "p1", ("h1", "w1", "1"), NOON, NOON + HOUR)
    await stay(ward, "p1", ("h1", "w2", "1"), NOON + HOUR, None)
    known = await placement(ward)
    times = [NOON - INSTANT, NOON, NOON + HOUR - INSTANT, NOON + HOUR]
    places = [known.patient_at(CUFF, at) for at in times]
    assert [(place.ward_id, place.bed_id) for place in places] == [(None, None), ("w1", "1"), ("w1", "1"), ("w2", "1")]
    assert {place.hospital_id for place in places} == {"h1"}


async def test_a_hospital_knows_nothing_of_another_ones_devices(ward: Record):
    await link(ward, FOREIGN, "p3", NOON, None)
    await stay(ward, "p3", ("h2", "w1", "1"), NOON, None)
    first, second = await placement(ward), await placement(ward, "h2")
    assert (first.device(FOREIGN), first.patient_at(FOREIGN, NOON)) == (None, None)
    assert second.patient_at(FOREIGN, NOON) == PatientPlace(patient_id="p3", hospital_id="h2", ward_id="w1", bed_id="1")


async def test_the_placement_knows_every_device_and_its_gateway(ward: Record):
    known = await placement(ward)
    assert [known.device(key).gateway_id for key in (CUFF, OXIMETER)] == ["gw-1", "gw-1"]
    assert (await placement(ward, "h2")).device(FOREIGN).gateway_id is None


async def test_a_patient_lies_where_the_stay_that_has_not_ended_says(ward: Record):
    assert await ward.registry.patient("p1") == PatientPlace(patient_id="p1", hospital_id="h1")
    await stay(ward, "p1", ("h1", "w1", "1"), NOON, NOON + HOUR)
    assert (await ward.registry.patient("p1")).ward_id is None
    await stay(ward, "p1", ("h1", "w2", "1"), NOON + HOUR, None)
    place = await ward.registry.patient("p1")
    assert (place.ward_id, place.bed_id) == ("w2", "1")
    assert place.scope.ward_ids == ("w2",)
    assert await ward.registry.patient("p404") is None


async def test_a_device_is_with_who_holds_it_now(ward: Record):
    assert (await ward.registry.device(CUFF)).patient is None
    await link(ward, CUFF, "p1", NOON - HOUR, NOON)
    assert (await ward.registry.device(CUFF)).patient is None
    await link(ward, CUFF, "p2", NOON, None)
    await stay(ward, "p2", ("h1", "w1", "2"), NOON, None)
    place = await ward.registry.device(CUFF)
    assert (place.hospital_id, place.gateway_id) == ("h1", "gw-1")
    assert place.patient == await ward.registry.patient("p2")
    assert (place.scope.device, place.scope.patient_id, place.scope.ward_ids) == (CUFF, "p2", ("w1",))
    assert await ward.registry.device(DeviceKey(device_type=DeviceType.GLUCOSE_METER, device_id="D-1")) is None


async def test_a_hospitals_patients_are_those_admitted_by_ward_and_bed(ward: Record):
    await stay(ward, "p2", ("h1", "w1", "1"), NOON, None)
    await stay(ward, "p1", ("h1", "w2", "1"), NOON, None)
    await stay(ward, "p3", ("h2", "w1", "1"), NOON, None)
    assert [place.patient_id for place in await ward.registry.patients("h1")] == ["p2", "p1"]
    assert await ward.registry.patients("h404") == ()


async def test_a_hospitals_devices_are_all_of_them_by_type_and_id(ward: Record):
    assert [place.device for place in await ward.registry.devices("h1")] == [CUFF, OXIMETER]
    assert [place.device for place in await ward.registry.devices("h2")] == [FOREIGN]


async def test_the_capacity_is_beds_in_all_and_beds_occupied_now(ward: Record):
    await stay(ward, "p1", ("h1", "w1", "1"), NOON, NOON + HOUR)
    await stay(ward, "p2", ("h1", "w1", "2"), NOON, None)
    await stay(ward, "p3", ("h2", "w1", "1"), NOON, None)
    async with ward.engine.reading() as connection:
        assert await capacity(connection, "h1") == (3, 1)
        assert await capacity(connection, "h2") == (1, 1)
        assert await capacity(connection, "h404") == (0, 0)


async def test_hospitals_and_gateways_are_all_that_are_registered(ward: Record):
    assert sorted(await ward.registry.hospital_ids()) == ["h1", "h2"]
    assert await ward.registry.gateway_hospitals() == {"gw-1": "h1"}
    assert await ward.registry.hospital("h404") is None
