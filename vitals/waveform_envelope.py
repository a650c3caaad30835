"""What a gateway publishes on `waveforms`, at QoS 0: a batch of chunks, each decoded by itself so that a bad one spoils no other.

Nothing of it has a sequence and nothing is acknowledged: a batch that is lost is a gap in the drawing.
"""

from collections.abc import Iterable
from typing import Annotated, Final, Literal

import msgspec

from vitals.envelope import UNDECODABLE, RejectionReason, encode, refusal_of
from vitals.errors import InvalidEnvelope
from vitals.identifiers import GatewayId
from vitals.readings import Instant
from vitals.waveforms import SampleChunk

MAX_WAVEFORM_BYTES: Final = 64 * 1024
"""Of one batch; a security limit."""
MAX_CHUNKS: Final = 256


class WaveformBatch(msgspec.Struct, frozen=True, kw_only=True):
    """Chunks of one gateway, not yet decoded (see `decode_chunk`). `sent` is the gateway's clock when it was sent."""

    v: Literal[1]
    gateway: GatewayId
    sent: Instant
    chunks: Annotated[list[msgspec.Raw], msgspec.Meta(min_length=1, max_length=MAX_CHUNKS)]


_decode_batch = msgspec.json.Decoder(WaveformBatch).decode
_decode_chunk = msgspec.json.Decoder(SampleChunk).decode


def encode_chunk(chunk: SampleChunk) -> bytes:
    """A chunk as it stands in a batch."""
    return encode(chunk)


def encode_waveforms(*, gateway: GatewayId, sent: Instant, chunks: Iterable[bytes]) -> bytes:
    """A batch of chunks that `encode_chunk` has made."""
    return encode(WaveformBatch(v=1, gateway=gateway, sent=sent, chunks=[msgspec.Raw(chunk) for chunk in chunks]))


def decode_waveforms(payload: bytes) -> WaveformBatch:
    """A batch, its chunks raw. Raises InvalidEnvelope."""
    if len(payload) > MAX_WAVEFORM_BYTES:
        raise InvalidEnvelope("oversized")
    try:
        return _decode_batch(payload)
    except UNDECODABLE as error:
        raise refusal_of(payload) from error


def decode_chunk(raw: msgspec.Raw) -> SampleChunk:
    """One chunk of a batch. Raises InvalidEnvelope."""
    try:
        return _decode_chunk(raw)
    except UNDECODABLE as error:
        raise InvalidEnvelope(RejectionReason.MALFORMED) from error
