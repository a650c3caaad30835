"""Messages that no sound gateway sends, on a real broker: each refused with its reason, and the next sound one taken."""

from datetime import timedelta

import msgspec
import pytest

from hub.record.schema import devices, readings
from tests.hub.ingest.support import CUFF, SPARE, Gateway, entries, gateway, ingesting, now, pressure, rows
from tests.support.waiting import eventually
from vitals import envelope
from vitals.envelope import DeviceEvent, DeviceEventEntry, DeviceEventKind, OutboxStarted, RejectionReason, Tombstone
from vitals.topics import Channel

DEEP = b"[" * 100_000 + b"]" * 100_000
MESSAGES = {
    "nothing": (b"", "malformed"),
    "no JSON": (b"\x00\xffgarbage", "malformed"),
    "cut off": (b'{"v":1,"gateway":"gw-1","epoch":"e"', "malformed"),
    "not UTF-8": (b'{"v":1,"gateway":"\xff\xfe"}', "malformed"),
    "another version": (b'{"v":2}', "unknown_version"),
    "deep": (DEEP, "malformed"),
    "deep in a member of no name": (b'{"v":1,"x":' + DEEP + b"}", "malformed"),
    "oversized": (b" " * (envelope.MAX_PAYLOAD_BYTES + 1), "oversized"),
}


def reading_entry(sequence: int, **changed: object) -> dict:
    """A cuff's reading as JSON, with members changed."""
    document = msgspec.to_builtins(entries([pressure(120, 80)], first=sequence)[0])
    document["reading"] |= changed
    return document


def event_entry(sequence: int, **changed: object) -> dict:
    happened = DeviceEvent(kind=DeviceEventKind.STATUS, device=CUFF, at=now(), status="online")
    document = msgspec.to_builtins(DeviceEventEntry(sequence=sequence, event=happened))
    document["event"] |= changed
    return document


def value(number: object, **changed: object) -> dict:
    return {"parameter": "systolic", "number": number, "unit": "mm[Hg]"} | changed


DIASTOLIC = value(80, parameter="diastolic")
MALFORMED = {
    "not a number": {"values": [value("NaN"), DIASTOLIC]},
    "no finite number": {"values": [value("Infinity"), DIASTOLIC]},
    "a number of a million digits": {"values": [value("1e999999"), DIASTOLIC]},
    "a text": {"values": [value("high"), DIASTOLIC]},
    "another unit": {"values": [value(20, unit="kPa"), DIASTOLIC]},
    "missing without a reason": {"values": [value(None, quality="missing"), DIASTOLIC]},
    "half a pressure": {"values": [value(120)]},
    "twice": {"values": [value(120), value(121), DIASTOLIC]},
    "another vital": {"data_type": "temperature"},
    "no values": {"values": []},
    "no zone": {"measured": "2026-01-01T00:00:00"},
    "a record number that no column holds": {"record": 2**64},
    "a frame that no device sends": {"raw": "A" * 1000},
}
EVENTS = {
    "a status that no column holds": {"status": "x" * 101},
    "a status with a NUL": {"status": "on\x00line"},
    "a long reason": {"reason": "x" * 1000},
    "faults without end": {"faults": ["fault"] * 1000},
    "a battery over the top": {"battery_percent": 101},
}
TIMES = ["0001-01-01T00:00:00+14:00", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00"]


@pytest.fixture
async def road(database_url, redis_server, mosquitto_server, tmp_path):
    async with (
        ingesting(database_url, redis_server.url, mosquitto_server.port, tmp_path) as (record, _, ingest),
        gateway(mosquitto_server.port) as one,
    ):
        yield record, ingest, one


async def refused(one: Gateway, *documents: object) -> list[tuple[int, str]]:
    """What becomes of these entries, sent together with a sound reading, which must be taken."""
    good = entries([pressure(120, 80)], first=1000)
    await one.send(*documents, *good)
    acknowledged = await one.acknowledgement()
    assert acknowledged.committed == [(1000, 1000)]
    return [(rejection.sequence, rejection.reason) for rejection in acknowledged.rejected]


async def test_a_message_that_is_none_is_counted_with_its_reason_and_the_next_is_taken(road):
    _, ingest, one = road
    for payload, _ in MESSAGES.values():
        await one.send_bytes(payload)
    await one.send(*entries([pressure(120, 80)]), gateway="gw-2")
    assert await refused(one) == []
    expected = {"foreign_gateway": 1}
    for _, reason in MESSAGES.values():
        expected[reason] = expected.get(reason, 0) + 1
    assert ingest.counters.refused_from["gw-1"] == expected


async def test_an_entry_that_is_none_is_rejected_alone_and_answered(road):
    record, ingest, one = road
    bad = [reading_entry(n, **changed) for n, changed in enumerate(MALFORMED.values(), 1)]
    bad += [event_entry(n, **changed) for n, changed in enumerate(EVENTS.values(), 100)]
    assert await refused(one, *bad) == [(entry["sequence"], RejectionReason.MALFORMED) for entry in bad]
    assert ingest.counters.refused_from["gw-1"][RejectionReason.MALFORMED] == len(bad)
    assert len(await rows(record, readings)) == 1
    assert {row["status"] for row in await rows(record, devices)} == {"unknown"}


async def test_an_entry_without_a_sequence_is_counted_and_spoils_no_other(road):
    _, ingest, one = road
    assert await refused(one, {"type": "reading"}, [], 5, {"sequence": "one"}, {"sequence": 0}) == []
    assert ingest.counters.refused_from["gw-1"][RejectionReason.MALFORMED] == 5


async def test_a_time_that_no_clock_of_ours_says_is_refused(road):
    record, _, one = road
    ahead = (now() + timedelta(days=2)).isoformat()
    bad = [reading_entry(n, measured=at) for n, at in enumerate((*TIMES, ahead), 1)]
    bad += [reading_entry(n, received=at) for n, at in enumerate((*TIMES, ahead), 10)]
    bad += [event_entry(n, at=at) for n, at in enumerate((*TIMES, ahead), 20)]
    assert await refused(one, *bad) == [(entry["sequence"], RejectionReason.IMPOSSIBLE_TIME) for entry in bad]
    assert len(await rows(record, readings)) == 1


async def test_a_batch_sent_at_an_impossible_time_is_taken_when_the_clock_is_right(road):
    _, ingest, one = road
    reading = entries([pressure(120, 80)])
    await one.send(*reading, sent=now() + timedelta(days=2))
    await eventually(lambda: ingest.counters.refused_from["gw-1"][RejectionReason.IMPOSSIBLE_TIME] == 1)
    await one.send(*reading)
    assert (await one.acknowledgement()).committed == [(1, 1)]


async def test_a_loss_and_a_start_are_recorded_whatever_their_clock_says(road):
    _, _, one = road
    start = OutboxStarted(sequence=1, previous_epoch=None, previous_top=0, at=now())
    tombstone = Tombstone(sequence=2, at=now(), reason="disk full")
    documents = [msgspec.to_builtins(entry) | {"at": TIMES[0]} for entry in (start, tombstone)]
    await one.send(*documents, channel=Channel.EVENTS)
    assert (await one.acknowledgement()).committed == [(1, 2)]


async def test_a_gateway_that_no_hospital_has_is_refused(road, mosquitto_server):
    _, ingest, one = road
    async with gateway(mosquitto_server.port, "gw-3") as stranger:
        await stranger.send(*entries([pressure(120, 80)]))
        await eventually(lambda: ingest.counters.refused_from["gw-3"] == {RejectionReason.UNKNOWN_GATEWAY: 1})
    assert await refused(one) == []


async def test_a_device_that_is_not_registered_is_refused(road):
    _, _, one = road
    stranger = msgspec.structs.replace(SPARE, device_id="TH-404")
    event = DeviceEventEntry(sequence=2, event=DeviceEvent(kind=DeviceEventKind.CONNECTED, device=stranger, at=now()))
    reading = reading_entry(1, device=msgspec.to_builtins(stranger))
    assert await refused(one, reading, event) == [(n, RejectionReason.UNKNOWN_DEVICE) for n in (1, 2)]
