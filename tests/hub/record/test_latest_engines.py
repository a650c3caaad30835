"""The statements that read the latest state, on each engine: their answers are the same."""

import pytest

from hub.record.record import Record
from tests.hub.record.test_latest import (
    CUFF,
    NOON,
    OXIMETER,
    VITALS,
    announce,
    episode,
    measure,
    pressure,
    spo2,
    stand_at,
    state,
    ward,
)
from vitals.events import EventName
from vitals.parameters import Vital

__all__ = ["ward"]
pytestmark = pytest.mark.slow


async def test_each_engine_finds_the_newest_values_the_open_episodes_and_who_lies_where(ward: Record):
    await measure(ward, CUFF, Vital.BLOOD_PRESSURE, 1, *pressure(101))
    wrong = await measure(ward, CUFF, Vital.BLOOD_PRESSURE, 4, *pressure(104))
    await measure(ward, CUFF, Vital.BLOOD_PRESSURE, 4, *pressure(140), replaces=wrong)
    await measure(ward, CUFF, Vital.BLOOD_PRESSURE, 5, *pressure(105), withdrawn=NOON)
    await measure(ward, OXIMETER, Vital.SPO2, 9, spo2(97))
    await stand_at(ward, 30)
    await episode(ward, "open")
    alert = {"patient_id": "p1", "episode_id": "open", "severity": "warning", "message": "high", "data": {}}
    await announce(ward, 20, EventName.PATIENT_ALERT, alert, ward_ids=("w1",), patient_id="p1")
    values = await state(ward, VITALS)
    assert (values["blood_pressure"]["systolic"], values["spo2"]) == (140, 97)
    assert (await state(ward, "ward:h1:w1:vitals"))["patients"] == [values]
    (found,) = (await state(ward, "patient:p1:alerts"))["episodes"]
    assert (found["state"], found["message"]) == ("open", "high")
    assert [bed["patient_id"] for bed in (await state(ward, "hospital:h1"))["beds"]] == ["p1", None]
    assert (await state(ward, f"device:{CUFF}"))["data"]["values"]["systolic"] == 140
    assert len((await state(ward, "hospital:h1:devices"))["devices"]) == 2
