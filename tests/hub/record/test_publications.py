"""What clients are sent is derived from rows: the same bytes each time, and every N once, in order, however it is paged."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from hub.publication import Publication
from hub.record import publications
from hub.record.record import Record
from hub.record.rows import reading_columns
from hub.record.schema import announcements, readings
from hub.rooms.messages import body_of
from tests.hub.record import strategies
from vitals.envelope import ReadingEntry, decode_entry, encode
from vitals.events import EventName, Scope, rooms_of
from vitals.identifiers import DeviceKey, DeviceType
from vitals.parameters import Parameter, Vital
from vitals.readings import Reading, measured_value

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
CUFF = DeviceKey(device_type=DeviceType.BLOOD_PRESSURE_MONITOR, device_id="D-1")
TEMPERATURE = Reading(
    data_type=Vital.TEMPERATURE,
    device=CUFF,
    values=(measured_value(Parameter.TEMPERATURE, 37),),
    measured=NOON,
    received=NOON,
    raw=b"",
)
SAME_DATABASE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
kinds = st.lists(st.sampled_from(["assigned", "unassigned", "announcement"]), max_size=12)

_hospitals = iter(f"h{number}" for number in range(10**6))


def reading_row(hospital_id: str, n: int, reading: Reading = TEMPERATURE, *, patient_id: str | None) -> dict[str, Any]:
    return {
        **reading_columns(reading),
        "hospital_id": hospital_id,
        "gateway_id": "gw-1",
        "outbox_epoch": "e1",
        "sequence": n,
        "patient_id": patient_id,
        "ward_id": "w1" if patient_id else None,
        "committed": NOON + timedelta(microseconds=n),
        "late": False,
        "n_data": n,
        "n_vitals": n + 1 if patient_id else None,
    }


def announced_row(hospital_id: str, n: int) -> dict[str, Any]:
    return publications.announcement_row(
        hospital_id=hospital_id,
        n=n,
        event=EventName.HOSPITAL_ALERT,
        event_id=f"{hospital_id}-{n}",
        data={"hospital_id": hospital_id, "severity": "info", "message": f"Žižkov {n}", "data": {}},
        scope=Scope(hospital_id=hospital_id),
        at=NOON + timedelta(microseconds=n),
        test=n % 2 == 0,
    )


async def committed(record: Record, hospital_id: str, mixture: list[str]) -> list[Publication]:
    """Rows as an owner writes them, N by N; the messages as the owner had them in memory."""
    made: list[Publication] = []
    async with record.engine.writing() as connection:
        for kind in mixture:
            n = len(made) + 1
            if kind == "announcement":
                row = announced_row(hospital_id, n)
                await connection.execute(insert(announcements).values(**row))
                made.append(publications.of_announcement(row, 1))
            else:
                row = reading_row(hospital_id, n, patient_id="p1" if kind == "assigned" else None)
                await connection.execute(insert(readings).values(**row))
                made += publications.of_reading(row, 1)
    return made


async def read(record: Record, hospital_id: str, n: int, limit: int) -> list[Publication]:
    async with record.engine.reading() as connection:
        return await publications.after(connection, hospital_id, n, limit=limit, record_epoch=1)


@SAME_DATABASE
@given(kinds, st.integers(0, 26), st.integers(1, 5))
@example(["unassigned", "unassigned", "unassigned", "announcement", "announcement"], 1, 2)
@example(["unassigned", "assigned"], 1, 1)
@example(["assigned", "announcement"], 1, 1)
async def test_every_message_after_n_comes_once_and_in_order_at_every_limit(
    record: Record, mixture: list[str], start: int, limit: int
):
    """Delivery rules 16 and 19."""
    hospital_id = next(_hospitals)
    await committed(record, f"{hospital_id}-beside", ["assigned", "announcement"])
    made = await committed(record, hospital_id, mixture)
    n, pages = start, []
    while page := await read(record, hospital_id, n, limit):
        pages.append(page)
        n = page[-1].n
    assert [message for page in pages for message in page] == [message for message in made if message.n > start]
    assert all(len(page) == limit for page in pages[:-1])


@SAME_DATABASE
@given(strategies.readings(), st.sampled_from(["p1", None]))
async def test_a_message_derived_from_its_row_is_the_message_that_was_sent(
    record: Record, reading: Reading, patient_id: str | None
):
    """Delivery rule 19: the same bytes, whether it is published at once or after an outage."""
    entry = decode_entry(msgspec.Raw(encode(ReadingEntry(sequence=1, reading=reading))))
    assert isinstance(entry, ReadingEntry)
    hospital_id = next(_hospitals)
    row = reading_row(hospital_id, 1, entry.reading, patient_id=patient_id)
    async with record.engine.writing() as connection:
        await connection.execute(insert(readings).values(**row))
    sent = publications.of_reading(row, 1)
    again = [await read(record, hospital_id, 0, 10) for _ in range(2)]
    assert [[body_of(message) for message in messages] for messages in again] == [[body_of(m) for m in sent]] * 2
    assert all(msgspec.json.decode(message.data) for message in sent)


async def test_an_assigned_reading_is_two_messages_and_an_unassigned_one_is_one(record: Record):
    made = await committed(record, "h1", ["assigned", "unassigned"])
    assert [(message.n, message.event) for message in made] == [
        (1, EventName.DEVICE_DATA_UPDATE),
        (2, EventName.PATIENT_VITALS_UPDATE),
        (3, EventName.DEVICE_DATA_UPDATE),
    ]
    assert made[1].rooms == ("patient:p1:vitals", "ward:h1:w1:vitals")
    assert len({message.event_id for message in made}) == 3


async def test_an_announcement_keeps_event_rooms_and_whether_it_is_a_test(record: Record):
    (first, second) = await committed(record, "h1", ["announcement", "announcement"])
    assert await read(record, "h1", 0, 10) == [first, second]
    assert first.rooms == tuple(str(room) for room in rooms_of(EventName.HOSPITAL_ALERT, Scope(hospital_id="h1")))
    assert [message.test for message in (first, second)] == [False, True]


async def test_messages_carry_the_record_epoch_under_which_they_are_published(record: Record):
    """Delivery rules 5 and 20: not that of their commit."""
    await committed(record, "h1", ["assigned"])
    async with record.engine.reading() as connection:
        made = await publications.after(connection, "h1", 0, limit=10, record_epoch=7)
    assert [message.record_epoch for message in made] == [7, 7]
