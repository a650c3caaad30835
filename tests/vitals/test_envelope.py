import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitals import envelope
from vitals.envelope import (
    Acknowledgement,
    DeviceEvent,
    DeviceEventEntry,
    DeviceEventKind,
    GatewayState,
    Greeting,
    Lane,
    OutboxStarted,
    ReadingEntry,
    Rejection,
    RejectionReason,
    Tombstone,
    ranges_of,
)
from vitals.errors import InvalidEnvelope
from vitals.identifiers import DeviceKey, DeviceType
from vitals.parameters import Parameter, Vital
from vitals.readings import Reading, Reason, Replayed, measured_value, missing_value

NOON = datetime(2026, 11, 24, 12, 0, 0, 123456, tzinfo=UTC)
OXIMETER = DeviceKey(device_type=DeviceType.PULSE_OXIMETER, device_id="OX-1")
READING = Reading(
    data_type=Vital.SPO2,
    device=OXIMETER,
    values=(measured_value(Parameter.SPO2, 97), missing_value(Parameter.PERFUSION_INDEX, Reason.SEARCHING)),
    measured=NOON,
    received=NOON + timedelta(milliseconds=3),
    raw=bytes.fromhex("01e085b396c1e1ffff"),
    device_time=datetime(2026, 11, 24, 13, 0),
    stored=True,
    record=7,
    user=1,
    replayed=Replayed(recording="27411876", position_seconds=12.5, speed=60),
)
ENTRIES = [
    ReadingEntry(sequence=2, reading=READING),
    DeviceEventEntry(
        sequence=3, event=DeviceEvent(kind=DeviceEventKind.STATUS, device=OXIMETER, at=NOON, battery_percent=88)
    ),
    OutboxStarted(sequence=1, previous_epoch="e0", previous_top=41, at=NOON),
    Tombstone(sequence=4, at=NOON, reason="disk full"),
]


def batch(*entries: bytes, **changed: object) -> bytes:
    fields = {"gateway": "gw-1", "epoch": "e1", "record_epoch": 3, "lane": Lane.LIVE, "sent": NOON} | changed
    return envelope.encode_batch(**fields, entries=entries)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: type(entry).__name__)
def test_an_entry_arrives_as_it_was_sent(entry):
    decoded = envelope.decode_batch(batch(envelope.encode(entry)))
    assert (decoded.gateway, decoded.epoch, decoded.record_epoch, decoded.sent) == ("gw-1", "e1", 3, NOON)
    assert envelope.decode_entry(decoded.entries[0]) == entry


def test_decimals_travel_as_exact_json_numbers():
    warm = measured_value(Parameter.TEMPERATURE, Decimal("36.6"))
    assert b'"number":36.6' in envelope.encode(warm)


def test_one_bad_entry_keeps_its_sequence_and_spoils_no_other():
    good = envelope.encode(ENTRIES[0])
    decoded = envelope.decode_batch(batch(b'{"type":"reading","sequence":9,"reading":{}}', good, b'{"type":"x"}'))
    with pytest.raises(InvalidEnvelope) as refusal:
        envelope.decode_entry(decoded.entries[0])
    assert refusal.value.reason == RejectionReason.MALFORMED
    assert [envelope.entry_sequence(raw) for raw in decoded.entries] == [9, 2, None]
    assert envelope.decode_entry(decoded.entries[1]) == ENTRIES[0]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "malformed"),
        (b"\x00\xff", "malformed"),
        (b"[]", "malformed"),
        (b'{"v":1}', "malformed"),
        (b'{"v":2,"gateway":"gw"}', "unknown_version"),
        (b"[" * 100_000, "malformed"),
        (b'{"v":1,"x":' + b"[" * 100_000, "malformed"),
        (b'{"v":1,"gateway":"\xff\xfe"}', "malformed"),
        (b" " * (envelope.MAX_PAYLOAD_BYTES + 1), "oversized"),
    ],
)
def test_what_is_no_batch_is_refused_with_a_stable_reason(payload, reason):
    with pytest.raises(InvalidEnvelope) as refusal:
        envelope.decode_batch(payload)
    assert refusal.value.reason == reason


@pytest.mark.parametrize(
    "changed",
    [{"status": "x" * 101}, {"reason": "a\x00b"}, {"faults": ["a\n"]}, {"faults": ["f"] * 33}, {"battery_percent": -1}],
)
def test_a_device_says_short_words_without_control_characters(changed):
    event = DeviceEvent(kind=DeviceEventKind.STATUS, device=OXIMETER, at=NOON)
    document = msgspec.to_builtins(DeviceEventEntry(sequence=1, event=event))
    document["event"] |= changed
    with pytest.raises(InvalidEnvelope):
        envelope.decode_entry(msgspec.Raw(envelope.encode(document)))


def test_a_batch_has_a_bounded_number_of_entries():
    entry = envelope.encode(ENTRIES[3])
    envelope.decode_batch(batch(*[entry] * envelope.MAX_BATCH_ENTRIES))
    for entries in ([], [entry] * (envelope.MAX_BATCH_ENTRIES + 1)):
        with pytest.raises(InvalidEnvelope):
            envelope.decode_batch(batch(*entries))


def test_a_foreign_looking_gateway_id_is_refused():
    with pytest.raises(InvalidEnvelope):
        envelope.decode_batch(batch(envelope.encode(ENTRIES[0]), gateway="../+"))


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_undeclared(payload):
    for decode in (envelope.decode_batch, envelope.decode_from_hub, envelope.decode_state):
        try:
            decode(payload)
        except InvalidEnvelope:
            continue


@pytest.mark.parametrize(
    "message",
    [
        Acknowledgement(
            record_epoch=2,
            token=5,
            epoch="e1",
            committed=[(1, 4), (6, 6)],
            rejected=[Rejection(sequence=5, reason=RejectionReason.UNKNOWN_DEVICE)],
        ),
        Greeting(record_epoch=2, token=5, committed={"e1": [(1, 9)], "e0": []}),
    ],
)
def test_the_hubs_words_arrive_as_they_were_sent(message):
    assert envelope.decode_from_hub(envelope.encode(message)) == message


def test_a_state_carries_its_session():
    state = GatewayState(online=False, session=12, at=NOON, version="0.1.0")
    assert envelope.decode_state(envelope.encode(state)) == state


@given(st.lists(st.integers(min_value=1, max_value=60)))
def test_ranges_hold_exactly_the_sequences_and_are_the_fewest(sequences):
    ranges = ranges_of(sequences)
    assert {s for first, last in ranges for s in range(first, last + 1)} == set(sequences)
    assert all(later[0] > earlier[1] + 1 for earlier, later in itertools.pairwise(ranges))
