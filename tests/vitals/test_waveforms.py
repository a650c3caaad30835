"""Chunks and batches of waveforms: what they may hold, and what becomes of bytes that are none."""

from datetime import UTC, datetime

import msgspec
import pytest

from vitals.envelope import RejectionReason
from vitals.errors import InvalidEnvelope
from vitals.identifiers import DeviceKey, DeviceType
from vitals.waveform_envelope import (
    MAX_CHUNKS,
    MAX_WAVEFORM_BYTES,
    decode_chunk,
    decode_waveforms,
    encode_chunk,
    encode_waveforms,
)
from vitals.waveforms import MAX_SAMPLES, SampleChunk, Signal

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
OXIMETER = DeviceKey(device_type=DeviceType.PULSE_OXIMETER, device_id="ox-1")
CHUNK = SampleChunk(
    device=OXIMETER, signal=Signal.PLETHYSMOGRAM, started=NOON, rate_hz=60.0, low=0, high=127, samples=(1, None, 127)
)
GOOD = msgspec.json.decode(encode_chunk(CHUNK))
BATCH = {"v": 1, "gateway": "gw-1", "sent": "2026-03-01T12:00:00Z", "chunks": [GOOD]}


def test_a_batch_comes_back_as_it_was_sent():
    gap = msgspec.structs.replace(CHUNK, gap_before=True)
    payload = encode_waveforms(gateway="gw-1", sent=NOON, chunks=[encode_chunk(CHUNK), encode_chunk(gap)])
    batch = decode_waveforms(payload)
    assert (batch.gateway, batch.sent) == ("gw-1", NOON)
    assert [decode_chunk(raw) for raw in batch.chunks] == [CHUNK, gap]


@pytest.mark.parametrize(
    "changed",
    [
        {"samples": []},
        {"samples": [1] * (MAX_SAMPLES + 1)},
        {"samples": [128]},
        {"samples": [-1]},
        {"samples": [1.5]},
        {"samples": ["1"]},
        {"samples": None},
        {"rate_hz": 0},
        {"rate_hz": -60},
        {"rate_hz": 1001},
        {"rate_hz": "NaN"},
        {"low": 127},
        {"low": 5, "samples": [4]},
        {"high": 65536},
        {"signal": "hum"},
        {"device": {"device_type": "pulse_oximeter", "device_id": "a b"}},
        {"started": "noon"},
        {"started": "2026-03-01T12:00:00"},
    ],
)
def test_a_chunk_that_can_not_be_is_malformed(changed: dict):
    decode_chunk(msgspec.Raw(msgspec.json.encode(GOOD)))
    with pytest.raises(InvalidEnvelope, match=RejectionReason.MALFORMED):
        decode_chunk(msgspec.Raw(msgspec.json.encode(GOOD | changed)))


@pytest.mark.parametrize("text", [b"NaN", b"Infinity", b"1e999", b"-Infinity"])
def test_a_rate_that_is_not_finite_is_malformed(text: bytes):
    body = encode_chunk(CHUNK).replace(b'"rate_hz":60.0', b'"rate_hz":' + text)
    assert text in body
    with pytest.raises(InvalidEnvelope, match=RejectionReason.MALFORMED):
        decode_chunk(msgspec.Raw(body))


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "malformed"),
        (b"\xff\xfe", "malformed"),
        (b"[" * 100_000, "oversized"),
        (b"[" * 60_000, "malformed"),
        (b"[]", "malformed"),
        (msgspec.json.encode(BATCH | {"v": 2}), "unknown_version"),
        (msgspec.json.encode(BATCH | {"chunks": []}), "malformed"),
        (msgspec.json.encode(BATCH | {"chunks": [0] * (MAX_CHUNKS + 1)}), "malformed"),
        (msgspec.json.encode(BATCH | {"gateway": "a/b"}), "malformed"),
        (msgspec.json.encode(BATCH) + b" " * MAX_WAVEFORM_BYTES, "oversized"),
    ],
)
def test_bytes_that_are_no_batch_are_refused(payload: bytes, reason: str):
    with pytest.raises(InvalidEnvelope) as refusal:
        decode_waveforms(payload)
    assert refusal.value.reason == reason


def test_one_bad_chunk_spoils_no_other():
    payload = msgspec.json.encode(BATCH | {"chunks": [{"none": 1}, GOOD]})
    bad, good = decode_waveforms(payload).chunks
    assert decode_chunk(good) == CHUNK
    with pytest.raises(InvalidEnvelope):
        decode_chunk(bad)
