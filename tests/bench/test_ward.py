"""The ward's batches are what the hub takes, and hold as many alerts as they say."""

from datetime import UTC, datetime, timedelta

from bench.ward import BATCH, HOSPITAL, batches, patient, registry
from hub.alerts.judging import Judge
from hub.alerts.rules import load_rules
from vitals.envelope import ReadingEntry, decode_batch, decode_entry
from vitals.readings import Reading

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
READINGS = 2000


def readings() -> list[Reading]:
    sent = batches(READINGS, epoch="e1", record_epoch=1, at=NOON)
    entries = [decode_entry(raw) for batch in sent for raw in decode_batch(batch.payload).entries]
    assert all(isinstance(entry, ReadingEntry) for entry in entries)
    assert [entry.sequence for entry in entries] == list(range(1, READINGS + 1))
    return [entry.reading for entry in entries]


def test_batches_are_full_and_in_sequence():
    assert [batch.count for batch in batches(120, epoch="e1", record_epoch=1, at=NOON)] == [BATCH, BATCH, 20]
    assert len(readings()) == READINGS


def test_alerts_are_as_many_as_the_rules_raise():
    ids = iter(range(READINGS))
    judge = Judge(load_rules(None), [], lambda: str(next(ids)))
    raised = [
        judgement
        for reading in readings()
        for judgement in judge.judge(reading, patient(int(reading.device.device_id[-3:])))
        if judgement.alert
    ]
    said = sum(batch.alerts for batch in batches(READINGS, epoch="e1", record_epoch=1, at=NOON))
    assert len(raised) == said > 0


def test_no_two_readings_of_a_device_are_taken_for_one():
    """By the identity under which the hub knows a resent measurement, in one run and in the next."""
    later = batches(READINGS, epoch="e2", record_epoch=1, at=NOON + timedelta(milliseconds=50))
    again = [decode_entry(raw).reading for batch in later for raw in decode_batch(batch.payload).entries]
    timed = [reading for reading in readings() + again if reading.device_time]
    assert len({(reading.device, reading.device_time, reading.raw) for reading in timed}) == len(timed) > 0


def test_every_device_of_the_readings_is_registered_with_a_patient():
    held = {(device["type"], device["id"]) for device in registry()["devices"] if device["patient"]}
    assert {(reading.device.device_type.value, reading.device.device_id) for reading in readings()} <= held
    assert [hospital["id"] for hospital in registry()["hospitals"]] == [HOSPITAL]
