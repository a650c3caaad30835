"""Plans of a ward."""

import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from simulators.errors import InvalidPlan
from simulators.plan import CUFF, GUIDE_PATIENT, default_plan, faults, load_plan
from simulators.recording import load
from vitals.identifiers import DeviceType

BED = """
hospital_id = "h-1"
ward_id = "w-1"
[[beds]]
bed = "101"
patient_id = "p-1"
stay = "27411876"
devices = [{ device_id = "BP-101", model = "sig-blood-pressure", address = "C0:00:00:00:01:00" }]
"""


def refused(tmp_path: Path, text: str) -> str:
    path = tmp_path / "ward.toml"
    path.write_text(text)
    with pytest.raises(InvalidPlan) as refusal:
        load_plan(path)
    return str(refusal.value)


def test_every_bed_of_the_default_ward_has_a_device_of_each_kind():
    plan = default_plan()
    assert len(plan.beds) >= 4
    for bed in plan.beds:
        assert {device.device_type for device in bed.devices} == {
            DeviceType.BLOOD_PRESSURE_MONITOR,
            DeviceType.THERMOMETER,
            DeviceType.PULSE_OXIMETER,
        }
    oximeters = {device.model for bed in plan.beds for device in bed.devices if device.transport == "serial"}
    assert oximeters == {"contec-v7", "nonin-df2", "nonin-df8"}


def test_the_default_ward_has_no_faults():
    assert list(faults(default_plan())) == []


def test_the_guides_patient_replays_the_stay_with_the_high_pressures():
    (bed,) = (bed for bed in default_plan().beds if bed.patient_id == GUIDE_PATIENT)
    assert bed.stay == "27411876"


@pytest.mark.parametrize("bed", default_plan().beds, ids=lambda bed: bed.bed)
def test_pressures_come_often_enough_where_each_bed_begins(bed):
    """In the first ten minutes of real time: every half minute or more often."""
    start, end = bed.position_seconds, bed.position_seconds + 600 * default_plan().speed
    places = [
        row.position_seconds for row in load(bed.stay).rows if row.systolic and start < row.position_seconds < end
    ]
    assert len(places) >= 20


def test_a_plan_is_read(tmp_path: Path):
    path = tmp_path / "ward.toml"
    path.write_text(BED + '[[orders]]\nafter_seconds = 1\norder = { do = "fail", device_id = "BP-101" }\n')
    plan = load_plan(path)
    assert plan.beds[0].devices[0].model == CUFF
    assert plan.orders[0].every_seconds is None
    assert msgspec.convert(tomllib.loads(path.read_text()), type(plan)) == plan


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("27411876", "1"), "beds[0].stay: there is no recording of 1"),
        (("C0:00:00:00:01:00", "00:00:00:00:01:00"), "BP-101: address must be a static random one"),
        ((', address = "C0:00:00:00:01:00"', ""), "BP-101: address must be"),
        (("sig-blood-pressure", "nonin-df2"), "BP-101: a serial device has no address"),
        (
            ("sig-blood-pressure", "unheard-of"),
            "BP-101: model: there is no simulated 'unheard-of'; docs/device-support.md",
        ),
        (("sig-blood-pressure", "nonin-df9"), "there is no simulated 'nonin-df9'; did you mean nonin-df"),
        (("sig-blood-pressure", "beurer-bm58"), "there is no simulated 'beurer-bm58'; did you mean beurer-bm65"),
        (("sig-blood-pressure", 'temp-sitter", colour = "red'), "colour"),
        (("hospital_id", "hospital"), "hospital"),
        (("[[beds]]", "[[beds"), "ward.toml"),
    ],
)
def test_what_can_not_be_is_named(tmp_path: Path, change: tuple[str, str], said: str):
    assert re.search(re.escape(said), refused(tmp_path, BED.replace(*change)))


def test_a_device_that_is_there_twice_is_named(tmp_path: Path):
    device = '{ device_id = "BP-101", model = "sig-blood-pressure", address = "C0:00:00:00:01:00" }'
    message = refused(tmp_path, BED.replace(device, f"{device}, {device}"))
    assert "BP-101 is there twice" in message


def test_a_plan_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(InvalidPlan, match=r"ward\.toml"):
        load_plan(tmp_path / "ward.toml")
