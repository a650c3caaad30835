"""A reading that was recorded is the reading that came, exactly, on each engine."""

from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy import insert, select

from hub.record.record import Record
from hub.record.rows import reading_columns, reading_of, shown
from hub.record.schema import announcements, readings
from tests.hub.record import strategies
from vitals.envelope import ReadingEntry, decode_entry, encode
from vitals.identifiers import DeviceKey, DeviceType
from vitals.parameters import Parameter, Vital
from vitals.readings import Reading, measured_value

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
SAME_DATABASE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)


async def recorded(record: Record, reading: Reading) -> Reading:
    """Written in one transaction, and what another one reads."""
    beside = {
        "hospital_id": "h1",
        "outbox_epoch": "e1",
        "sequence": 2**63 - 1,
        "committed": NOON,
        "late": False,
    }
    async with record.engine.writing() as connection:
        done = await connection.execute(insert(readings).values(**reading_columns(reading), **beside))
        (reading_id,) = done.inserted_primary_key
    async with record.engine.reading() as connection:
        found = await connection.execute(select(readings).where(readings.c.reading_id == reading_id))
        return reading_of(found.mappings().one())


@SAME_DATABASE
@given(strategies.readings())
async def test_a_reading_comes_back_as_it_came_over_the_wire(record: Record, reading: Reading):
    entry = decode_entry(msgspec.Raw(encode(ReadingEntry(sequence=1, reading=reading))))
    assert isinstance(entry, ReadingEntry)
    back = await recorded(record, entry.reading)
    assert back == entry.reading == reading
    assert encode(back.values) == encode(entry.reading.values), "equal numbers can be written in several ways"


@pytest.mark.parametrize(
    "measured",
    [
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 3, 29, 1, 0, 0, 1, tzinfo=UTC),
        datetime.fromisoformat("2026-10-25T02:30:00.123456+02:00"),
        datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    ],
)
async def test_an_instant_is_kept_to_the_microsecond(record: Record, measured: datetime):
    cuff = DeviceKey(device_type=DeviceType.BLOOD_PRESSURE_MONITOR, device_id="D-1")
    reading = Reading(
        data_type=Vital.TEMPERATURE,
        device=cuff,
        values=(measured_value(Parameter.TEMPERATURE, Decimal("36.60")),),
        measured=measured,
        received=measured,
        raw=b"",
    )
    back = await recorded(record, reading)
    assert (back.measured, back.received) == (measured, measured)
    assert back.measured.utcoffset() is not None


async def test_text_is_kept_as_it_is(record: Record):
    """Beyond the basic plane too; a quote or a backslash is only a character."""
    said = "Žižkov 😷 ' \" \\ %s :name \u2028"
    row = {"hospital_id": "h1", "n": 1, "event": "x", "event_id": "x", "scope": "{}", "at": NOON, "test": False}
    async with record.engine.writing() as connection:
        await connection.execute(insert(announcements).values(**row, late=False, event_data=said))
    async with record.engine.reading() as connection:
        assert await connection.scalar(select(announcements.c.event_data)) == said


@pytest.mark.parametrize(("number", "text"), [(Decimal("36.6"), "36.6"), (Decimal(0), "0"), (None, "-")])
def test_a_missing_number_is_shown_as_a_dash(number: Decimal | None, text: str):
    assert shown(number) == text
