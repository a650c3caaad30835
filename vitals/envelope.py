"""The MQTT payloads between a gateway and the hub: versioned JSON, decoded and validated by msgspec.

A batch carries entries of one outbox epoch in increasing sequence. Its entries are decoded one by one, so that a single bad
entry is rejected under its own sequence and never holds up the others.
"""

from collections.abc import Iterable
from collections.abc import Sequence as Entries
from enum import StrEnum, unique
from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from vitals.errors import InvalidEnvelope
from vitals.identifiers import DeviceKey, GatewayId, OutboxEpoch, Sequence
from vitals.readings import Instant, Reading, Word

VERSION: Final = 1
MAX_PAYLOAD_BYTES: Final = 256 * 1024
MAX_BATCH_ENTRIES: Final = 500
MAX_FAULTS: Final = 32

RecordEpoch: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]  # 0: none seen yet
OwnerToken: TypeAlias = Annotated[int, msgspec.Meta(ge=1)]
Range: TypeAlias = tuple[Sequence, Sequence]  # first and last, both included


@unique
class Lane(StrEnum):
    """Live entries first; what an outage left behind follows beside them at a bounded rate."""

    LIVE = "live"
    BACKLOG = "backlog"


@unique
class DeviceEventKind(StrEnum):
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    STATUS = "status"  # the device's own words: battery, faults
    FAULT = "fault"  # what it sent was refused, or it does not answer


@unique
class RejectionReason(StrEnum):
    """Why the hub set an entry aside. Final within a record epoch."""

    MALFORMED = "malformed"
    UNKNOWN_VERSION = "unknown_version"
    UNKNOWN_GATEWAY = "unknown_gateway"
    UNKNOWN_DEVICE = "unknown_device"
    OTHER_GATEWAY = "other_gateway"  # the device belongs to another gateway
    IMPOSSIBLE_TIME = "impossible_time"


class DeviceEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that happened to a device or its link. `status` is what clients see (`online`, `offline`, `idle`, `fault`)."""

    kind: DeviceEventKind
    device: DeviceKey
    at: Instant
    status: Word | None = None
    reason: Word | None = None
    battery_percent: Annotated[int, msgspec.Meta(ge=0, le=100)] | None = None
    faults: Annotated[tuple[Word, ...], msgspec.Meta(max_length=MAX_FAULTS)] = ()


class ReadingEntry(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="reading"):
    sequence: Sequence
    reading: Reading


class DeviceEventEntry(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="device_event"):
    sequence: Sequence
    event: DeviceEvent


class OutboxStarted(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="outbox_started"):
    """The first entry of every outbox epoch (delivery rule 2): which epoch came before, and the last sequence it gave out."""

    sequence: Sequence
    previous_epoch: OutboxEpoch | None
    previous_top: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    at: Instant


class Tombstone(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="tombstone"):
    """Stands under the sequence of an entry that was evicted before it was acknowledged (delivery rule 3)."""

    sequence: Sequence
    at: Instant
    reason: Word


Entry: TypeAlias = ReadingEntry | DeviceEventEntry | OutboxStarted | Tombstone


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """What a gateway publishes on `readings` and `events`; entries not yet decoded (see `decode_entry`).

    `record_epoch` is the highest that the gateway has seen, `sent` its clock when this copy was sent.
    """

    v: Literal[1]
    gateway: GatewayId
    epoch: OutboxEpoch
    record_epoch: RecordEpoch
    lane: Lane
    sent: Instant
    entries: Annotated[list[msgspec.Raw], msgspec.Meta(min_length=1, max_length=MAX_BATCH_ENTRIES)]


class Rejection(msgspec.Struct, frozen=True, kw_only=True):
    sequence: Sequence
    reason: RejectionReason


class Acknowledgement(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="acknowledgement"):
    """Fate of entries of one outbox epoch, sent only after the transaction that decided it (delivery rules 10 and 14)."""

    v: Literal[1] = 1
    record_epoch: RecordEpoch
    token: OwnerToken
    epoch: OutboxEpoch
    committed: list[Range]
    rejected: list[Rejection] = []


class Greeting(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="greeting"):
    """A new owner's word to a gateway: what is committed of each outbox epoch it knows; the gateway resends the rest at once."""

    v: Literal[1] = 1
    record_epoch: RecordEpoch
    token: OwnerToken
    committed: dict[OutboxEpoch, list[Range]]


class GatewayState(msgspec.Struct, frozen=True, kw_only=True):
    """Retained on `state`, and left as the Will with `online` false. A state of a lower `session` than one seen is void."""

    v: Literal[1] = 1
    online: bool
    session: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
    at: Instant
    version: Word = ""


class _SequenceOnly(msgspec.Struct):
    sequence: Sequence


class _VersionOnly(msgspec.Struct):
    v: int


encode = msgspec.json.Encoder(decimal_format="number").encode
"""JSON bytes of any envelope, reading or entry; decimals as JSON numbers, instants as RFC 3339."""

_decode_batch = msgspec.json.Decoder(Batch).decode
_entries: Final[msgspec.json.Decoder[Entry]] = msgspec.json.Decoder(Entry)
_from_hub: Final[msgspec.json.Decoder[Acknowledgement | Greeting]] = msgspec.json.Decoder(Acknowledgement | Greeting)
_decode_state = msgspec.json.Decoder(GatewayState).decode
_decode_sequence = msgspec.json.Decoder(_SequenceOnly).decode
_decode_version = msgspec.json.Decoder(_VersionOnly).decode
UNDECODABLE: Final = (ValueError, RecursionError)
"""All that msgspec raises for bytes: its own errors, UnicodeDecodeError, and what is nested too deep."""


def encode_batch(
    *, gateway: GatewayId, epoch: OutboxEpoch, record_epoch: int, lane: Lane, sent: Instant, entries: Iterable[bytes]
) -> bytes:
    """A batch of entries that are JSON already, as the outbox keeps them."""
    raw = [msgspec.Raw(entry) for entry in entries]
    return encode(
        Batch(v=1, gateway=gateway, epoch=epoch, record_epoch=record_epoch, lane=lane, sent=sent, entries=raw)
    )


def decode_batch(payload: bytes) -> Batch:
    """A batch, its entries raw. Raises InvalidEnvelope."""
    _check_size(payload)
    try:
        return _decode_batch(payload)
    except UNDECODABLE as error:
        raise refusal_of(payload) from error


def decode_entry(raw: msgspec.Raw) -> Entry:
    """One entry of a batch. Raises InvalidEnvelope; `entry_sequence` then says which one to reject."""
    try:
        return _entries.decode(raw)
    except UNDECODABLE as error:
        raise InvalidEnvelope(RejectionReason.MALFORMED) from error


def entry_sequence(raw: msgspec.Raw) -> int | None:
    """The sequence of an entry that may not decode otherwise; None where not even that can be read."""
    try:
        return _decode_sequence(raw).sequence
    except UNDECODABLE:
        return None


def decode_from_hub(payload: bytes) -> Acknowledgement | Greeting:
    """What the hub says on `ack`. Raises InvalidEnvelope."""
    _check_size(payload)
    try:
        return _from_hub.decode(payload)
    except UNDECODABLE as error:
        raise refusal_of(payload) from error


def decode_state(payload: bytes) -> GatewayState:
    """What a gateway, or its Will, says on `state`. Raises InvalidEnvelope."""
    _check_size(payload)
    try:
        return _decode_state(payload)
    except UNDECODABLE as error:
        raise refusal_of(payload) from error


def ranges_of(sequences: Entries[int]) -> list[Range]:
    """The fewest ranges that hold exactly these sequences."""
    ranges: list[Range] = []
    for sequence in sorted(set(sequences)):
        if ranges and ranges[-1][1] == sequence - 1:
            ranges[-1] = (ranges[-1][0], sequence)
        else:
            ranges.append((sequence, sequence))
    return ranges


def _check_size(payload: bytes) -> None:
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise InvalidEnvelope("oversized")


def refusal_of(payload: bytes) -> InvalidEnvelope:
    """Tell a payload of another version from one that is no payload of ours."""
    try:
        version = _decode_version(payload).v
    except UNDECODABLE:
        return InvalidEnvelope(RejectionReason.MALFORMED)
    known = version == VERSION
    return InvalidEnvelope(RejectionReason.MALFORMED if known else RejectionReason.UNKNOWN_VERSION)
