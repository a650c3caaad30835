"""The registry's file: read strictly, applied once, and never against what people did since."""

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from hub.errors import ConfigurationError
from hub.record.engine import Engine
from hub.record.record import Record
from hub.record.schema import assignments, beds, devices, gateways, hospitals, patients, stays, wards
from hub.registry_file import RegistryFile, apply_registry, load_registry
from vitals.identifiers import DeviceKey, DeviceType

LONG = "x" * 60
WARD = """
[[hospitals]]
id = "h1"
name = "Spital Žižkov"
zone = "Europe/Prague"
wards = [{id = "w1", name = "Ward", beds = ["1", "2"]}, {id = "w2", name = "Other", beds = ["1", "2"]}]

[[hospitals]]
id = "h2"
name = "Two"

[[patients]]
id = "p1"
hospital = "h1"
name = "Ada"
record_number = "0001"
birth_date = 1980-02-29
sex = "female"
age_group = "adult"
ward = "w1"
bed = "1"

[[patients]]
id = "p2"
hospital = "h1"
name = "Bob"
record_number = "0002"
age_group = "neonate"

[[patients]]
id = "p3"
hospital = "h2"
name = "Eve"
record_number = "0003"
age_group = "child"

[[gateways]]
id = "gw-1"
hospital = "h1"

[[devices]]
type = "pulse_oximeter"
id = "OX-1"
gateway = "gw-1"
patient = "p1"

[[devices]]
type = "thermometer"
id = "OX-1"
gateway = "gw-1"
"""
OXIMETER = DeviceKey(device_type=DeviceType.PULSE_OXIMETER, device_id="OX-1")


def load(folder: Path, text: str) -> RegistryFile:
    path = folder / "registry.toml"
    path.write_text(text, encoding="utf-8")
    return load_registry(path)


@pytest.fixture
def content(tmp_path: Path) -> RegistryFile:
    return load(tmp_path, WARD)


@pytest.fixture
async def record(database_url: str) -> AsyncIterator[Record]:
    opened = await Record.open(database_url, clock=lambda: datetime.now(UTC))
    yield opened
    await opened.close()


async def everything(engine: Engine) -> dict[str, list[Any]]:
    tables = (hospitals, wards, beds, patients, stays, gateways, devices, assignments)
    async with engine.reading() as connection:
        return {
            table.name: sorted(tuple(row) for row in await connection.execute(select(table)))
            for table in tables
            if table is not devices
        } | {"devices": sorted(tuple(row)[:4] for row in await connection.execute(select(devices)))}


async def test_what_a_file_says_is_what_the_registry_answers(record: Record, content: RegistryFile):
    await apply_registry(record.engine, content)
    hospital = await record.registry.hospital("h1")
    assert (hospital.name, hospital.zone, hospital.ward_ids) == ("Spital Žižkov", "Europe/Prague", ("w1", "w2"))
    assert (await record.registry.hospital("h2")).zone == "UTC"
    ada = await record.registry.patient("p1")
    assert (ada.hospital_id, ada.ward_id, ada.bed_id) == ("h1", "w1", "1")
    assert (await record.registry.patient("p2")).ward_id is None
    assert (await record.registry.device(OXIMETER)).patient == ada
    async with record.engine.reading() as connection:
        row = (await connection.execute(select(patients).where(patients.c.patient_id == "p1"))).mappings().one()
    known = {name: row[name] for name in ("name", "record_number", "birth_date", "sex", "age_group")}
    assert known == {
        "name": "Ada",
        "record_number": "0001",
        "birth_date": "1980-02-29",
        "sex": "female",
        "age_group": "adult",
    }


async def test_applying_it_again_changes_nothing(record: Record, content: RegistryFile):
    await apply_registry(record.engine, content)
    before = await everything(record.engine)
    await apply_registry(record.engine, content)
    assert await everything(record.engine) == before


async def test_hubs_that_start_together_apply_it_once(record: Record, content: RegistryFile, database_url: str):
    engines = [Engine(database_url) for _ in range(3)]
    await asyncio.gather(*(apply_registry(engine, content) for engine in engines))
    after = await everything(record.engine)
    assert {table: len(found) for table, found in after.items()} == {
        "hospitals": 2,
        "wards": 2,
        "beds": 4,
        "patients": 3,
        "stays": 1,
        "gateways": 1,
        "devices": 2,
        "assignments": 1,
    }
    for engine in engines:
        await engine.close()


async def test_what_people_did_since_stands(record: Record, content: RegistryFile):
    await apply_registry(record.engine, content)
    ended = datetime(2026, 11, 24, tzinfo=UTC)
    async with record.engine.writing() as connection:
        await connection.execute(update(stays).values(discharged=ended))
        await connection.execute(update(assignments).values(ends=ended))
        await connection.execute(update(patients).values(name="Renamed"))
    before = await everything(record.engine)
    await apply_registry(record.engine, content)
    assert await everything(record.engine) == before
    assert (await record.registry.patient("p1")).ward_id is None
    assert (await record.registry.device(OXIMETER)).patient is None


async def test_what_a_longer_file_adds_is_added(record: Record, content: RegistryFile, tmp_path: Path):
    await apply_registry(record.engine, content)
    added = '[[patients]]\nid = "p4"\nhospital = "h1"\nname = "New"\nrecord_number = "4"\nage_group = "adult"\n'
    longer = WARD.replace('beds = ["1", "2"]', 'beds = ["1", "2", "3"]') + added + 'ward = "w1"\nbed = "3"\n'
    await apply_registry(record.engine, load(tmp_path, longer))
    place = await record.registry.patient("p4")
    assert (place.ward_id, place.bed_id) == ("w1", "3")


async def test_nobody_is_put_into_a_bed_that_is_occupied_by_now(
    record: Record, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    await apply_registry(record.engine, load(tmp_path, WARD))
    moved = WARD.replace('ward = "w1"\nbed = "1"\n', "").replace('id = "p2"', 'id = "p5"\nward = "w1"\nbed = "1"')
    with caplog.at_level(logging.WARNING):
        await apply_registry(record.engine, load(tmp_path, moved))
    assert (await record.registry.patient("p1")).bed_id == "1"
    assert (await record.registry.patient("p5")).bed_id is None
    assert "w1:1 is occupied" in caplog.text
    assert "Bob" not in caplog.text


async def test_long_names_with_a_long_common_beginning_stay_apart(record: Record, tmp_path: Path):
    patient = '[[patients]]\nhospital = "h1"\nname = "x"\nrecord_number = "x"\nage_group = "adult"\nward = "w2"\n'
    device = '[[devices]]\ntype = "blood_pressure_monitor"\ngateway = "gw-1"\n'
    text = WARD
    for number in ("1", "2"):
        text += f'{patient}id = "{LONG}{number}"\nbed = "{number}"\n'
        text += f'{device}id = "{LONG}{number}"\npatient = "{LONG}{number}"\n'
    await apply_registry(record.engine, load(tmp_path, text))
    for number in ("1", "2"):
        key = DeviceKey(device_type=DeviceType.BLOOD_PRESSURE_MONITOR, device_id=f"{LONG}{number}")
        assert (await record.registry.device(key)).patient.bed_id == number


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('id = "h1"\nname', 'id = "system"\nname', r"hospitals\[0\]: 'system'"),
        ('id = "h2"', 'id = "h1"', r"hospitals\[1\]: 'h1' is there already"),
        ('id = "w2"', 'id = "w1"', r"hospitals\[0\]\.wards\[1\]: 'w1' is there already"),
        ('["1", "2"]', '["1", "1"]', r"hospitals\[0\]\.wards\[0\]\.beds\[1\]: '1' is there already"),
        ('id = "p2"', 'id = "p1"', r"patients\[1\]: 'p1' is there already"),
        ('id = "p1"\nhospital = "h1"', 'id = "p1"\nhospital = "h9"', r"patients\[0\]\.hospital: 'h9' is not declared"),
        ('bed = "1"', "", r"patients\[0\]: ward and bed go together"),
        ('bed = "1"', 'bed = "9"', r"patients\[0\]: there is no bed '9' in ward 'w1'"),
        ('ward = "w1"\n', 'ward = "w9"\n', r"patients\[0\]: there is no bed '1' in ward 'w9'"),
        ('name = "Bob"', 'name = "Bob"\nward = "w1"\nbed = "1"', r"patients\[1\]: bed '1' of ward 'w1' has another"),
        ('id = "gw-1"\nhospital = "h1"', 'id = "gw-1"\nhospital = "h9"', r"gateways\[0\]\.hospital: 'h9'"),
        ("[[gateways]]", '[[gateways]]\nid = "gw-1"\nhospital = "h1"\n[[gateways]]', r"gateways\[1\]: 'gw-1' is there"),
        ('gateway = "gw-1"\npatient', 'gateway = "gw-9"\npatient', r"devices\[0\]\.gateway: 'gw-9' is not declared"),
        ('patient = "p1"', 'patient = "p9"', r"devices\[0\]\.patient: 'p9' is not declared"),
        ('patient = "p1"', 'patient = "p3"', r"devices\[0\]\.patient: 'p3' is of another hospital"),
        ('type = "thermometer"', 'type = "pulse_oximeter"', r"devices\[1\]: 'pulse_oximeter:OX-1' is there already"),
        ('"Europe/Prague"', '"Mars"', r"hospitals\[0\]\.zone: 'Mars' is no time zone; try Europe/Berlin"),
        ('"Europe/Prague"', '"Europe"', r"hospitals\[0\]\.zone: 'Europe' is no time zone"),
        ('"Europe/Prague"', '"../zone"', r"hospitals\[0\]\.zone: '\.\./zone' is no time zone"),
        (
            'type = "thermometer"',
            'type = "oximeter"',
            r"devices\[1\]\.type: .*'oximeter'; there are .*, pulse_oximeter, ",
        ),
        ('age_group = "neonate"', 'age_group = "young"', r"age_group: .* 'young'; there are adult, child, neonate$"),
        ("1980-02-29", "1981-02-29", r"registry\.toml: "),
        ("1980-02-29", '"yesterday"', r"patients\[0\]\.birth_date"),
        ('name = "Bob"', f'name = "{"x" * 201}"', r"patients\[1\]\.name"),
        ('name = "Bob"', 'name = "Bob\\u0000"', r"patients\[1\]\.name"),
        ('name = "Bob"', 'name = ""', r"patients\[1\]\.name"),
        ('record_number = "0002"', "record_number = 2", r"patients\[1\]\.record_number"),
        ('id = "p2"', 'id = "p 2"', r"patients\[1\]\.id: must be 1 to 64 of the characters A-Z a-z 0-9 _ \. -$"),
        ('id = "p2"', f'id = "{"x" * 65}"', r"patients\[1\]\.id"),
        ('name = "Bob"', 'naem = "Bob"', r"naem|name"),
        ("[[gateways]]", "[[gateways]", r"registry\.toml: "),
    ],
)
def test_a_fault_is_named_with_its_place(tmp_path: Path, before: str, after: str, said: str):
    assert before in WARD
    with pytest.raises(ConfigurationError, match=said) as fault:
        load(tmp_path, WARD.replace(before, after, 1))
    assert str(fault.value).startswith("registry.toml")


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path: Path):
    with pytest.raises(ConfigurationError, match=r"nowhere\.toml can't be read"):
        load_registry(tmp_path / "nowhere.toml")
    (tmp_path / "registry.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match=r"registry\.toml"):
        load_registry(tmp_path / "registry.toml")


def test_an_empty_file_is_an_empty_registry(tmp_path: Path):
    assert load(tmp_path, "") == RegistryFile()
