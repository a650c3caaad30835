"""What a Contec oximeter of protocol V7.0 answers: who it is, what it has recorded, whether it did as it was told.

Source: Contec, "Communication protocol of pulse oximeter V7.0", 2010, tables 2 and 4 to 7 (in albertcbraun/CMS50FW). Users and segments count from 0.
A text is of at most so many bytes, ended by a 0. Each class has the bytes of its packet side by side; how packets are made is in `contec_v7_packets`.
"""

from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Final, Self

from device_drivers.bounds import or_marker, within
from device_drivers.errors import Malformed
from device_drivers.oximeters import contec_v7_packets as v7
from device_drivers.oximeters.contec_v7_packets import PACKET_LENGTHS, pack, percent, spo2_byte

FAULTS: Final = MappingProxyType(
    {1: "shut_down", 2: "user_changed", 3: "recording", 4: "delete_failed", 5: "command_unsupported"}
)
"""Why the device did not carry out a command, or leaves; 0 says that it did."""
UNSUPPORTED: Final = 5
SAMPLES_OF_PACKET: Final = 3
_BYTE: Final = 0xFF
_STORED_NOTICE: Final = 1
_LAST: Final = 99
"""The highest century, and year of one."""


def _values(kind: int, data: bytes) -> bytes:
    """The data bytes of a packet of `kind`. Raises Truncated, Malformed."""
    return v7.unpack_kind(kind, data, PACKET_LENGTHS[kind])


def _text(values: bytes) -> str:
    return values.split(b"\0")[0].decode("latin-1")


def _text_bytes(name: str, text: str, size: int) -> bytes:
    """`text` in so many bytes. Raises ValueError."""
    encoded = text.encode("latin-1")
    within(f"length of {name}", len(encoded), size)
    if b"\0" in encoded:
        raise ValueError(f"{name}: holds what ends a text")
    return encoded.ljust(size, b"\0")


def fault(reason: int) -> str | None:
    """The reason as a word; None where there is none to complain."""
    return FAULTS.get(reason, "refused_by_device") if reason else None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceId:
    """Type 0x04."""

    identity: str

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode nine bytes. Raises Truncated, Malformed."""
        return cls(identity=_text(_values(v7.DEVICE_ID, data)))

    def __bytes__(self) -> bytes:
        return pack(v7.DEVICE_ID, _text_bytes("identity", self.identity, 7))


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Type 0x05."""

    user: int
    name: str

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode nine bytes. Raises Truncated, Malformed."""
        user, *name = _values(v7.USER, data)
        return cls(user=user, name=_text(bytes(name)))

    def __bytes__(self) -> bytes:
        return pack(v7.USER, (self.user, *_text_bytes("name", self.name, 6)))


@dataclass(frozen=True, slots=True, kw_only=True)
class StartDate:
    """Type 0x07: the day on which a recording began; zeros from a device that does not know."""

    user: int
    segment: int
    year: int
    month: int
    day: int

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode eight bytes. Raises Truncated, Malformed."""
        user, segment, century, year, month, day = _values(v7.START_DATE, data)
        if century > _LAST or year > _LAST:
            raise Malformed("no_date")
        return cls(user=user, segment=segment, year=century * 100 + year, month=month, day=day)

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for what does not fit."""
        return pack(v7.START_DATE, (self.user, self.segment, *divmod(self.year, 100), self.month, self.day))


@dataclass(frozen=True, slots=True, kw_only=True)
class StartTime:
    """Type 0x12: the time of day at which a recording began."""

    user: int
    segment: int
    hour: int
    minute: int
    second: int

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode eight bytes, of which the last says nothing. Raises Truncated, Malformed."""
        user, segment, hour, minute, second, _ = _values(v7.START_TIME, data)
        return cls(user=user, segment=segment, hour=hour, minute=minute, second=second)

    def __bytes__(self) -> bytes:
        return pack(v7.START_TIME, (self.user, self.segment, self.hour, self.minute, self.second, 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLength:
    """Type 0x08: how many bytes of samples a segment has: two a second, or four with a perfusion index."""

    user: int
    segment: int
    length_bytes: int

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode eight bytes. Raises Truncated, Malformed."""
        user, segment, *length = _values(v7.STORED_LENGTH, data)
        return cls(user=user, segment=segment, length_bytes=int.from_bytes(bytes(length), "little"))

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for what does not fit."""
        length = within("length_bytes", self.length_bytes, 2**32 - 1)
        return pack(v7.STORED_LENGTH, (self.user, self.segment, *length.to_bytes(4, "little")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One second of a recording; None: no number."""

    spo2: int | None
    pulse_rate: int | None
    perfusion_index: Decimal | None = None

    @classmethod
    def of(cls, spo2: int, pulse: int) -> Self:
        """The sample that these two bytes are."""
        return cls(
            spo2=None if spo2 == v7.NO_SPO2 else spo2,
            pulse_rate=None if pulse == v7.NO_PULSE else pulse,
        )

    def values(self) -> tuple[int, int]:
        """The two bytes. Raises ValueError for what does not fit."""
        return spo2_byte(self.spo2), or_marker("pulse_rate", self.pulse_rate, v7.NO_PULSE)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredWithPerfusion:
    """Type 0x09: one second of a recording with a perfusion index."""

    spo2: int | None
    pulse_rate: int | None
    perfusion_index: Decimal | None

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode six bytes. Raises Truncated, Malformed."""
        spo2, pulse, low, high = _values(v7.STORED_WITH_PERFUSION, data)
        sample = Sample.of(spo2, pulse)
        return cls(spo2=sample.spo2, pulse_rate=sample.pulse_rate, perfusion_index=percent(high << 8 | low))

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for what does not fit."""
        (sample,) = self.samples
        perfusion = v7.hundredths(self.perfusion_index).to_bytes(2, "little")
        return pack(v7.STORED_WITH_PERFUSION, (*sample.values(), *perfusion))

    @property
    def samples(self) -> tuple[Sample, ...]:
        """The one."""
        return (Sample(spo2=self.spo2, pulse_rate=self.pulse_rate, perfusion_index=self.perfusion_index),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """Type 0x0F: three seconds of a recording. The last packet is filled up with zeros, or with anything."""

    samples: tuple[Sample, ...]

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode eight bytes. Raises Truncated, Malformed."""
        values = _values(v7.STORED, data)
        return cls(samples=tuple(Sample.of(values[at], values[at + 1]) for at in range(0, 2 * SAMPLES_OF_PACKET, 2)))

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError unless there are three samples that fit."""
        if len(self.samples) != SAMPLES_OF_PACKET:
            raise ValueError(f"samples: there are {len(self.samples)}, a packet has {SAMPLES_OF_PACKET}")
        if any(sample.perfusion_index is not None for sample in self.samples):
            raise ValueError("samples: this packet has no perfusion index")
        return pack(v7.STORED, [value for sample in self.samples for value in sample.values()])


@dataclass(frozen=True, slots=True, kw_only=True)
class Segments:
    """Type 0x0A: how many recordings there are of a user."""

    user: int
    segments: int

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode four bytes. Raises Truncated, Malformed."""
        user, segments = _values(v7.SEGMENTS, data)
        return cls(user=user, segments=segments)

    def __bytes__(self) -> bytes:
        return pack(v7.SEGMENTS, (self.user, self.segments))


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """Type 0x0B: what became of a command; `reason` 0 is good (`fault` has the words)."""

    command: int
    reason: int

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode four bytes. Raises Truncated, Malformed."""
        command, reason = _values(v7.FEEDBACK, data)
        return cls(command=command, reason=reason)

    def __bytes__(self) -> bytes:
        return pack(v7.FEEDBACK, (self.command, self.reason))


@dataclass(frozen=True, slots=True, kw_only=True)
class Free:
    """Type 0x0C: nothing is being sent now; the answer to both commands that stop a transfer."""

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode two bytes. Raises Truncated, Malformed."""
        _values(v7.FREE, data)
        return cls()

    def __bytes__(self) -> bytes:
        return pack(v7.FREE, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnect:
    """Type 0x0D: the device leaves; `reason` as in `Feedback`."""

    reason: int

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode three bytes. Raises Truncated, Malformed."""
        return cls(reason=_values(v7.DISCONNECT, data)[0])

    def __bytes__(self) -> bytes:
        return pack(v7.DISCONNECT, (self.reason,))


@dataclass(frozen=True, slots=True, kw_only=True)
class PerfusionFlag:
    """Type 0x0E: whether live packets have a perfusion index. 0 says that they do (table 5), 1 that they don't."""

    identifier: int

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode three bytes. Raises Truncated, Malformed."""
        return cls(identifier=_values(v7.PERFUSION_FLAG, data)[0])

    def __bytes__(self) -> bytes:
        return pack(v7.PERFUSION_FLAG, (self.identifier,))

    @property
    def supported(self) -> bool:
        return self.identifier == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Users:
    """Type 0x10."""

    users: int

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode three bytes. Raises Truncated, Malformed."""
        return cls(users=_values(v7.USERS, data)[0])

    def __bytes__(self) -> bytes:
        return pack(v7.USERS, (self.users,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Type 0x11: `kind` 1 says whether there is anything recorded; no other is documented. `information` is six bytes."""

    kind: int
    information: bytes

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode nine bytes. Raises Truncated, Malformed."""
        kind, *information = _values(v7.NOTICE, data)
        return cls(kind=kind, information=bytes(information))

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for what does not fit."""
        if len(self.information) != 6:
            raise ValueError("information: six bytes are needed")
        return pack(v7.NOTICE, (self.kind, *self.information))

    @property
    def has_stored(self) -> bool | None:
        """Whether anything is recorded; None where the notice is of something else."""
        return bool(self.information[0]) if self.kind == _STORED_NOTICE else None


@dataclass(frozen=True, slots=True, kw_only=True)
class DataId:
    """Type 0x15: `identifier` is 0xA1 for a recording with a perfusion index, 0xA0 for one without. Four more bytes are reserved."""

    user: int
    segment: int
    identifier: int

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode nine bytes. Raises Truncated, Malformed."""
        user, segment, identifier, *_ = _values(v7.DATA_ID, data)
        return cls(user=user, segment=segment, identifier=identifier)

    def __bytes__(self) -> bytes:
        return pack(v7.DATA_ID, (self.user, self.segment, self.identifier, 0, 0, 0, 0))
